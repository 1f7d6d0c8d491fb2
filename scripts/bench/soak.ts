import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { messageOf } from "../lib/project.js";
import { wholeNumber } from "../lib/usage.js";
import { findMongod } from "../mongod/ladder.js";
import { calibrate, calibrationText } from "./calibration.js";
import { fillWith } from "./fill.js";
import { AskedProcess } from "./load/asked-process.js";
import { LARGE_EVENT_BYTES } from "./load/events.js";
import { Histogram } from "./load/histogram.js";
import { LoadProcess } from "./load/load-process.js";
import type { PagesRead, ToReaders } from "./load/reader-process.js";
import type { LoadResult } from "./load/spec.js";
import type { Collected, ToStreams } from "./load/stream-process.js";
import { MemorySampler, type MemoryUse } from "./samples.js";
import { clusterAnswer, processesOf, QuorumlogTarget } from "./targets/quorumlog.js";

const LOOK_EVERY_MS = 1_000;
const SAY_EVERY = 10;
const LEADER_WITHIN_MS = 60_000;
const WARM_UP_MS = 5_000;
/** What is asked of each node process: under any load, and with any readers beside. */
const NODE_MB_MAX = 300;
const NODE_MB_MAX_WITH_READERS = 350;
/** The log begins with them: pages of 500 and 1,000 events then have 10 and 20 MB. */
const LARGE_EVENTS = 2_000;

/** Each view of leader and term that some node had, with the second in which it was first seen. */
export class LeaderWatch {
  readonly changes: string[] = [];
  #last = "";
  #silentLooks = 0;

  get silentLooks(): number {
    return this.#silentLooks;
  }

  /** `views` is undefined when no answer came in time. */
  look(atSeconds: number, views: readonly { leaderId: string | null; term: number }[] | undefined): void {
    if (views === undefined) {
      this.#silentLooks += 1;
      return;
    }
    const seen = [...new Set(views.map(({ leaderId, term }) => `${leaderId ?? "no leader"} in term ${term}`))];
    const now = seen.sort().join(" / ");
    if (now !== this.#last) this.changes.push(`${atSeconds.toFixed(0)} s: ${now}`);
    this.#last = now;
  }

  /** Asks the nodes in turn, each second; what is given back ends it. */
  watch(urls: readonly string[]): () => void {
    let seconds = 0;
    const timer = setInterval(() => {
      const at = ++seconds;
      clusterAnswer(urls[at % urls.length] as string).then(
        ({ views }) => this.look(at, views),
        () => this.look(at, undefined),
      );
    }, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }
}

/** Constant load for minutes: does the leader stay, and does memory stay bounded? */
export async function runSoak(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string", default: "600" },
      writers: { type: "string", default: "256" },
      batch: { type: "string", default: "1" },
      streams: { type: "string", default: "0" },
      readers: { type: "string", default: "0" },
      filters: { type: "string", default: "0" },
      singles: { type: "string", default: "0" },
    },
  });
  const options: SoakOptions = {
    seconds: wholeNumber("--seconds", values.seconds, 1, 86_400),
    writers: wholeNumber("--writers", values.writers, 1, 2_000),
    batch: wholeNumber("--batch", values.batch, 1, 1_000),
    streams: wholeNumber("--streams", values.streams, 0, 1_000),
    readers: wholeNumber("--readers", values.readers, 0, 1_000),
    filters: wholeNumber("--filters", values.filters, 0, 1_000),
    singles: wholeNumber("--singles", values.singles, 0, 1_000),
  };
  console.log(calibrationText(await calibrate()));
  const target = await QuorumlogTarget.start({ mongodBinary: await findMongod() });
  try {
    await soak(target, options);
  } finally {
    await target.stop();
  }
}

interface SoakOptions {
  readonly seconds: number;
  readonly writers: number;
  readonly batch: number;
  readonly streams: number;
  readonly readers: number;
  readonly filters: number;
  readonly singles: number;
}

async function soak(target: QuorumlogTarget, options: SoakOptions): Promise<void> {
  const { seconds, writers, batch, readers } = options;
  const { cluster } = target;
  const urls = cluster.nodes.map(({ url }) => url);
  if (readers > 0) await fillWith(target, { events: LARGE_EVENTS, fill: "singly", bytes: LARGE_EVENT_BYTES });
  const before = await target.standing();
  const to = await target.at("all");
  const pids = cluster.nodes.map(({ pid }) => pid);
  const leaderId = (await cluster.leader()).node.id;
  const sampler = new MemorySampler();
  const watch = new LeaderWatch();
  const endWatch = watch.watch(urls);
  let lastEvents = 0;
  let progresses = 0;
  const loading = target.load.run(
    { target: to, work: { kind: "append", batch }, clients: writers, seconds },
    ({ events, errors }) => {
      // Anew each second: a process that was ended is another one then.
      sampler.watch(processesOf(cluster, leaderId), "soak");
      if (++progresses % SAY_EVERY !== 0) return;
      const rate = Math.round((events - lastEvents) / SAY_EVERY);
      lastEvents = events;
      console.log(`${progresses} s   ${rate} events/s   ${events} in all   ${errors} failed   ${watch.changes.at(-1)}`);
    },
  );
  // Who attacks meets a cluster that is at work.
  const [result, told] = await Promise.all([
    loading,
    sleep(WARM_UP_MS)
      .then(() => startBeside(target, { ...options, seconds: Math.max(1, seconds - WARM_UP_MS / 1_000) }))
      .then(async (beside) => {
        await loading;
        return beside.end();
      }),
  ]);
  const memory = sampler.stop();
  const ended = cluster.nodes.filter(({ pid }, index) => pid !== pids[index]).map(({ id }) => id);
  const after = await standingAfter(target);
  endWatch();
  console.log([loadVerdict(result), ...told, leaderVerdict(before.leader, after, watch)].join("\n"));
  console.log(ended.length === 0 ? "No node's process ended." : `PROCESSES THAT ENDED: ${ended.join(", ")}.`);
  console.log(memoryVerdict(memory, readers > 0 ? NODE_MB_MAX_WITH_READERS : NODE_MB_MAX));
}

