import type { IncomingMessage } from "node:http";
import type { Request, Response } from "express";
import type { EventView } from "../../../shared/log/event.js";
import type { AppendOutcome } from "../../service/log-port.js";
import { admitEvent, type DoorApi, type RawRequest } from "../door/door.js";
import { idempotencyKey } from "../middleware/idempotency-key.js";
import { rawRequest } from "../middleware/raw-body.js";
import { requestId, showStanding } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";

/** One write, the same for all three APIs: through the door, to the leader, back with the stored event. Throws ProblemError. */
export async function appendEvent(
  { writes, eventBytesMax, now }: RouteContext,
  api: DoorApi,
  { req, raw, requestId }: { req: IncomingMessage; raw: RawRequest; requestId: string },
): Promise<{ event: EventView; outcome: AppendOutcome }> {
  const key = idempotencyKey(req);
  const { event, ifPreviousHash } = admitEvent(raw, api, { eventBytesMax, now, idempotencyKey: key });
  const outcome = await writes.append({
    events: [event],
    requestId,
    ...(ifPreviousHash === undefined ? {} : { ifPreviousHash }),
  });
  const [stored] = outcome.events;
  if (stored === undefined) throw new Error("an append was acknowledged without its event");
  return { event: stored, outcome };
}

/** The same for a route of the app. */
export async function appendOne(
  context: RouteContext,
  api: DoorApi,
  req: Request,
  res: Response,
): Promise<{ event: EventView; outcome: AppendOutcome }> {
  const appended = await appendEvent(context, api, { req, raw: rawRequest(req), requestId: requestId(res) });
  answerHeaders(res, appended.outcome);
  showStanding(res, context);
  return appended;
}

/** What `res.status(201).json(body)` sends, without its looks at what an answer might be; or a text that is JSON. */
export function created(res: Response, body: object | string): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  res.statusCode = 201;
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Content-Length", Buffer.byteLength(text));
  res.end(text);
}

export function answerHeaders(res: Response, outcome: AppendOutcome): void {
  if (outcome.isReplay) res.setHeader("Idempotent-Replayed", "true");
  res.setHeader("Cache-Control", "no-store");
}

/** Where an event stands in the log. */
export const place = (event: EventView): object => ({
  sequence: event.sequence,
  id: event.id,
  hash: event.hash,
  previousHash: event.previousHash,
  term: event.term,
  height: event.height,
  recordedAt: event.recordedAt,
});

/** What an append is answered with. */
export const answerOf = (event: EventView, { acknowledgedBy }: AppendOutcome): object =>
  Object.assign(place(event), { acknowledgedBy });
