import { parseArgs } from "node:util";
import { editDistance } from "../../shared/edit-distance.js";
import { UsageError, wholeNumber } from "../lib/usage.js";

export interface StartOptions {
  basePort: number;
  /** Undefined: as many as the data folder has, or three. */
  nodes: number | undefined;
  isFresh: boolean;
  mayDelete: boolean;
  allowDownload: boolean;
  /** An empty log is filled with events to look at. */
  isDemo: boolean;
  /** The dashboard may kill, pause and cut off nodes, and alter what they store. */
  allowsChaos: boolean;
  wantsHelp: boolean;
}

export const USAGE = `Usage: npm start -- [options]

Starts three nodes on ports 3000, 3001 and 3002, each with a mongod of its own, and keeps them running.

  --port P        first port (default: PORT, or 3000); the others follow it
  --nodes N       how many nodes: 1, 3, 5, … (default: 3)
  --fresh         start with an empty log: ./data is moved to ./data.<time>
  --fresh --yes   the same, but ./data is deleted
  --demo          fill an empty log with events to look at, and allow faults as below
  --allow-chaos   let the dashboard kill, pause and cut off nodes, and alter what they store; on this machine only
  --no-download   use only a mongod that is installed on this machine
  --help          this text

  MONGODB_URI=mongodb://…     one node on that server instead (also in .env)
  MONGODB_URIS=uri,uri,uri    one node on each of these servers
  MONGOD_BINARY=/path/mongod  the mongod to start
  DATA_DIR=./data             where logs, keys and data are kept
`;

const FLAGS = {
  port: { type: "string" },
  nodes: { type: "string" },
  fresh: { type: "boolean" },
  yes: { type: "boolean" },
  demo: { type: "boolean" },
  "allow-chaos": { type: "boolean" },
  "no-download": { type: "boolean" },
  help: { type: "boolean" },
} as const;

export function parseStartOptions(args: string[], env: NodeJS.ProcessEnv): StartOptions {
  const { values, positionals, tokens } = parseArgs({
    args,
    options: FLAGS,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    refuseUnknown(token.name, token.rawName);
    const takesValue = FLAGS[token.name as keyof typeof FLAGS].type === "string";
    if (takesValue && token.value === undefined) throw new UsageError(`${token.rawName} needs a number.`);
    if (!takesValue && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value.`);
  }
  if (positionals.length > 0) throw new UsageError(`"${positionals[0]}" is no option of npm start.`);
  const isFresh = values.fresh === true;
  if (values.yes && !isFresh)
    throw new UsageError("--yes goes with --fresh only: it says that the data may be deleted.");
  const nodes = values.nodes === undefined ? undefined : wholeNumber("--nodes", values.nodes as string, 1, 99);
  if (nodes !== undefined && nodes % 2 === 0) {
    const instead = `${nodes - 1} or ${nodes + 1}`;
    throw new UsageError(`--nodes ${nodes}: an even number survives no more failures than one less. Use ${instead}.`);
  }
  const flag = values.port as string | undefined;
  const basePort =
    flag === undefined ? wholeNumber("PORT", env.PORT || "3000", 1, 65_535) : wholeNumber("--port", flag, 1, 65_535);
  const allowDownload = values["no-download"] !== true;
  const isDemo = values.demo === true;
  return {
    ...{ basePort, nodes, isFresh, mayDelete: values.yes === true, allowDownload, wantsHelp: values.help === true },
    ...{ isDemo, allowsChaos: isDemo || values["allow-chaos"] === true },
  };
}

function refuseUnknown(name: string, rawName: string): void {
  if (Object.hasOwn(FLAGS, name)) return;
  const nearest = Object.keys(FLAGS)
    .map((flag) => ({ flag, distance: editDistance(flag, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint = nearest && nearest.distance <= 3 ? ` Did you mean --${nearest.flag}?` : "";
  throw new UsageError(`${rawName} is no option of npm start.${hint}`);
}
