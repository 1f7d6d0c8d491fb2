import { AskedProcess } from "./load/asked-process.js";
import { Histogram } from "./load/histogram.js";
import type { Acknowledgement, LoadSpec } from "./load/spec.js";
import type { Collected, ToStreams } from "./load/stream-process.js";
import { isChosen, STREAM_LAG } from "./measurements.js";
import type { BenchOptions } from "./options.js";
import type { QuorumlogTarget } from "./targets/quorumlog.js";

const LOADS = [
  { name: `${STREAM_LAG}-open-200`, title: "200 appends a second", clients: 64, perSecond: 200 },
  { name: `${STREAM_LAG}-closed-16`, title: "16 clients, closed loop", clients: 16 },
];
const ARRIVED_WITHIN_MS = 10_000;

/** The time from a client's answer to the arrival of the event on a stream of that node. */
export interface StreamLag {
  readonly name: string;
  readonly load: string;
  readonly node: string;
  readonly role: string;
  readonly events: number;
  /** Acknowledged, and not seen on the stream. */
  readonly missing: number;
  /** The share that arrived before the client had its answer; their lag counts as 0. */
  readonly shareBeforeAnswer: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Writers at the leader, and one stream on each node, read by a process of its own. */
export async function measureStreamLag(target: QuorumlogTarget, options: BenchOptions): Promise<StreamLag[]> {
  const results: StreamLag[] = [];
  for (const { name, title, clients, perSecond } of LOADS.filter(({ name }) => isChosen(name, options.only))) {
    const spec: LoadSpec = {
      target: await target.at("leader"),
      work: { kind: "append", batch: 1 },
      clients,
      seconds: options.seconds * options.rounds,
      recordsAcknowledgements: true,
      ...(perSecond !== undefined && { perSecond }),
    };
    const { acknowledgements, collected } = await runWithStreams(target, spec);
    const leader = (await target.cluster.leader()).node.id;
    target.cluster.nodes.forEach(({ id }, index) => {
      const lag = lagOf(acknowledgements, collected.arrivals[index] ?? []);
      results.push({ name, load: title, node: id, role: id === leader ? "leader" : "follower", ...lag });
    });
  }
  return results;
}

async function runWithStreams(
  target: QuorumlogTarget,
  spec: LoadSpec,
): Promise<{ acknowledgements: readonly Acknowledgement[]; collected: Collected }> {
  const urls = target.cluster.nodes.map(({ url }) => url);
  const streams = new AskedProcess<ToStreams, Collected>("stream-process.js");
  try {
    await streams.ask({ kind: "open", order: { urls, perUrl: 1, records: true } });
    const { acknowledgements } = await target.load.run(spec);
    await target.caughtUp();
    const deadline = performance.now() + ARRIVED_WITHIN_MS;
    for (;;) {
      const collected = await streams.ask({ kind: "collect" });
      const isComplete = collected.arrivals.every((arrived) => arrived.length >= acknowledgements.length);
      if (isComplete || performance.now() > deadline) return { acknowledgements, collected };
    }
  } finally {
    await streams.stop();
  }
}

export function lagOf(
  acknowledgements: readonly Acknowledgement[],
  arrivals: readonly (readonly [sequence: number, atMs: number])[],
): Pick<StreamLag, "events" | "missing" | "shareBeforeAnswer" | "p50Ms" | "p99Ms" | "maxMs"> {
  const arrivedAtMs = new Map(arrivals);
  const lags = new Histogram();
  let before = 0;
  for (const { sequence, atMs } of acknowledgements) {
    const arrivedMs = arrivedAtMs.get(sequence);
    if (arrivedMs === undefined) continue;
    if (arrivedMs < atMs) before += 1;
    lags.record(arrivedMs - atMs);
  }
  return {
    events: lags.count,
    missing: acknowledgements.length - lags.count,
    shareBeforeAnswer: lags.count === 0 ? 0 : before / lags.count,
    p50Ms: lags.percentile(0.5),
    p99Ms: lags.percentile(0.99),
    maxMs: lags.percentile(1),
  };
}
