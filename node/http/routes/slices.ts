import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { FoundEvent } from "../../../shared/log/stored-event.js";
import { ProblemError } from "../../problems.js";
import type { Found, LogReads, PageRequest } from "../../service/log-port.js";
import type { RouteContext } from "./context.js";
import { JsonBytes } from "./json-bytes.js";
import type { Shape } from "./shapes.js";

/** Written at once; what follows waits until the client has taken it. */
const CHUNK_BYTES = 64 * 1024;
const JSON_TYPE = "application/json; charset=utf-8";

/** The pages of a list, one after the other, until `limit` events were found, or all of the range was looked at. */
export async function* slices(reads: LogReads, request: PageRequest): AsyncGenerator<Found> {
  let left = request.limit;
  let rest = request;
  for (;;) {
    const found = await reads.page({ ...rest, limit: left });
    left -= found.events.length;
    yield found;
    if (left <= 0 || found.next === null || found.isCutOff) return;
    const { skip: _passed, ...unskipped } = rest;
    rest = { ...unskipped, ...(request.order === "asc" ? { low: found.next } : { high: found.next + 1 }) };
  }
}

/**
 * JSON text around an array whose elements come in parts; sent with its length if it is one part. Each part waits for the
 * client to take the one before: however long a list is, one part of it is in memory.
 */
export async function sendArray(
  res: ServerResponse,
  parts: AsyncIterable<Found>,
  form: { readonly open: string; readonly shape: Shape; readonly close: string },
): Promise<void> {
  let bytes: Buffer | null = null;
  let isEmpty = true;
  for await (const { events } of parts) {
    if (bytes !== null) {
      if (!res.headersSent) res.setHeader("Content-Type", JSON_TYPE);
      await writeAll(res, bytes);
      if (res.destroyed) return;
    }
    const open = bytes === null ? form.open : isEmpty || events.length === 0 ? "" : ",";
    bytes = arrayOf(events, { ...form, open, close: "" });
    isEmpty &&= events.length === 0;
  }
  const close = Buffer.from(bytes === null ? form.open + form.close : form.close);
  await sendJson(res, bytes === null ? close : Buffer.concat([bytes, close]));
}

const out = new JsonBytes();

/** Events one after the other, between two texts. */
export function arrayOf(
  events: readonly FoundEvent[],
  { open, shape, close }: { readonly open: string; readonly shape: Shape; readonly close: string },
): Buffer {
  out.begin();
  out.text(open);
  for (const [i, event] of events.entries()) {
    if (i > 0) out.ascii(",");
    shape.write(out, event);
  }
  out.text(close);
  return out.take();
}

/** What `res.json` sends, of JSON that is there already; the last part of an answer that has begun. */
export async function sendJson(res: ServerResponse, bytes: Buffer): Promise<void> {
  if (!res.headersSent) {
    res.statusCode = 200;
    res.setHeader("Content-Type", JSON_TYPE);
    res.setHeader("Content-Length", bytes.length);
  }
  if (bytes.length > CHUNK_BYTES) await writeAll(res, bytes);
  else if (!res.destroyed) return void res.end(bytes);
  if (!res.destroyed) res.end();
}

/** The same of an answer that may be large and is no list: it has a place until its client has taken it. */
export async function sendSingle(res: ServerResponse, bytes: Buffer, { gates }: RouteContext): Promise<void> {
  if (bytes.length <= CHUNK_BYTES) return sendJson(res, bytes);
  await gates.singles.run(res, bytes.length, () => sendJson(res, bytes));
}

async function writeAll(res: ServerResponse, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length && !res.destroyed; at += CHUNK_BYTES)
    if (!res.write(bytes.subarray(at, at + CHUNK_BYTES))) await drained(res);
}

async function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return;
  const gone = new AbortController();
  const stop = (): void => gone.abort();
  res.once("close", stop);
  await once(res, "drain", { signal: gone.signal }).catch(() => undefined);
  res.off("close", stop);
}

/** The reference APIs have no cursor to go on from: a filter that was not looked through in time is an error. */
export function refuseCutOff(found: Found): void {
  if (!found.isCutOff) return;
  const detail =
    "The filter is too wide: too much of the log would have to be looked through for this page. Narrow its range of time, " +
    "or name a type and a source; GET /api/v1/events gives what it has found, with a cursor to go on from.";
  throw new ProblemError("overloaded", detail, { retryAfterSeconds: 1 });
}
