import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UsageError, wholeNumber } from "../lib/usage.js";
import { FILLS, type Fill } from "./fill.js";

export const USAGE = `Usage: npm run bench -- [options]
       npm run bench:dashboard -- [--minutes N] [--rate N] [--events N] [--runs N]
       npm run bench -- disk [--events N] [--before DIR]
       npm run bench -- filters [--sizes LIST] [--days LIST] [--clients N] [--seconds N]
       npm run bench -- size [--events N] [--rate N]
       npm run bench -- soak [--seconds N] [--writers N] [--batch N] [--streams N] [--readers N] [--filters N]
                       [--singles N]

Starts three nodes with a mongod each, beside them what they are compared with, and measures all in turn, round after
round. Prints a table, and writes bench-results/<time>.json and .md. See docs/performance.md.

  --seconds N      length of one measurement (default 5)
  --rounds N       how often each is taken; medians are reported (default 3)
  --clients LIST   numbers of clients (default 1,16,64,256)
  --rates LIST     open loop: appends a second (default 500,1000,2000)
  --only LIST      some of append, keyed, batch, forward, down, back, open, read-one, page, deep, large, stream-lag, or
                   single ones such as batch-16 or page-cold-64
  --events N       reads are drawn from a log of so many events (default 2000000); deep pages need 1000000
  --fill WAY       how that log is written: batch (of 1,000), hundreds (batches of 100) or singly (default batch)
  --against LIST   mongodb, etcd, nats (where they are on PATH), or none (default mongodb,etcd,nats)
  --before DIR     one more cluster, of another checkout that is built: the version before
  --variant A=B    one more cluster whose nodes have this in their environment; A=B,C=D sets two; may be repeated;
                   MONGOD_ARGS="--flag value" sets arguments of its mongods
  --quick          a look rather than a measurement: 2 seconds, one round, 16 and 64 clients, one rate, 50,000 events

dashboard: first load, live tail, heap and scrolling of the page in a headless Chromium.
disk:    what an event takes on a node's disk, written in batches of 100 and singly, beside a plain collection.
filters: the 99th percentile of filtered pages in logs of several sizes, spread over so many days.
size:    builds a log of a million events with one follower down, then measures its catch-up under load and the time that
         each node takes from SIGKILL and start to ready.
soak:    constant load, with readers of large pages of whom half do not read, of filters without hits, and of single
         events; tells of every change of leader, of what failed, and of each process's memory.
`;

const OTHERS = ["mongodb", "etcd", "nats"] as const;
export type Other = (typeof OTHERS)[number];

/** The last of the deep pages exists from here on. */
export const DEEP_EVENTS_MIN = 1_000_000;

export interface BenchOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly clients: readonly number[];
  readonly rates: readonly number[];
  readonly only: readonly string[];
  readonly events: number;
  readonly fill: Fill;
  readonly against: readonly Other[];
  readonly before: string | null;
  /** The environments of further clusters. */
  readonly variants: readonly NodeJS.ProcessEnv[];
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
      events: { type: "string" },
      fill: { type: "string", default: "batch" },
      against: { type: "string", default: OTHERS.join() },
      before: { type: "string" },
      variant: { type: "string", multiple: true, default: [] },
      quick: { type: "boolean", default: false },
    },
  });
  const { quick } = values;
  const events = wholeNumber("--events", values.events ?? (quick ? "50000" : "2000000"), 20_000, 100_000_000);
  const only = listOf(values.only ?? "");
  if (events < DEEP_EVENTS_MIN && only.some((name) => name.startsWith("deep")))
    throw new UsageError(`--only deep needs --events of at least ${DEEP_EVENTS_MIN}.`);
  return {
    seconds: wholeNumber("--seconds", values.seconds ?? (quick ? "2" : "5"), 1, 3_600),
    rounds: wholeNumber("--rounds", values.rounds ?? (quick ? "1" : "3"), 1, 100),
    clients: numbers("--clients", values.clients ?? (quick ? "16,64" : "1,16,64,256"), 2_000),
    rates: numbers("--rates", values.rates ?? (quick ? "500" : "500,1000,2000"), 100_000),
    only: only.map((name) => {
      if (names.some((known) => name === known || name.startsWith(`${known}-`))) return name;
      throw new UsageError(`--only takes some of ${names.join(", ")}, not ${name}.`);
    }),
    events,
    fill: fillNamed(values.fill),
    against: against(values.against),
    before: checkout(values.before),
    variants: values.variant.map(variant),
  };
}

export const listOf = (text: string): string[] => text.split(",").filter((part) => part !== "");

export function numbers(flag: string, text: string, max: number): number[] {
  return listOf(text).map((part) => wholeNumber(flag, part, 1, max));
}

function fillNamed(text: string): Fill {
  if (Object.hasOwn(FILLS, text)) return text as Fill;
  throw new UsageError(`--fill takes one of ${Object.keys(FILLS).join(", ")}, not ${text}.`);
}

/** The folder of another checkout that is built. */
export function checkout(folder: string | undefined): string | null {
  if (folder === undefined) return null;
  const main = join(folder, "dist/node/main.js");
  if (existsSync(main)) return folder;
  throw new UsageError(`--before takes the folder of a checkout that is built: there is no ${main}.`);
}

function against(text: string): Other[] {
  return listOf(text).flatMap((name) => {
    if (name === "none") return [];
    const other = OTHERS.find((one) => one === name);
    if (other !== undefined) return [other];
    throw new UsageError(`--against takes ${OTHERS.join(", ")} or none, not ${name}.`);
  });
}

function variant(text: string): NodeJS.ProcessEnv {
  const pairs = listOf(text).map((pair) => /^([A-Z0-9_]+)=(.*)$/.exec(pair));
  if (pairs.length === 0 || pairs.includes(null)) throw new UsageError(`--variant takes NAME=VALUE, not ${text}.`);
  return Object.fromEntries(pairs.map((match) => [match?.[1], match?.[2]]));
}
