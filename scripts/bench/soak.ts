import { parseArgs } from "node:util";
import { findMongod } from "../mongod/ladder.js";
import { UsageError, wholeNumber } from "../options.js";
import { Histogram } from "./load/histogram.js";
import { StreamProcess } from "./load/streams.js";
import { MemorySampler, type MemoryUse } from "./samples.js";
import { clusterAnswer, QuorumlogTarget } from "./targets/quorumlog.js";

const LOOK_EVERY_MS = 1_000;
const SAY_EVERY = 10;
/** What is asked of each node process, under any load. */
const NODE_MB_MAX = 300;

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
}

/** Constant load for minutes: does the leader stay, and does memory stay bounded? */
export async function runSoak(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "10" },
      clients: { type: "string", default: "256" },
      batch: { type: "string", default: "1" },
      streams: { type: "string", default: "0" },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= 1_440)) throw new UsageError("--minutes must be a number above 0, at most 1440.");
  const clients = wholeNumber("--clients", values.clients, 1, 2_000);
  const batch = wholeNumber("--batch", values.batch, 1, 1_000);
  const streams = wholeNumber("--streams", values.streams, 0, 1_000);
  const target = await QuorumlogTarget.start({ mongodBinary: await findMongod() });
  try {
    await soak(target, { minutes, clients, batch, streams });
  } finally {
    await target.stop();
  }
}

interface SoakOptions {
  minutes: number;
  clients: number;
  batch: number;
  streams: number;
}

async function soak(target: QuorumlogTarget, { minutes, clients, batch, streams }: SoakOptions): Promise<void> {
  const { cluster, load } = target;
  const urls = cluster.nodes.map(({ url }) => url);
  const before = await target.standing();
  const opened = streams > 0 ? await StreamProcess.open({ urls, perUrl: streams, records: false }) : undefined;
  const sampler = new MemorySampler();
  sampler.watch(await target.processes(), "soak");
  const watch = new LeaderWatch();
  let seconds = 0;
  const looking = setInterval(() => {
    const at = ++seconds;
    const anyUrl = urls[at % urls.length] as string;
    clusterAnswer(anyUrl).then(
      ({ views }) => watch.look(at, views),
      () => watch.look(at, undefined),
    );
  }, LOOK_EVERY_MS);
  let lastEvents = 0;
  let progresses = 0;
  const result = await load.run(
    { target: await target.at("all"), work: { kind: "append", batch }, clients, seconds: minutes * 60 },
    ({ events, errors }) => {
      if (++progresses % SAY_EVERY !== 0) return;
      const rate = Math.round((events - lastEvents) / SAY_EVERY);
      lastEvents = events;
      console.log(`${progresses} s   ${rate} events/s   ${events} in all   ${errors} failed   ${watch.changes.at(-1)}`);
    },
  );
  await target.caughtUp();
  clearInterval(looking);
  const memory = sampler.stop();
  const after = await target.standing();
  const collected = await opened?.collect();
  await opened?.stop();
  const latency = Histogram.from(result.latency);
  const percentiles = [0.5, 0.99, 0.999, 1].map((share) => latency.percentile(share).toFixed(1)).join(" / ");
  console.log(
    `\n${result.events} events in ${result.seconds.toFixed(0)} s: ${Math.round(result.events / result.seconds)}/s`,
  );
  console.log(`Latency p50 / p99 / p99.9 / max: ${percentiles} ms. Failed: ${JSON.stringify(result.errors)}`);
  if (collected !== undefined)
    console.log(
      `Streams: ${collected.messages} messages read, ${collected.closed} of ${streams * 3} closed by the nodes.`,
    );
  console.log(leaderVerdict(before.leader, after.leader, watch));
  console.log(memoryVerdict(memory));
}

function leaderVerdict(before: string, after: string, { changes, silentLooks }: LeaderWatch): string {
  const silent = silentLooks > 0 ? ` (${silentLooks} looks were not answered in 5 s)` : "";
  // The first entry is what stood at the start.
  const moved = changes.slice(1);
  if (before === after && moved.length === 0) return `The leader did not change: ${after}${silent}.`;
  return `THE LEADER CHANGED${silent}: ${before} at the start, ${after} at the end.\n  ${moved.join("\n  ")}`;
}

export function memoryVerdict(memory: readonly MemoryUse[]): string {
  const lines = memory.map(({ label, maxMb, medianMb, samples }) => {
    const isNode = !label.startsWith("mongod");
    const verdict = isNode ? (maxMb < NODE_MB_MAX ? "" : `   ABOVE ${NODE_MB_MAX} MB`) : "";
    return `  ${label.padEnd(14)} max ${maxMb.toFixed(0)} MB, median ${medianMb.toFixed(0)} MB, ${samples} samples${verdict}`;
  });
  return ["Resident memory:", ...lines].join("\n");
}
