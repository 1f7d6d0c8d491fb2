// Forked as an `AskedProcess`: readers of large pages, of whom half do not read what they asked for, and of filters that
// find nothing.
import { once } from "node:events";
import { createConnection } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { answerWith } from "./asked-process.js";
import { drawnNames } from "./events.js";
import { Connections } from "./http.js";
import { randomOf } from "./random.js";

/** The largest pages that the APIs have. */
const PATHS = ["/api/v1/events?order=asc&limit=500", "/api/event-logs?limit=1000"];
/** Filters without hits: a type that nobody has, and two names that exist and never meet. */
const FILTERS = [
  "/api/v1/events?eventType=never.logged",
  "/api/event-logs?eventType=never.logged&limit=1000",
  "/api/v1/events?eventType=never.*&order=desc",
  `/api/v1/events?${new URLSearchParams({ ...drawnNames(randomOf(7), { meet: false }) })}`,
  `/api/event-logs?${new URLSearchParams({ ...drawnNames(randomOf(7), { meet: false }) })}`,
];
/** Longer than a node waits for who does not read. */
const UNREAD_MS = 40_000;
/** What is still in the buffers is there at once, and below the time after which an idle connection is closed. */
const SEE_END_MS = 2_000;
const RETRY_AFTER_MS = 500;
/** Who leaves early is there for so long. */
const LEAVE_MS = 300;

export type ToReaders =
  | { kind: "start"; urls: readonly string[]; readers: number; filters: number }
  | { kind: "collect" };

export interface PagesRead {
  readonly pages: number;
  readonly megabytes: number;
  /** Filters that were answered. */
  readonly filtered: number;
  /** Why pages were not got, and how often. */
  readonly errors: Readonly<Record<string, number>>;
  /** Answers that nobody read: how many were asked for, and how many of them the node had cut. */
  readonly unread: number;
  readonly cut: number;
}

let pages = 0;
let bytes = 0;
let filtered = 0;
let unread = 0;
let cut = 0;
const errors: Record<string, number> = {};

async function readForEver(http: Connections, first: number): Promise<never> {
  for (let n = first; ; n++) {
    try {
      const { length } = await http.get(n, PATHS[n % PATHS.length] as string);
      bytes += length;
      pages += 1;
    } catch (error) {
      const reason = (error as Error).message;
      errors[reason] = (errors[reason] ?? 0) + 1;
      await sleep(RETRY_AFTER_MS);
    }
  }
}

async function filterForEver(http: Connections, first: number): Promise<never> {
  for (let n = first; ; n++) {
    try {
      await http.get(n, FILTERS[n % FILTERS.length] as string);
      filtered += 1;
    } catch (error) {
      const reason = (error as Error).message;
      errors[reason] = (errors[reason] ?? 0) + 1;
      await sleep(RETRY_AFTER_MS);
    }
  }
}

/** Every fourth goes away at once, as soon as something has come. */
async function leaveUnreadForEver(urls: readonly string[], first: number): Promise<never> {
  for (let n = first; ; n++) {
    const stayMs = n % 4 === 0 ? LEAVE_MS : UNREAD_MS;
    await leaveUnread(new URL(urls[n % urls.length] as string), PATHS[n % PATHS.length] as string, stayMs);
  }
}

async function leaveUnread({ hostname, port }: URL, path: string, stayMs: number): Promise<void> {
  const socket = createConnection(Number(port), hostname);
  socket.pause();
  let hasEnded = false;
  socket.on("error", () => {
    hasEnded = true;
  });
  socket.on("end", () => {
    hasEnded = true;
  });
  try {
    await once(socket, "connect");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
    await sleep(stayMs);
    if (stayMs < UNREAD_MS) return;
    unread += 1;
    socket.on("data", () => {});
    socket.resume();
    await sleep(SEE_END_MS);
    if (hasEnded) cut += 1;
  } catch {
    await sleep(RETRY_AFTER_MS);
  } finally {
    socket.destroy();
  }
}

answerWith(async (message: ToReaders): Promise<PagesRead> => {
  if (message.kind === "start") {
    const { urls, readers, filters } = message;
    const reading = Math.ceil(readers / 2);
    const http = new Connections(urls, reading);
    for (let index = 0; index < readers; index++)
      void (index < reading ? readForEver(http, index) : leaveUnreadForEver(urls, index));
    const filtering = new Connections(urls, Math.max(1, filters));
    for (let index = 0; index < filters; index++) void filterForEver(filtering, index);
  }
  return { pages, megabytes: bytes / 1e6, filtered, errors, unread, cut };
});
