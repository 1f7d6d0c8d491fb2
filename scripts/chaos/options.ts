import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { minutesOf, UsageError, wholeNumber } from "../lib/usage.js";
import { FAULT_NAMES, type FaultName, isMadeOn, NOT_MADE_HERE, ROUND_FAULTS } from "./faults/catalogue.js";
import type { CalmOptions } from "./no-alarm.js";
import type { TamperOptions } from "./tamper/run.js";

const ROUNDS = "50";
const MINUTES = "5";
const TAMPER_EVENTS = "60000";
const TAMPER_WRITERS = "16";
const CALM_MINUTES = "10";
const CALM_WRITERS = "256";

export const USAGE = `Usage: npm run chaos -- [--rounds N] [--faults NAME,…] [options]
       npm run chaos -- --minutes M [--faults NAME,…] [options]
       npm run chaos -- tamper [--events N] [--only TEXT]
       npm run chaos -- no-alarm [--minutes M] [--writers N]
       npm run chaos -- judge FOLDER
       npm run chaos -- COMMAND [--data FOLDER] [--url URL]

Starts a cluster with mongods of its own in a temporary folder, and breaks it again and again while clients write and read
through all nodes. Every call goes into a history (docs/reference/history-format.md), which a judge that shares no code with
the nodes holds against the log of every node. Exit code 3 says that something does not hold.

  --rounds N        N faults, one at a time (default ${ROUNDS}): kills, pauses and hand-overs, unless --faults says otherwise
  --minutes M       for so long, faults alone and overlapping (default ${MINUTES}, if only --faults is given): all of them,
                    unless --faults says otherwise
  --faults NAME,…   these: first each alone, in this order, then as they are drawn
  --nodes N         1, 3, 5, … (default 3)
  --writers N       how many clients write (default 16)
  --readers N       how many read (default 6)
  --seed N          the same choice of faults again
  --out FOLDER      where history, logs and report go (default: a new temporary folder)

Faults:
${wrapped(FAULT_NAMES)}

npm run kill-leader is --rounds 20 --faults leader-kill; each of the options may be given besides, and --faults anew.

tamper              changes data behind the nodes' backs under load, in every way that is to be found, on follower,
                    leader, and two of three nodes; prints how long each took to be found, and whether node, event and field
                    were named, and nothing else.
                    3: one was not found within 10 s, or not named rightly
  --events N        how many events are there before (default ${TAMPER_EVENTS})
  --writers N       how many clients write meanwhile (default ${TAMPER_WRITERS})
  --only TEXT       only what has this in its description

no-alarm            failovers, replaced tails, catching up, hand-overs, restarts, repairs, rebuilt nodes, and full passes
                    over the log all the while; prints how many alerts there were, also of those that are over, besides
                    the one of each event that is altered to be put right. 3: one or more
  --minutes M       for so long (default ${CALM_MINUTES})
  --writers N       how many clients write (default ${CALM_WRITERS})

judge FOLDER        judges the history and the logs in such a folder again

With a COMMAND: does it to the cluster that npm start runs, and tells what happens.

  kill-leader       SIGKILL                    kill n2           SIGKILL
  pause-leader 5s   SIGSTOP, then SIGCONT      pause n2 10s      SIGSTOP, then SIGCONT
  hand-over         SIGTERM of the leader      restart n2        SIGTERM
  kill-mongod n2    SIGKILL of its mongod      pause-mongod n2 3s

  --data FOLDER     its data folder (default: DATA_DIR, or ./data)
  --url URL         one of its nodes (default: http://127.0.0.1:PORT, or port 3000)
`;

/** Lines of names, as long as a terminal is wide. */
function wrapped(names: readonly string[]): string {
  return names
    .join(", ")
    .replaceAll(/(.{1,100}(?:,|$)) ?/g, "  $1\n")
    .trimEnd();
}

