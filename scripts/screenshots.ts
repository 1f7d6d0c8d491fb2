import { parseArgs } from "node:util";
import { runCommand } from "./lib/command.js";
import { takePictures } from "./screenshots/take.js";

const USAGE = `Usage: npm run screenshots [-- --every]

Takes the pictures of the dashboard that are in docs/, of a cluster of its own in a temporary folder.

  --every   every page instead, empty, full and with alerts, in both themes and three widths, into dist/screenshots/pages
  --help    this text
`;

runCommand(async () => {
  const { values } = parseArgs({ options: { every: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) process.stdout.write(USAGE);
  else await takePictures({ isEvery: values.every === true, say: (line) => console.error(line) });
  return 0;
}, USAGE);
