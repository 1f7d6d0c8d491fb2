import type { WebSocket } from "ws";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { deviations } from "../support/conformance.js";

export interface TestNodes {
  /** The base URLs of all nodes of one cluster. */
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

/**
 * Three nodes on three mongods; or the nodes that run already at QUORUMLOG_TEST_URLS (a comma-separated list): the
 * tests of the HTTP side assume nothing of a log's earlier content.
 */
export async function openNodes(): Promise<TestNodes> {
  const given = process.env.QUORUMLOG_TEST_URLS;
  if (given !== undefined) return { urls: given.split(","), stop: async () => {} };
  const cluster: Cluster = await startSteadyCluster();
  return { urls: cluster.nodes.map((node) => node.url), stop: () => cluster.stop() };
}

/** Longer than a node tries a write for. */
const ANSWER_MS_MAX = 60_000;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // The body of an answer is whatever the test expects of it; a wrong guess fails its assertion.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any;
}

/** Throws where the answer is not what the API's own description says of it. */
export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX), ...init });
  const text = await response.text();
  const { status, headers } = response;
  const isJson = /json/.test(headers.get("content-type") ?? "");
  const body = isJson && text !== "" ? JSON.parse(text) : text;
  const { method = "GET", body: requestBody } = init;
  const differences = response.redirected ? [] : deviations({ method, url, requestBody, status, headers, body });
  if (differences.length > 0)
    throw new Error(`${method} ${url} was answered ${status}, and not as described: ${differences.join("; ")}`);
  return { status, headers, body };
}

export const postText = (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answer> => call(url, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } });
export const postJson = (url: string, body: unknown, headers?: Record<string, string>): Promise<Answer> =>
  postText(url, JSON.stringify(body), headers);

/** A node takes a client for gone that answers no ping for 20 s. */
const UNREAD_MS_MAX = 18_000;
/** Megabytes, at one a write: far more than the kernel's buffers of both ends and the node's own bound take. */
const WRITES_MAX = 30;
const ATTEMPTS_MAX = 20;

/**
 * A client that reads nothing while `write` goes on, a megabyte at a time, until the node has closed it with 1013. A busy machine can write so
 * little in that time that nothing is missed, or so slowly that the client counts as gone: then another one tries.
 */
export async function fallBehind<Client extends { readonly socket: WebSocket }>(
  open: () => Promise<Client>,
  write: () => Promise<unknown>,
): Promise<{ readonly client: Client; readonly reason: string; readonly writes: number }> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const client = await open();
    const { socket } = client;
    const closed = new Promise<{ code: number; reason: string }>((resolve) =>
      socket.once("close", (code, reason) => resolve({ code, reason: String(reason) })),
    );
    socket.pause();
    const until = performance.now() + UNREAD_MS_MAX;
    let writes = 0;
    for (; writes < WRITES_MAX && performance.now() < until; writes++) await write();
    // What was sent before the answer has come when the answer does.
    const keptUp = new Promise<null>((resolve) => socket.once("pong", () => resolve(null)));
    socket.resume();
    socket.ping();
    const end = await Promise.race([closed, keptUp]);
    if (end?.code === 1013) return { client, reason: end.reason, writes };
    socket.terminate();
  }
  throw new Error(`none of ${ATTEMPTS_MAX} clients that read nothing was closed with 1013`);
}

let made = 0;
/** A source that no other test and no earlier run has used. */
export const uniqueSource = (): string => `app-${process.pid}-${Date.now()}-${made++}`;

/** All of a log through our own API, page by page. */
export async function readLog(url: string, query = ""): Promise<Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = [];
  let next: string | undefined;
  do {
    const after: string = next === undefined ? "" : `&after=${next}`;
    const { body } = await call(`${url}/api/v1/events?limit=500${query}${after}`);
    events.push(...body.events);
    next = body.next;
  } while (next !== undefined);
  return events;
}
