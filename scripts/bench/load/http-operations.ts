import { Agent, request } from "node:http";
import { benchEvent, benchEvents, randomApp } from "./events.js";
import type { Answer, Operation } from "./loops.js";
import { type LoadSpec, type LoadTarget, machineMs } from "./spec.js";

const ANSWER_WITHIN_MS = 30_000;
const PAGE_EVENTS = 50;

/** An operation over kept-alive connections, one for each client. */
export interface Opened {
  readonly operation: Operation;
  close(): Promise<void>;
}

export async function openQuorumlog(
  target: LoadTarget & { kind: "quorumlog" },
  { work, clients, recordsAcknowledgements }: LoadSpec,
): Promise<Opened> {
  const http = new Connections(target.urls, clients);
  if (work.kind === "append" && work.batch > 1) {
    const append = async (n: number): Promise<Answer> => {
      await http.post(n, "/api/v1/events:batch", { events: benchEvents(n * work.batch, work.batch) });
      return { events: work.batch };
    };
    return http.opened(append);
  }
  if (work.kind === "append") {
    return http.opened(async (n) => {
      const body = await http.post(n, "/api/v1/events", benchEvent(n));
      if (!recordsAcknowledgements) return { events: 1 };
      const atMs = machineMs();
      return { events: 1, acknowledgement: { sequence: (JSON.parse(body) as { sequence: number }).sequence, atMs } };
    });
  }
  if (work.kind === "read-page") {
    return http.opened(async (n) => {
      // Parsed, because MongoDB's driver gives objects, too.
      JSON.parse(await http.get(n, `/api/v1/events?sourceAppId=${randomApp()}&order=desc&limit=${PAGE_EVENTS}`));
      return { events: PAGE_EVENTS };
    });
  }
  const newest = JSON.parse(await http.get(0, "/api/v1/events?order=desc&limit=1")) as {
    events: { sequence: number }[];
  };
  const size = (newest.events[0]?.sequence ?? 0) + 1;
  return http.opened(async (n) => {
    JSON.parse(await http.get(n, `/api/v1/events/${Math.floor(Math.random() * size)}`));
    return { events: 1 };
  });
}

/** etcd's JSON gateway: one key a write, or a transaction of puts. It has no pages with a filter to compare. */
export async function openEtcd(target: LoadTarget & { kind: "etcd" }, { work, clients }: LoadSpec): Promise<Opened> {
  const http = new Connections(target.urls, clients);
  if (work.kind !== "append") throw new Error(`etcd is not measured for ${work.kind}.`);
  const runKey = `bench/${process.pid}-${Math.round(performance.now())}`;
  const put = (n: number) => ({
    key: base64(`${runKey}/${String(n).padStart(12, "0")}`),
    value: base64(JSON.stringify(benchEvent(n))),
  });
  if (work.batch === 1) {
    return http.opened(async (n) => {
      await http.post(n, "/v3/kv/put", put(n));
      return { events: 1 };
    });
  }
  return http.opened(async (n) => {
    const puts = Array.from({ length: work.batch }, (_, index) => ({ requestPut: put(n * work.batch + index) }));
    await http.post(n, "/v3/kv/txn", { success: puts });
    return { events: work.batch };
  });
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** As many sockets to each server as there are clients, kept alive. */
class Connections {
  readonly #agent: Agent;
  readonly #servers: { hostname: string; port: string }[];

  constructor(urls: readonly string[], clients: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients });
    this.#servers = urls.map((url) => new URL(url)).map(({ hostname, port }) => ({ hostname, port }));
  }

  opened(operation: Operation): Opened {
    return { operation, close: async () => this.#agent.destroy() };
  }

  get(n: number, path: string): Promise<string> {
    return this.#send(n, path);
  }

  post(n: number, path: string, body: object): Promise<string> {
    return this.#send(n, path, Buffer.from(JSON.stringify(body)));
  }

  /** The answer's body; rejects when the status is not a success. */
  #send(n: number, path: string, body?: Buffer): Promise<string> {
    const server = this.#servers[n % this.#servers.length];
    const headers = body && { "content-type": "application/json", "content-length": body.length };
    const options = { ...server, path, agent: this.#agent, timeout: ANSWER_WITHIN_MS };
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, method: body ? "POST" : "GET", ...(headers && { headers }) }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => {
          const status = answer.statusCode ?? 0;
          const text = Buffer.concat(chunks).toString();
          if (status >= 200 && status < 300) resolve(text);
          else reject(new Error(`${status} ${codeOf(text)}`));
        });
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${ANSWER_WITHIN_MS / 1_000} s`)));
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

/** A problem document's code, or the first of what else was answered. */
function codeOf(text: string): string {
  try {
    const { code, error } = JSON.parse(text) as { code?: string; error?: string };
    return code ?? error ?? text.slice(0, 80);
  } catch {
    return text.slice(0, 80);
  }
}
