import { startCluster } from "./cluster/cluster.js";
import { tellTamperStory } from "./demo/tamper-story.js";
import { runCommand } from "./lib/command.js";

const USAGE = `Usage: npm run demo:tamper

A story of two minutes: a cluster of its own, in a temporary folder, whose data are changed behind its back. Nothing is left.
`;

async function main(): Promise<number> {
  if (process.argv.length > 2) {
    process.stdout.write(USAGE);
    return process.argv[2] === "--help" ? 0 : 2;
  }
  console.log("Starting three nodes …\n");
  const cluster = await startCluster();
  const abandon = () => {
    cluster.abandon();
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  try {
    await tellTamperStory(cluster, console.log);
    console.log("\nWith npm start the same is yours to try. docs/threat-model.md says what is found, and what is not.");
    return 0;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    await cluster.stop();
  }
}

runCommand(main, USAGE);
