import { parseArgs } from "node:util";
import { UsageError, wholeNumber } from "../options.js";

export const USAGE = `Usage: npm run bench -- [options]
       npm run bench -- size [--events N] [--rate N]
       npm run bench -- soak [--minutes N] [--clients N] [--batch N] [--streams N]

Starts three nodes with a mongod each, beside them what they are compared with, and measures all in turn, round after
round. Prints a table, and writes bench-results/<time>.json and .md. See docs/performance.md.

  --seconds N      length of one measurement (default 5)
  --rounds N       how often each is taken; medians are reported (default 3)
  --clients LIST   numbers of clients (default 1,16,64,256)
  --rates LIST     open loop: appends a second (default 500,1000,2000)
  --only LIST      some of append, batch, forward, read-one, page, open, stream-lag, or single ones such as batch-16
  --against LIST   mongodb, etcd (where it is on PATH), or none (default mongodb,etcd)
  --variant A=B    one more cluster whose nodes have this in their environment; A=B,C=D sets two; may be repeated
  --memory         take the resident memory of every process each second
  --quick          a look rather than a measurement: 2 seconds, one round, 16 and 64 clients, one rate

size: builds a log of a million events with one follower down, then measures its catch-up under load and the time that
      each node takes from SIGKILL and start to ready.
soak: constant load; tells of every change of leader and of each process's memory.
`;

export interface BenchOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly clients: readonly number[];
  readonly rates: readonly number[];
  readonly only: readonly string[];
  readonly against: readonly ("mongodb" | "etcd")[];
  /** The environments of further clusters. */
  readonly variants: readonly NodeJS.ProcessEnv[];
  readonly samplesMemory: boolean;
}

export function parseBenchOptions(args: string[], names: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string" },
      rounds: { type: "string" },
      clients: { type: "string" },
      rates: { type: "string" },
      only: { type: "string" },
      against: { type: "string", default: "mongodb,etcd" },
      variant: { type: "string", multiple: true, default: [] },
      memory: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
    },
  });
  const { quick } = values;
  return {
    seconds: wholeNumber("--seconds", values.seconds ?? (quick ? "2" : "5"), 1, 3_600),
    rounds: wholeNumber("--rounds", values.rounds ?? (quick ? "1" : "3"), 1, 100),
    clients: numbers("--clients", values.clients ?? (quick ? "16,64" : "1,16,64,256"), 2_000),
    rates: numbers("--rates", values.rates ?? (quick ? "500" : "500,1000,2000"), 100_000),
    only: listOf(values.only ?? "").map((name) => {
      if (names.some((known) => name === known || name.startsWith(`${known}-`))) return name;
      throw new UsageError(`--only takes some of ${names.join(", ")}, not ${name}.`);
    }),
    against: against(values.against),
    variants: values.variant.map(variant),
    samplesMemory: values.memory,
  };
}

const listOf = (text: string): string[] => text.split(",").filter((part) => part !== "");

function numbers(flag: string, text: string, max: number): number[] {
  return listOf(text).map((part) => wholeNumber(flag, part, 1, max));
}

function against(text: string): ("mongodb" | "etcd")[] {
  return listOf(text).flatMap((name) => {
    if (name === "none") return [];
    if (name === "mongodb" || name === "etcd") return [name];
    throw new UsageError(`--against takes mongodb, etcd or none, not ${name}.`);
  });
}

function variant(text: string): NodeJS.ProcessEnv {
  const pairs = listOf(text).map((pair) => /^([A-Z0-9_]+)=(.*)$/.exec(pair));
  if (pairs.length === 0 || pairs.includes(null)) throw new UsageError(`--variant takes NAME=VALUE, not ${text}.`);
  return Object.fromEntries(pairs.map((match) => [match?.[1], match?.[2]]));
}
