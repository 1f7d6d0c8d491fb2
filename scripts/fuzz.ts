import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { runFuzz } from "./fuzz/run.js";
import { runCommand } from "./lib/command.js";
import { wholeNumber } from "./lib/usage.js";

const USAGE = `Usage: npm run fuzz -- [options]

Starts three nodes with mongods of their own and talks to their HTTP ports: good and broken requests, pipelined, cut into
pieces, broken off, left open, with too many headers, foreign hosts, every method on every path. It knows nothing of the
nodes' code. At the end it reads the logs: what was acknowledged is there once, what was refused is not, and what nobody
sent neither. Exit code 3 says that something does not hold.

  --seconds N   for how long (default 60)
  --seed N      the same conversations again
  --clients N   how many connections are used at any time (default 16)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string" },
      clients: { type: "string", default: "16" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const seconds = wholeNumber("--seconds", values.seconds, 1, 86_400);
  const clients = wholeNumber("--clients", values.clients, 1, 500);
  const seed = values.seed === undefined ? randomInt(1_000_000) : wholeNumber("--seed", values.seed, 0, 0xffff_ffff);
  return await runFuzz({ seconds, seed, clients });
}

runCommand(main, USAGE);
