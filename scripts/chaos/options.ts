import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { minutesOf, UsageError, wholeNumber } from "../options.js";
import { FAULT_KINDS, type FaultKind } from "./faults.js";
import { FAULT_NAMES, type FaultName, NOT_MADE_HERE } from "./mix/catalogue.js";
import { isMadeOn } from "./mix/schedule.js";

export const USAGE = `Usage: npm run chaos -- [options]
       npm run chaos -- --minutes M [--faults NAME,…] [options]
       npm run chaos -- judge FOLDER
       npm run chaos -- COMMAND [--data FOLDER] [--url URL]

Starts a cluster with mongods of its own in a temporary folder, puts it under load, and breaks it again and again. After
each round every acknowledged event must be on every node once, in its place and unchanged, and all heads must be equal.
Exit code 3 says that they are not.

  --rounds N        how many faults (default 50)
  --nodes N         3 or 5 (default 3)
  --writers N       how many writes are under way at any time (default 16)
  --only KIND,…     only these faults: ${FAULT_KINDS.slice(0, 5).join(", ")},
                    ${FAULT_KINDS.slice(5).join(", ")}
  --seed N          the same choice of faults again
  --mongod-kills N  instead: kill mongods N times, in turn, the leader's every second time
  --data DIR        keep the data in DIR

With --minutes or --faults: faults alone and overlapping, drawn from the seed (of a list: first each alone, in order), while
clients write and read through all nodes. Every call goes into a history (docs/reference/history-format.md), which a judge
that shares no code with the nodes holds against the log of every node. Exit code 3 says that something does not hold.

  --minutes M       for how long faults are made (default 5)
  --faults NAME,…   ${names(0, 6)},
                    ${names(6, 13)},
                    ${names(13, 15)},
                    ${names(15, 21)},
                    ${names(21)} (default: all)
  --nodes N, --writers N, --seed N as above; --readers N (default 6)
  --out FOLDER      where history, logs and report go (default: a new temporary folder)

judge FOLDER        judges the history and the logs in such a folder again

With a COMMAND: does it to the cluster that npm start runs, and tells what happens.

  kill-leader       SIGKILL                    kill n2           SIGKILL
  pause-leader 5s   SIGSTOP, then SIGCONT      pause n2 10s      SIGSTOP, then SIGCONT
  hand-over         SIGTERM of the leader      restart n2        SIGTERM
  kill-mongod n2    SIGKILL of its mongod      pause-mongod n2 3s

  --data FOLDER     its data folder (default: DATA_DIR, or ./data)
  --url URL         one of its nodes (default: http://127.0.0.1:PORT, or port 3000)
`;

function names(from: number, to?: number): string {
  return FAULT_NAMES.slice(from, to).join(", ");
}

export interface MixOptions {
  mode: "mix";
  minutes: number;
  nodes: number;
  writers: number;
  readers: number;
  names: readonly FaultName[];
  /** Those that come first, one at a time. */
  alone: readonly FaultName[];
  seed: number;
  out: string | undefined;
}

export interface RoundsOptions {
  mode: "rounds";
  rounds: number;
  nodes: number;
  writers: number;
  kinds: readonly FaultKind[];
  seed: number;
  mongodKills: number | undefined;
  dataDir: string | undefined;
}

export interface LiveOptions {
  mode: "live";
  signal: "SIGKILL" | "SIGSTOP" | "SIGTERM";
  /** Undefined: whoever leads. */
  node: string | undefined;
  program: "node" | "mongod";
  pauseMs: number;
  dataDir: string;
  url: string;
}

const FLAGS = {
  rounds: { type: "string", default: "50" },
  nodes: { type: "string", default: "3" },
  writers: { type: "string", default: "16" },
  only: { type: "string" },
  seed: { type: "string" },
  "mongod-kills": { type: "string" },
  minutes: { type: "string" },
  faults: { type: "string" },
  readers: { type: "string", default: "6" },
  out: { type: "string" },
  data: { type: "string" },
  url: { type: "string" },
  help: { type: "boolean" },
} as const;

