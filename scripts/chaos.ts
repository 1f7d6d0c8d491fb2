import { existsSync } from "node:fs";
import { runLive } from "./chaos/live.js";
import { parseChaosOptions, USAGE } from "./chaos/options.js";
import { runRounds } from "./chaos/rounds.js";
import { UsageError } from "./options.js";
import { messageOf } from "./project.js";

async function main(): Promise<number> {
  if (existsSync(".env")) process.loadEnvFile(".env");
  const options = parseChaosOptions(process.argv.slice(2), process.env);
  switch (options.mode) {
    case "help":
      process.stdout.write(USAGE);
      return 0;
    case "live":
      return await runLive(options);
    case "rounds":
      return await runRounds(options);
  }
}

main().then(
  (exitCode) => process.exit(exitCode),
  (error) => {
    console.error(messageOf(error));
    process.exit(error instanceof UsageError || error.code?.startsWith("ERR_PARSE_ARGS") ? 2 : 1);
  },
);
