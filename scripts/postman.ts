import { writeFileSync } from "node:fs";
import { runCommand } from "./lib/command.js";
import { COLLECTION_FILE, postmanCollection } from "./postman/collection.js";

runCommand(async () => {
  writeFileSync(COLLECTION_FILE, postmanCollection());
  console.error(`Written to ${COLLECTION_FILE}`);
  return 0;
});