/** A load that ends nodes is told of, and does not end the measurement. */
async function standingAfter(target: QuorumlogTarget): Promise<string> {
  try {
    await target.cluster.leader(LEADER_WITHIN_MS);
    await target.caughtUp();
    return (await target.standing()).leader;
  } catch (error) {
    return messageOf(error);
  }
}

/** Streams and readers, each kind in a process of its own; at the end they tell what they got. */
async function startBeside(
  target: QuorumlogTarget,
  { streams, readers, filters, singles, seconds }: SoakOptions,
): Promise<{ end: () => Promise<string[]> }> {
  const urls = target.cluster.nodes.map(({ url }) => url);
  const ends: (() => Promise<string>)[] = [];
  if (streams > 0) {
    const asked = new AskedProcess<ToStreams, Collected>("stream-process.js");
    await asked.ask({ kind: "open", order: { urls, perUrl: streams, records: false } });
    ends.push(async () => {
      const { messages, closed } = await asked.ask({ kind: "collect" });
      await asked.stop();
      return `Streams: ${messages} messages read, ${closed} of ${streams * urls.length} closed by the nodes.`;
    });
  }
  if (singles > 0) {
    const load = new LoadProcess();
    const work = { kind: "read-one", part: "cold" } as const;
    const to = await target.at("all");
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const reading = load.run({ target: to, work, clients: singles, seconds }, () => begin());
    // What it draws its events from it asks by a list, for which there may be no place later.
    await Promise.race([begun, reading]);
    ends.push(async () => {
      const { events, latency, errors } = await reading;
      await load.stop();
      return `Single reads: ${events}. ${latencyText(latency)} ms. Failed: ${JSON.stringify(errors)}`;
    });
  }
  if (readers + filters > 0) {
    const asked = new AskedProcess<ToReaders, PagesRead>("reader-process.js");
    await asked.ask({ kind: "start", urls, readers, filters });
    ends.push(async () => {
      const { pages, megabytes, filtered, errors, unread, cut } = await asked.ask({ kind: "collect" });
      await asked.stop();
      return (
        `Readers: ${pages} pages, ${megabytes.toFixed(0)} MB; ${filtered} filters without hits. ` +
        `Failed: ${JSON.stringify(errors)}. ` +
        `Not read: ${unread} answers, ${cut} of them cut by the nodes.`
      );
    });
  }
  return { end: () => Promise.all(ends.map((end) => end())) };
}

function loadVerdict({ events, seconds, errors, latency }: LoadResult): string {
  return (
    `\n${events} events in ${seconds.toFixed(0)} s: ${Math.round(events / seconds)}/s\n` +
    `${latencyText(latency)} ms. Failed: ${JSON.stringify(errors)}`
  );
}

function latencyText(latency: LoadResult["latency"]): string {
  const histogram = Histogram.from(latency);
  const percentiles = [0.5, 0.99, 0.999, 1].map((share) => histogram.percentile(share).toFixed(1)).join(" / ");
  return `Latency p50 / p99 / p99.9 / max: ${percentiles}`;
}

function leaderVerdict(before: string, after: string, { changes, silentLooks }: LeaderWatch): string {
  const silent = silentLooks > 0 ? ` (${silentLooks} looks were not answered in 5 s)` : "";
  // The first entry is what stood at the start.
  const moved = changes.slice(1);
  if (before === after && moved.length === 0) return `The leader did not change: ${after}${silent}.`;
  return `THE LEADER CHANGED${silent}: ${before} at the start, ${after} at the end.\n  ${moved.join("\n  ")}`;
}

export function memoryVerdict(memory: readonly MemoryUse[], nodeMbMax = NODE_MB_MAX): string {
  const lines = memory.map(({ label, isNode, maxMb, medianMb, samples }) => {
    const verdict = isNode && maxMb >= nodeMbMax ? `   ABOVE ${nodeMbMax} MB` : "";
    return `  ${label.padEnd(14)} max ${maxMb.toFixed(0)} MB, median ${medianMb.toFixed(0)} MB, ${samples} samples${verdict}`;
  });
  return ["Resident memory:", ...lines].join("\n");
}
