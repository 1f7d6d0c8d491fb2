import { Agent, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";

/** With no proxy, whatever the environment says: this agent is not the global one. */
const agent = new Agent({ keepAlive: true });

/**
 * `fetch` for nodes of ours: straight to them, on any port. The global one refuses ports that browsers avoid (6000, 6666),
 * and newer Nodes may send it through the environment's proxy. Answers with a whole body.
 */
export function loopback(url: string | URL, init: LoopbackInit = {}): Promise<Response> {
  const { method = "GET", headers = {}, body, signal } = init;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(signal?.aborted ? signal.reason : error);
    const { protocol } = new URL(url);
    const request = protocol === "https:" ? tlsRequest : plainRequest;
    const options = { method, headers, ...(protocol === "https:" ? {} : { agent }), ...(signal ? { signal } : {}) };
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", fail);
      incoming.on("end", () => {
        const status = incoming.statusCode as number;
        const hasBody = status !== 204 && status !== 304;
        const pairs = Object.entries(incoming.headersDistinct).flatMap(([name, values = []]) =>
          values.map((value): [string, string] => [name, value]),
        );
        resolve(new Response(hasBody ? Buffer.concat(chunks) : null, { status, headers: pairs }));
      });
    });
    outgoing.on("error", fail);
    outgoing.end(body);
  });
}

export interface LoopbackInit {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}