export interface RunOptions {
  mode: "run";
  /** Whichever ends first; at least one of the two is given. With `rounds`, faults come one at a time. */
  minutes: number | undefined;
  rounds: number | undefined;
  nodes: number;
  writers: number;
  readers: number;
  names: readonly FaultName[];
  /** Those that come first, one at a time. */
  alone: readonly FaultName[];
  seed: number;
  out: string | undefined;
}

export interface TamperRun extends TamperOptions {
  mode: "tamper";
}

export interface CalmRun extends CalmOptions {
  mode: "no-alarm";
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
  rounds: { type: "string" },
  minutes: { type: "string" },
  faults: { type: "string" },
  nodes: { type: "string", default: "3" },
  writers: { type: "string" },
  events: { type: "string" },
  only: { type: "string" },
  readers: { type: "string", default: "6" },
  seed: { type: "string" },
  out: { type: "string" },
  data: { type: "string" },
  url: { type: "string" },
  help: { type: "boolean" },
} as const;

export function parseChaosOptions(
  args: string[],
  env: NodeJS.ProcessEnv,
): RunOptions | LiveOptions | TamperRun | CalmRun | { mode: "judge"; paths: string[] } | { mode: "help" } {
  const { values, positionals } = parseArgs({ args, options: FLAGS, allowPositionals: true });
  if (values.help) return { mode: "help" };
  if (positionals[0] === "judge") {
    if (positionals.length === 1) throw new UsageError("judge needs a folder of results, or a history and logs.");
    return { mode: "judge", paths: positionals.slice(1) };
  }
  if (positionals[0] === "tamper" && positionals.length === 1) {
    const { events = TAMPER_EVENTS, writers = TAMPER_WRITERS, only = "" } = values;
    return {
      mode: "tamper",
      events: wholeNumber("--events", events, 5_000, 10_000_000),
      writers: wholeNumber("--writers", writers, 0, 1_000),
      only,
    };
  }
  if (positionals[0] === "no-alarm" && positionals.length === 1) {
    const { minutes = CALM_MINUTES, writers = CALM_WRITERS } = values;
    return { mode: "no-alarm", minutes: minutesOf(minutes), writers: wholeNumber("--writers", writers, 1, 1_000) };
  }
  if (positionals.length > 0) {
    const url = values.url ?? `http://127.0.0.1:${env.PORT || "3000"}`;
    return { mode: "live", ...parseCommand(positionals), dataDir: values.data ?? (env.DATA_DIR || "data"), url };
  }
  return runOptions(values);
}

type Flags = ReturnType<typeof parseArgs<{ options: typeof FLAGS; allowPositionals: true }>>["values"];

function runOptions(values: Flags): RunOptions {
  const { faults, seed } = values;
  const nodes = wholeNumber("--nodes", values.nodes, 1, 9);
  if (nodes % 2 === 0) throw new UsageError(`--nodes ${nodes}: give an odd number.`);
  const asked = faults?.split(",").map(faultName);
  const tooBig = asked?.find((name) => !isMadeOn(name, nodes));
  if (tooBig !== undefined) throw new UsageError(`--faults: ${tooBig} is not made on ${nodes} nodes.`);
  const isByTime = values.minutes !== undefined || (values.rounds === undefined && asked !== undefined);
  const minutes = isByTime ? minutesOf(values.minutes ?? MINUTES) : undefined;
  const isInRounds = values.rounds !== undefined || !isByTime;
  const rounds = isInRounds ? wholeNumber("--rounds", values.rounds ?? ROUNDS, 1, 10_000) : undefined;
  const names = asked ?? (isInRounds ? ROUND_FAULTS : FAULT_NAMES);
  return {
    mode: "run",
    minutes,
    rounds,
    nodes,
    writers: wholeNumber("--writers", values.writers ?? "16", 1, 1_000),
    readers: wholeNumber("--readers", values.readers, 0, 1_000),
    names,
    alone: asked ?? (isInRounds ? names : []),
    seed: seed === undefined ? randomInt(1_000_000) : wholeNumber("--seed", seed, 0, 0xffff_ffff),
    out: values.out,
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