export function parseChaosOptions(
  args: string[],
  env: NodeJS.ProcessEnv,
): RoundsOptions | MixOptions | LiveOptions | { mode: "judge"; paths: string[] } | { mode: "help" } {
  const { values, positionals } = parseArgs({ args, options: FLAGS, allowPositionals: true });
  if (values.help) return { mode: "help" };
  if (positionals[0] === "judge") {
    if (positionals.length === 1) throw new UsageError("judge needs a folder of results, or a history and logs.");
    return { mode: "judge", paths: positionals.slice(1) };
  }
  if (positionals.length > 0) {
    const url = values.url ?? `http://127.0.0.1:${env.PORT || "3000"}`;
    return { mode: "live", ...parseCommand(positionals), dataDir: values.data ?? (env.DATA_DIR || "data"), url };
  }
  const kills = values["mongod-kills"];
  const nodes = wholeNumber("--nodes", values.nodes, 1, 9);
  if (nodes % 2 === 0) throw new UsageError(`--nodes ${nodes}: give an odd number.`);
  const writers = wholeNumber("--writers", values.writers, 1, 1_000);
  const seed = values.seed === undefined ? randomInt(1_000_000) : wholeNumber("--seed", values.seed, 0, 0xffff_ffff);
  if (values.minutes !== undefined || values.faults !== undefined) {
    if (nodes < 3) throw new UsageError("--minutes and --faults need three nodes or more.");
    const readers = wholeNumber("--readers", values.readers, 0, 1_000);
    const alone = values.faults?.split(",").map(faultName) ?? [];
    const names = values.faults === undefined ? FAULT_NAMES : alone;
    const tooBig = alone.find((name) => !isMadeOn(name, nodes));
    if (tooBig !== undefined) throw new UsageError(`--faults: ${tooBig} takes more than ${nodes} nodes.`);
    return {
      mode: "mix",
      minutes: minutesOf(values.minutes ?? "5"),
      nodes,
      writers,
      readers,
      names,
      alone,
      seed,
      out: values.out,
    };
  }
  return {
    mode: "rounds",
    rounds: wholeNumber("--rounds", values.rounds, 1, 10_000),
    nodes,
    writers,
    kinds: values.only === undefined ? FAULT_KINDS : values.only.split(",").map(faultKind),
    seed,
    mongodKills: kills === undefined ? undefined : wholeNumber("--mongod-kills", kills, 1, 10_000),
    dataDir: values.data,
  };
}

function faultName(text: string): FaultName {
  const name = FAULT_NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  if (Object.hasOwn(NOT_MADE_HERE, text)) {
    const why = NOT_MADE_HERE[text as keyof typeof NOT_MADE_HERE];
    throw new UsageError(`--faults: ${text} is not made on real processes (${why}); the simulator has it.`);
  }
  throw new UsageError(`--faults: "${text}" is none of ${FAULT_NAMES.join(", ")}.`);
}

function faultKind(text: string): FaultKind {
  const kind = FAULT_KINDS.find((known) => known === text);
  if (kind === undefined) throw new UsageError(`--only: "${text}" is none of ${FAULT_KINDS.join(", ")}.`);
  return kind;
}

const COMMANDS = {
  "kill-leader": { signal: "SIGKILL", program: "node", isOfLeader: true },
  "pause-leader": { signal: "SIGSTOP", program: "node", isOfLeader: true },
  "hand-over": { signal: "SIGTERM", program: "node", isOfLeader: true },
  kill: { signal: "SIGKILL", program: "node", isOfLeader: false },
  "kill-mongod": { signal: "SIGKILL", program: "mongod", isOfLeader: false },
  pause: { signal: "SIGSTOP", program: "node", isOfLeader: false },
  "pause-mongod": { signal: "SIGSTOP", program: "mongod", isOfLeader: false },
  restart: { signal: "SIGTERM", program: "node", isOfLeader: false },
} as const;

function parseCommand(words: string[]): Pick<LiveOptions, "signal" | "program" | "node" | "pauseMs"> {
  const [name = "", ...rest] = words;
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`"${name}" is none of ${Object.keys(COMMANDS).join(", ")}.`);
  }
  const { signal, program, isOfLeader } = COMMANDS[name as keyof typeof COMMANDS];
  const node = isOfLeader ? undefined : rest.shift();
  if (!isOfLeader && !/^[\w-]{1,64}$/.test(node ?? "")) throw new UsageError(`${name} needs a node, for example n2.`);
  const pauseMs = signal === "SIGSTOP" ? duration(name, rest.shift()) : 0;
  if (rest.length > 0) throw new UsageError(`${name}: "${rest.join(" ")}" is too much.`);
  return { signal, program, node, pauseMs };
}

function duration(name: string, text = ""): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text);
  const ms = Number(match?.[1]) * (match?.[2] === "s" ? 1_000 : 1);
  if (ms > 0 && ms <= 600_000) return ms;
  throw new UsageError(`${name} needs a time of at most 600 s, for example 10s or 500ms.`);
}
