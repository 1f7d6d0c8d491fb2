import type { AppendLine, ListLine, Place, ReadLine, SeenEvent, SentEvent } from "../../judge/format.js";
import { type LoopbackInit, loopback } from "../../lib/loopback.js";
import type { Recorder } from "../history.js";

/** Nothing was written by this attempt. (408: the request was not read; a paused node may find it too late.) */
const REFUSED = new Set([408, 429, 503]);
/** The outcome is not known, or not yet. */
const UNKNOWN = new Set([0, 409, 504]);
const NO_READ = new Set([0, 408, 429, 503]);
/** No connection was made, so nothing was sent. */
const NOBODY_THERE = "ECONNREFUSED";
/** The key belongs to another write: this one was not taken. */
const KEY_REUSED = "idempotency_key_reused";

export interface Target {
  readonly client: string;
  readonly id: string;
  readonly url: string;
  readonly timeoutMs: number;
}

interface Answer {
  readonly status: number;
  readonly size: number | undefined;
  readonly code: string | undefined;
  readonly body: unknown;
}

interface EventShape extends Place {
  dataPayload?: { write?: unknown };
}

export interface Write {
  readonly events: SentEvent[];
  readonly key: string | undefined;
  readonly isBatch?: boolean;
}

/** Sends one write once, and records it. */
export async function append(history: Recorder, target: Target, write: Write): Promise<AppendLine> {
  const { events, key, isBatch = false } = write;
  const start = history.now();
  const { status, code, body } = await call(target, isBatch ? "/api/v1/events:batch" : "/api/v1/events", {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === undefined ? {} : { "idempotency-key": key }) },
    body: JSON.stringify(isBatch ? { events } : events[0]),
  });
  const answered = body as (Place & { events?: Place[] }) | undefined;
  const line: AppendLine = {
    ...{ type: "append", client: target.client, node: target.id, start, end: history.now(), status },
    ...(code === undefined ? {} : { code }),
    ...(key === undefined ? {} : { key }),
    ...(isBatch ? { isBatch } : {}),
    events,
    outcome: outcomeOf(status, code),
    ...(status === 201 && answered !== undefined ? { places: (answered.events ?? [answered]).map(placeOf) } : {}),
  };
  history.add(line);
  return line;
}

function outcomeOf(status: number, code: string | undefined): AppendLine["outcome"] {
  if (status === 201) return "ok";
  if (REFUSED.has(status) || code === NOBODY_THERE || code === KEY_REUSED) return "refused";
  return UNKNOWN.has(status) ? "unknown" : "unexpected";
}

/** Reads one event by its sequence. */
export async function read(
  history: Recorder,
  target: Target,
  sequence: number,
  isLinearizable: boolean,
): Promise<void> {
  const start = history.now();
  const query = isLinearizable ? "?consistency=linearizable" : "";
  const { status, code, size, body } = await call(target, `/api/v1/events/${sequence}${query}`);
  const outcome = status === 404 ? "absent" : status === 200 ? "ok" : NO_READ.has(status) ? "failed" : "unexpected";
  const line: ReadLine = {
    ...{ type: "read", client: target.client, node: target.id, start, end: history.now(), status },
    ...{ isLinearizable, sequence, outcome },
    ...(code === undefined ? {} : { code }),
    ...(size === undefined ? {} : { size }),
    ...(outcome === "ok" ? { event: seen(body as EventShape) } : {}),
  };
  history.add(line);
}

export interface ListQuery {
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly after?: string | undefined;
  readonly isLinearizable: boolean;
}

/** Reads one page. Answers the cursor of the next one, if there is one. */
export async function list(history: Recorder, target: Target, query: ListQuery): Promise<string | undefined> {
  const { order, limit, after, isLinearizable } = query;
  const start = history.now();
  const parameters = new URLSearchParams({ order, limit: String(limit) });
  if (after !== undefined) parameters.set("after", after);
  if (isLinearizable) parameters.set("consistency", "linearizable");
  const { status, code, size, body } = await call(target, `/api/v1/events?${parameters}`);
  const page = body as { events: EventShape[]; next?: string } | undefined;
  const line: ListLine = {
    ...{ type: "list", client: target.client, node: target.id, start, end: history.now(), status },
    ...{ isLinearizable, order, isFirstPage: after === undefined },
    outcome: status === 200 ? "ok" : NO_READ.has(status) ? "failed" : "unexpected",
    ...(code === undefined ? {} : { code }),
    ...(size === undefined ? {} : { size }),
    ...(status === 200 && page !== undefined ? { events: page.events.map(seen) } : {}),
  };
  history.add(line);
  return page?.next;
}

const placeOf = ({ sequence, id, hash }: Place): Place => ({ sequence, id, hash });
const seen = (event: EventShape): SeenEvent => ({ ...placeOf(event), write: String(event.dataPayload?.write) });

async function call({ url, timeoutMs }: Target, path: string, init: LoopbackInit = {}): Promise<Answer> {
  try {
    const answer = await loopback(`${url}${path}`, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    const body: unknown = await answer.json();
    const size = answer.headers.get("x-log-size");
    const code = answer.ok ? undefined : String((body as { code?: unknown }).code);
    return { status: answer.status, size: size === null ? undefined : Number(size), code, body };
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    return { status: 0, size: undefined, code: typeof code === "string" ? code : name, body: undefined };
  }
}
