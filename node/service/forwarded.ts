import { fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalObject, eventFault, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import type { QuestionOf } from "../../shared/protocol/requests.js";

type ForwardedEvent = QuestionOf<"append">["events"][number];

export const toForwarded = ({ payloadValue: _value, ...event }: PreparedEvent): ForwardedEvent => ({
  ...event,
  payload: fromUtf8(event.payload),
  payloadSalt: toHex(event.payloadSalt),
  batch: event.batch === undefined ? undefined : [event.batch[0], event.batch[1]],
});

/** Throws when an event is not valid or its commitment does not match: the forwarder is broken, and nothing of it is sealed. */
export function fromForwarded(event: ForwardedEvent): PreparedEvent {
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
