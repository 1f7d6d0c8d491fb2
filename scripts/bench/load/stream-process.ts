// Forked as an `AskedProcess`: reads the live streams of all nodes, and notes when each event arrived.
import { WebSocket } from "ws";
import { answerWith } from "./asked-process.js";
import { machineMs } from "./spec.js";

export interface StreamOrder {
  readonly urls: readonly string[];
  /** How many streams to each of them. */
  readonly perUrl: number;
  /** Otherwise they are read and counted only. */
  readonly records: boolean;
}
/** Opens streams, which is answered when all are open; or asks what they brought. */
export type ToStreams = { kind: "open"; order: StreamOrder } | { kind: "collect" };

export interface Collected {
  /** For each URL: [sequence, when it arrived on the machine's clock]. */
  readonly arrivals: [sequence: number, atMs: number][][];
  readonly messages: number;
  /** Streams that the server closed, for being too slow or otherwise. */
  readonly closed: number;
}

let arrivals: [number, number][][] = [];
let messages = 0;
let closed = 0;
const sockets: WebSocket[] = [];

async function openAll({ urls, perUrl, records }: StreamOrder): Promise<void> {
  arrivals = urls.map(() => []);
  // One after the other: a thousand at once would measure the machine's backlog of connections.
  for (let stream = 0; stream < perUrl; stream++) {
    await Promise.all(urls.map((url, index) => openOne(url, records ? (arrivals[index] as [number, number][]) : null)));
  }
}

function openOne(url: string, noted: [number, number][] | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/event-logs/stream`);
    sockets.push(socket);
    socket.on("open", () => resolve());
    socket.on("error", reject);
    socket.on("close", () => {
      closed += 1;
    });
    socket.on("message", (data: Buffer) => {
      messages += 1;
      if (noted === null) return;
      const atMs = machineMs();
      noted.push([(JSON.parse(String(data)) as { sequence: number }).sequence, atMs]);
    });
  });
}

answerWith(async (message: ToStreams): Promise<Collected> => {
  if (message.kind === "open") await openAll(message.order);
  return { arrivals, messages, closed };
});
