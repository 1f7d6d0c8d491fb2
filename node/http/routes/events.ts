import type { IncomingMessage, ServerResponse } from "node:http";
import { type Response, Router } from "express";
import { BLOCK_BYTES_MAX } from "../../../shared/limits.js";
import type { FoundEvent } from "../../../shared/log/stored-event.js";
import { ProblemError } from "../../problems.js";
import type { LogReads, ReadCondition } from "../../service/log-port.js";
import { clientOf } from "../client-address.js";
import { admitBatch } from "../door/door.js";
import { showSources } from "../middleware/answered-from.js";
import { idempotencyKey } from "../middleware/idempotency-key.js";
import { eventMethods } from "../middleware/methods.js";
import { rawBody, rawRequest } from "../middleware/raw-body.js";
import { beginRead, requestId, showStanding } from "../middleware/request-context.js";
import { answerHeaders, answerOf, appendOne, created, place } from "./append.js";
import { eventRequestBytesMax, type RouteContext } from "./context.js";
import { type EventList, fetchEvents, type ListQuery, PAGE_BYTES_MAX, readListQuery } from "./event-list.js";
import { histogram } from "./histogram.js";
import { queryOf } from "./query.js";
import { READ_PARAMETERS, readCondition } from "./read-condition.js";
import { OWN } from "./shapes.js";
import { arrayOf, sendJson, sendSingle } from "./slices.js";
import type { ReadHandler } from "./straight-reads.js";

/** Events in our own API: written one by one or in batches, listed by cursor, read by sequence. */
export function events(context: RouteContext): Router {
  const { reads, gates } = context;
  const router = Router();
  router
    .route("/api/v1/events")
    .post(rawBody(context, eventRequestBytesMax(context)), async (req, res) => {
      const { event, outcome } = await appendOne(context, "own", req, res);
      res.location(`/api/v1/events/${event.sequence}`).setHeader("ETag", `"${event.hash}"`);
      created(res, answerOf(event, outcome));
    })
    .get(listEvents(context))
    .all(eventMethods("GET", "POST"));
  router
    .route("/api/v1/events\\:batch")
    .post(rawBody(context, BLOCK_BYTES_MAX), batch(context))
    .all(eventMethods("POST"));
  router.route("/api/v1/events/histogram").get(histogram(context)).all(eventMethods("GET"));
  router
    .route("/api/v1/events/:sequence")
    .get((req, res) => readEvent(context, req.params.sequence)(req, res))
    .all(eventMethods("GET"));
  router
    .route("/api/v1/events/:sequence/nodes")
    .get(async (req, res) => {
      // This node's own copy may be the altered one: then, too, it is to be seen beside the others.
      await beginRead(res, context, {});
      const sequence = sequenceIn(req.params.sequence);
      // How long the log is only its leader knows.
      if (sequence >= reads.logSize) await reads.awaitReadable({ isLinearizable: true });
      if (sequence >= reads.logSize) throw absent(sequence, reads.logSize);
      let bytes = Buffer.alloc(0);
      await gates.questions.run(res, 1, async () => {
        bytes = Buffer.from(JSON.stringify({ sequence, nodes: await reads.copies(sequence) }));
      });
      await sendSingle(res, bytes, context);
    })
    .all(eventMethods("GET"));
  router.all("/api/v1/events/{*path}", eventMethods("GET"));
  return router;
}

/** `GET /api/v1/events`. */
export function listEvents(context: RouteContext): ReadHandler {
  const { reads, gates } = context;
  return async (req, res) => {
    const query = readListQuery(queryOf(req), reads.indexedPaths);
    const size = await beginRead(res, context, query.condition);
    await gates.lists.run(res, 2 * PAGE_BYTES_MAX, async () => {
      const { bytes, links, from } = await listText(reads, query, { size, by: clientOf(req.socket) });
      showSources(res, { from });
      const named = Object.entries(links).map(([rel, url]) => `<${url}>; rel="${rel}"`);
      if (named.length > 0) res.setHeader("Link", named.join(", "));
      await sendJson(res, bytes);
    });
  };
}

/** Only the bytes wait for the client: an event that was found holds all of its block. */
async function listText(
  reads: LogReads,
  query: ListQuery,
  asked: { readonly size: number; readonly by: string },
): Promise<Omit<EventList, "events" | "next"> & { bytes: Buffer }> {
  const { events: page, next, ...rest } = await fetchEvents(reads, query, asked);
  const close = next === undefined ? "]}" : `],"next":"${next}"}`;
  return { bytes: arrayOf(page, { open: '{"events":[', shape: OWN, close }), ...rest };
}

/** `GET /api/v1/events/{sequence}`. */
export function readEvent(context: RouteContext, sequence: string): ReadHandler {
  return async (req, res) => {
    const query = queryOf(req);
    query.refuseUnknown(READ_PARAMETERS);
    const condition = readCondition(query);
    query.finish();
    const bytes = await eventText(context, sequence, { req, res, condition });
    if (bytes === null) {
      res.statusCode = 304;
      res.end();
    } else await sendSingle(res, bytes, context);
  };
}

/** Null: the client has it. Only the bytes wait for the client, as in a list. */
async function eventText(
  context: RouteContext,
  sequence: string,
  { req, res, condition }: { req: IncomingMessage; res: ServerResponse; condition: ReadCondition },
): Promise<Buffer | null> {
  const event = await find(context, sequence, res, condition);
  res.setHeader("ETag", `"${event.hash}"`);
  const known = isKnown(req.headers["if-none-match"], event.hash);
  return known ? null : arrayOf([event], { open: "", shape: OWN, close: "" });
}

function batch(context: RouteContext) {
  const { writes, eventBytesMax, now } = context;
  return async (req: Parameters<typeof rawRequest>[0], res: Response): Promise<void> => {
    const key = idempotencyKey(req);
    const prepared = admitBatch(rawRequest(req), { eventBytesMax, now, idempotencyKey: key });
    const outcome = await writes.append({ events: prepared, requestId: requestId(res) });
    answerHeaders(res, outcome);
    showStanding(res, context);
    created(res, { events: outcome.events.map(place), acknowledgedBy: outcome.acknowledgedBy });
  };
}

/**
 * RFC 9110 section 13.1.2. Not `req.fresh`: that ignores the condition when the request says Cache-Control: no-cache,
 * and fetch adds just this to every request that brings an If-None-Match of its own.
 */
const isKnown = (ifNoneMatch: string | undefined, hash: string): boolean =>
  ifNoneMatch?.split(",").some((tag) => ["*", `"${hash}"`, `W/"${hash}"`].includes(tag.trim())) ?? false;

async function find(
  context: RouteContext,
  text: string,
  res: ServerResponse,
  condition: ReadCondition = {},
): Promise<FoundEvent> {
  const { reads } = context;
  await beginRead(res, context, condition);
  const sequence = sequenceIn(text);
  const found = await reads.get(sequence);
  if (found === null) throw absent(sequence, reads.logSize);
  showSources(res, found);
  return found.event;
}

/** What is no sequence is refused without asking a leader how long the log is. */
function sequenceIn(text: string): number {
  if (/^(?:0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  const shown = JSON.stringify(text.slice(0, 40));
  throw new ProblemError(
    "not_found",
    `There is no event ${shown}: a sequence is a whole number, as in /api/v1/events/0.`,
  );
}

/** Said only once the leader has confirmed how long the log is. */
function absent(sequence: number, size: number): ProblemError {
  const known = size === 0 ? "the log is empty" : `the log has the sequences 0 to ${size - 1}`;
  return new ProblemError("not_found", `There is no event "${sequence}": ${known}.`);
}
