import type { Request, Response } from "express";
import type { EventView } from "../../shared/event.js";
import { admitEvent, type DoorApi } from "../door/door.js";
import { idempotencyKey } from "../middleware/idempotency-key.js";
import { rawRequest } from "../middleware/raw-body.js";
import { requestId, showStanding } from "../middleware/request-context.js";
import type { AppendOutcome } from "../service.js";
import type { RouteContext } from "./context.js";

/** One write, the same for all three APIs: through the door, to the leader, back with the stored event. */
export async function appendOne(
  { service, eventBytesMax, now }: RouteContext,
  api: DoorApi,
  req: Request,
  res: Response,
): Promise<{ event: EventView; outcome: AppendOutcome }> {
  const key = idempotencyKey(req);
  const { event, ifPreviousHash } = admitEvent(rawRequest(req), api, { eventBytesMax, now, idempotencyKey: key });
  const outcome = await service.append({
    events: [event],
    requestId: requestId(res),
    ...(ifPreviousHash === undefined ? {} : { ifPreviousHash }),
  });
  answerHeaders(res, outcome);
  showStanding(res, service);
  const [stored] = outcome.events;
  if (stored === undefined) throw new Error("an append was acknowledged without its event");
  return { event: stored, outcome };
}

/** What `res.status(201).json(body)` sends, without its looks at what an answer might be. */
export function created(res: Response, body: object): void {
  const text = JSON.stringify(body);
  res.statusCode = 201;
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Content-Length", Buffer.byteLength(text));
  res.end(text);
}

export function answerHeaders(res: Response, outcome: AppendOutcome): void {
  if (outcome.isReplay) res.setHeader("Idempotent-Replayed", "true");
  res.setHeader("Cache-Control", "no-store");
}
