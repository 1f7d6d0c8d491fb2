import { Agent, request } from "node:http";
import type { Operation } from "./loops.js";

const ANSWER_WITHIN_MS = 30_000;

/** An operation over kept-alive connections, one for each client. */
export interface Opened {
  readonly operation: Operation;
  close(): Promise<void>;
}

/** As many sockets to each server as there are clients, kept alive. */
export class Connections {
  readonly #agent: Agent;
  readonly #servers: { hostname: string; port: string }[];

  constructor(urls: readonly string[], clients: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients });
    this.#servers = urls.map((url) => new URL(url)).map(({ hostname, port }) => ({ hostname, port }));
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  get(n: number, path: string): Promise<string> {
    return this.#send(n, path);
  }

  post(n: number, path: string, body: object, headers: Record<string, string> = {}): Promise<string> {
    return this.#send(n, path, { body: Buffer.from(JSON.stringify(body)), headers });
  }

  /** The answer's body; rejects when the status is not a success. */
  #send(n: number, path: string, posted?: { body: Buffer; headers: Record<string, string> }): Promise<string> {
    const server = this.#servers[n % this.#servers.length];
    const ofBody = posted && { "content-type": "application/json", "content-length": posted.body.length };
    const headers = { ...ofBody, ...posted?.headers };
    const options = { ...server, path, agent: this.#agent, timeout: ANSWER_WITHIN_MS, headers };
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, method: posted ? "POST" : "GET" }, (answer) => {
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
      sent.end(posted?.body);
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
