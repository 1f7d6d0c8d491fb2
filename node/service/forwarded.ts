import { z } from "zod";
import { fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import { height } from "../../shared/ids.js";
import { hashSchema } from "../../shared/log/control.js";
import { canonicalObject, eventFault, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";

/** Payload and salt as texts; everything is checked again where it arrives, so that the leader never seals what its followers must refuse. */
const forwardedEvent = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{24}$/),
  eventType: z.string(),
  timestamp: z.string(),
  isStampedHere: z.literal(true).optional(),
  sourceAppId: z.string(),
  payload: z.string(),
  payloadSalt: z.string().regex(/^[0-9a-f]{32}$/),
  payloadHash: hashSchema,
  idempotencyKey: z.string().optional(),
  batch: z.tuple([z.int().min(0), z.int().min(1)]).optional(),
});

export const forwardedWriteSchema = z.strictObject({
  /** The term whose leader is asked: a write that was delayed into another term is not taken. */
  term: z.int().min(1),
  budgetMs: z.number().positive().max(600_000),
  /** The write stands in no block up to here. */
  sinceHeight: z
    .int()
    .min(0)
    .transform((n) => height(n)),
  ifPreviousHash: z.union([hashSchema, z.literal("")]).optional(),
  events: z.array(forwardedEvent).min(1).max(1_000),
});
export type ForwardedWrite = z.infer<typeof forwardedWriteSchema>;

export const toForwarded = ({ payloadValue: _value, ...event }: PreparedEvent): ForwardedWrite["events"][number] => ({
  ...event,
  payload: fromUtf8(event.payload),
  payloadSalt: toHex(event.payloadSalt),
  batch: event.batch === undefined ? undefined : [event.batch[0], event.batch[1]],
});

/** Throws when an event is not valid or its commitment does not match: the forwarder is broken, and nothing of it is sealed. */
export function fromForwarded(event: ForwardedWrite["events"][number]): PreparedEvent {
  const { idempotencyKey, batch, isStampedHere, ...rest } = event;
  const payload = utf8(event.payload);
  const payloadSalt = fromHex(event.payloadSalt);
  if (payloadCommitment(payloadSalt, payload) !== event.payloadHash)
    throw new RangeError("payloadHash does not match its payload");
  const fault = eventFault({ ...rest, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) });
  if (fault !== null) throw new RangeError(`a forwarded event is not valid: ${fault}`);
  const payloadValue = canonicalObject(payload);
  if (payloadValue === null) throw new RangeError("a forwarded payload is not a canonical JSON object");
  return {
    ...rest,
    payload,
    payloadSalt,
    payloadValue,
    ...(isStampedHere === undefined ? {} : { isStampedHere }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(batch === undefined ? {} : { batch }),
  };
}
