// Forked by `StreamProcess`: reads the live streams of all nodes, and notes when each event arrived.
import { WebSocket } from "ws";
import { machineMs } from "./spec.js";

export interface StreamOrder {
  readonly urls: readonly string[];
  /** How many streams to each of them. */
  readonly perUrl: number;
  /** Otherwise they are read and counted only. */
  readonly records: boolean;
}
export type ToStreams = { kind: "open"; order: StreamOrder } | { kind: "collect" };
export type FromStreams =
  | { kind: "opened" }
  | { kind: "failed"; message: string }
  | ({ kind: "collected" } & Collected);

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

function tell(message: FromStreams): void {
  process.send?.(message);
}

process.on("message", (message: ToStreams) => {
  if (message.kind === "collect") {
    tell({ kind: "collected", arrivals, messages, closed });
    return;
  }
  openAll(message.order).then(
    () => tell({ kind: "opened" }),
    (error: Error) => tell({ kind: "failed", message: error.message }),
  );
});
process.on("disconnect", () => {
  for (const socket of sockets) socket.terminate();
  process.exit();
});
