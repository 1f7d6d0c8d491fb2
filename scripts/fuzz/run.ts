import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, startCluster } from "../cluster/cluster.js";
import { endOf } from "../cluster/ends.js";
import { firstOf } from "../judge/first-of.js";
import { INTEGRITY_FAILURE } from "../lib/command.js";
import { type LoopbackInit, loopback } from "../lib/loopback.js";
import { poll } from "../lib/processes.js";
import { converse, makeConversation, type Outcome } from "./conversation.js";
import { judge, type Stored } from "./judge.js";
import { ODD_PATHS, placesOf } from "./others.js";
import { Random } from "./random.js";

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly clients: number;
}

/** Connections that are left open, with half a request or unread answers. */
const STAYING_MAX = 300;
const ANOMALIES_SHOWN = 30;
/** What the documentation promises. */
const STREAMS_MAX = 1_000;
/** A place that is lost stays lost: a busy machine may take its time. */
const PLACES_WITHIN_MS = 60_000;

/** Starts a cluster, talks to its HTTP ports in every wrong way, and judges what it said; answers the exit code. */
export async function runFuzz({ seconds, seed, clients }: FuzzOptions): Promise<number> {
  const deaths: string[] = [];
  const cluster = await startCluster({
    onEvent: (event) => {
      const end = endOf(event);
      if (end !== undefined) deaths.push(end.text);
    },
  });
  const abandon = () => {
    cluster.abandon();
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  try {
    console.log(`Fuzzing the HTTP ports of ${cluster.nodes.length} nodes for ${seconds} s, seed ${seed}.`);
    const outcomes = await talk(cluster, { seconds, seed, clients });
    const anomalies = [...deaths, ...(await placesLost(cluster)), ...(await judged(cluster, outcomes, seed))];
    for (const anomaly of firstOf(anomalies, ANOMALIES_SHOWN)) console.log(`  - ${anomaly}`);
    if (anomalies.length === 0) console.log("No anomaly.");
    else console.log(`${anomalies.length} anomalies. Again: npm run fuzz -- --seconds ${seconds} --seed ${seed}`);
    return anomalies.length === 0 ? 0 : INTEGRITY_FAILURE;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    await cluster.stop();
  }
}

async function talk(cluster: Cluster, { seconds, seed, clients }: FuzzOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const staying: Socket[] = [];
  const stay = (socket: Socket): void => {
    staying.push(socket.pause());
    if (staying.length > STAYING_MAX) staying.shift()?.destroy();
  };
  const { paths } = await ask(`${cluster.nodes[0]?.url}/openapi.json`);
  const places = [...ODD_PATHS, ...placesOf(Object.keys(paths as object))];
  const endsAt = performance.now() + seconds * 1_000;
  let made = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const number = made++;
      const random = new Random(seed + number * 7_919);
      const { url } = random.pick(cluster.nodes);
      const conversation = makeConversation(`fuzz-${seed}-${number}`, random, { authority: new URL(url).host, places });
      outcomes.push(await converse(conversation, url, stay));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  for (const socket of staying) socket.destroy();
  return outcomes;
}

/** Every stream that a node promises can be had, now that all clients are gone. */
async function placesLost({ nodes }: Cluster): Promise<string[]> {
  const lost: string[] = [];
  for (const { id, url } of nodes) {
    const sockets: Socket[] = [];
    const opened = async (): Promise<boolean> => {
      const before = sockets.length;
      const statuses = await Promise.all(
        Array.from({ length: STREAMS_MAX }, () => openStream(url, (socket) => sockets.push(socket))),
      );
      for (const socket of sockets.slice(before)) socket.destroy();
      return statuses.every((status) => status === 200);
    };
    if (!(await poll(opened, { withinMs: PLACES_WITHIN_MS, everyMs: 2_000 })))
      lost.push(`${id} has lost places for streams`);
  }
  return lost;
}

const openStream = (url: string, opened: (socket: Socket) => void): Promise<number> =>
  new Promise((resolve) => {
    const { hostname, port, host } = new URL(url);
    const socket = connect(Number(port), hostname).setEncoding("latin1");
    opened(socket);
    socket.on("error", () => resolve(0)).on("close", () => resolve(0));
    socket.once("data", (text: string) => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)));
    socket.write(`GET /api/v1/stream HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`);
  });

async function judged({ nodes }: Cluster, outcomes: readonly Outcome[], seed: number): Promise<string[]> {
  const first = nodes[0]?.url as string;
  const last = await ask(`${first}/api/v1/events`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ eventType: "end", sourceAppId: "end", dataPayload: {} }),
  });
  const logs = await Promise.all(nodes.map(({ url }) => readLog(url, `fuzz-${seed}-`, Number(last.sequence))));
  const [log = new Map<string, number>()] = logs;
  const anomalies = logs.flatMap((other, i) =>
    isSame(log, other) ? [] : [`the logs of ${nodes[0]?.id} and ${nodes[i]?.id} differ`],
  );
  const verdict = judge(outcomes, log);
  const requests = outcomes.reduce((sum, { conversation }) => sum + conversation.requests.length, 0);
  const statuses = [...verdict.statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${count} × ${status}`);
  console.log(`${outcomes.length} connections, ${requests} requests, answered ${statuses.join(", ")}.`);
  return [...anomalies, ...verdict.anomalies];
}

const isSame = (a: Stored, b: Stored): boolean =>
  a.size === b.size && [...a].every(([source, count]) => b.get(source) === count);

async function readLog(url: string, prefix: string, last: number): Promise<Stored> {
  const stored = new Map<string, number>();
  let next = "";
  for (;;) {
    const page = await ask(`${url}/api/v1/events?limit=500&minSequence=${last}${next}`);
    for (const { sourceAppId } of page.events as { sourceAppId: string }[])
      if (sourceAppId.startsWith(prefix)) stored.set(sourceAppId, (stored.get(sourceAppId) ?? 0) + 1);
    if (page.next === undefined) return stored;
    next = `&after=${page.next}`;
  }
}

/** For a while after the storm a node may still ask for patience. */
async function ask(url: string, init: LoopbackInit = {}): Promise<Record<string, unknown>> {
  for (let tries = 1; ; tries++) {
    const answer = await loopback(url, { ...init, signal: AbortSignal.timeout(60_000) });
    if (answer.ok) return (await answer.json()) as Record<string, unknown>;
    if (tries === 100) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
    await sleep(500);
  }
}
