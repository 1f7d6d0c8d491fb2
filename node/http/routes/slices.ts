import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { EventFilter } from "../../../shared/log/filter.js";
import type { FoundEvent } from "../../../shared/log/stored-event.js";
import type { Found, LogReads, PageRequest } from "../../service/log-port.js";
import { tooWide } from "../../service/too-wide.js";
import { connectionOf } from "../connections.js";
import { ANSWERED_FROM } from "../middleware/answered-from.js";
import type { RouteContext } from "./context.js";
import { JsonBytes } from "./json-bytes.js";
import type { Shape } from "./shapes.js";

/** Written at once; what follows waits until the client has taken it. */
const CHUNK_BYTES = 64 * 1024;
const JSON_TYPE = "application/json; charset=utf-8";

/**
 * The pages of a list, one after the other, until `limit` events were found, or all of the range was looked at. What is made
 * of each is made at once, and only that waits: an event that was found holds all of its block.
 */
export async function* slices<T>(reads: LogReads, request: PageRequest, make: (found: Found) => T): AsyncGenerator<T> {
  let left = request.limit;
  let rest = request;
  for (;;) {
    const { made, count, next, isCutOff } = await partOf(reads, { ...rest, limit: left }, make);
    left -= count;
    yield made;
    if (left <= 0 || next === null || isCutOff) return;
    // The answer has begun: only its first part was due soon.
    const { skip: _passed, searchMsMax: _left, ...further } = rest;
    rest = { ...further, ...(request.order === "asc" ? { low: next } : { high: next + 1 }) };
  }
}

async function partOf<T>(reads: LogReads, request: PageRequest, make: (found: Found) => T) {
  const found = await reads.page(request);
  const { events, next, isCutOff } = found;
  return { made: make(found), count: events.length, next, isCutOff };
}

/**
 * JSON text around an array whose elements come in parts; sent with its length if it is one part. Each part waits for the
 * client to take the one before: however long a list is, one part of it is in memory.
 */
export async function sendArray(
  res: ServerResponse,
  parts: AsyncIterable<Buffer>,
  { open, close }: { readonly open: string; readonly close: string },
): Promise<void> {
  let waiting: Buffer[] = [Buffer.from(open)];
  let isFirst = true;
  let isEmpty = true;
  for await (const part of parts) {
    if (!isFirst) {
      if (!res.headersSent) {
        res.setHeader("Content-Type", JSON_TYPE);
        // Only what is sent in chunks has trailers: no answer to a HEAD, nor one in HTTP/1.0. Others throw for it.
        if (res.useChunkedEncodingByDefault && res.req.method !== "HEAD") res.setHeader("Trailer", ANSWERED_FROM);
      }
      await writeAll(res, Buffer.concat(waiting));
      if (res.destroyed) return;
      waiting = isEmpty || part.length === 0 ? [] : [COMMA];
    }
    waiting.push(part);
    isFirst = false;
    isEmpty &&= part.length === 0;
  }
  await sendJson(res, Buffer.concat([...waiting, Buffer.from(close)]));
}

const COMMA = Buffer.from(",");
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

/** So many answers that are owed on one connection need no places, while each is small. */
const OWED_FREELY = 8;

/** The same of an answer that may be large and is no list: it has a place until its client has taken it. */
export async function sendSingle(res: ServerResponse, bytes: Buffer, { gates }: RouteContext): Promise<void> {
  const owed = connectionOf(res.req.socket)?.owed.size ?? 0;
  if (bytes.length > CHUNK_BYTES) return gates.singles.run(res, bytes.length, () => sendJson(res, bytes));
  if (owed <= OWED_FREELY) return sendJson(res, bytes);
  // A client that asks on and takes nothing would have all of them held, however small each is.
  await gates.singles.run(res, bytes.length, async () => {
    const isTaken = once(res, "close").catch(() => undefined);
    await sendJson(res, bytes);
    await isTaken;
  });
}

/** What `sendSingle` sends, of an object. */
export const sendObject = (res: ServerResponse, value: object, context: RouteContext): Promise<void> =>
  sendSingle(res, Buffer.from(JSON.stringify(value)), context);

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
export function refuseCutOff(found: Found, filter: EventFilter): void {
  if (found.isCutOff) throw tooWide(filter, "too much of the log would have to be looked through for this page");
}
