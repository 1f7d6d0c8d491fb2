import { fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalForm, type JsonObject } from "../../shared/canonical.js";
import type { Height, Sequence, Term } from "../../shared/ids.js";
import {
  type EventView,
  eventFault,
  eventView,
  logEvent,
  nestsAsAllowed,
  type PreparedEvent,
  payloadCommitment,
  type Writable,
} from "../../shared/log/event.js";
import type { AnswerOf, AnswerTo, QuestionOf, QuestionTo } from "../../shared/protocol/requests.js";
import type { WriteResult } from "./write-tracker.js";

type ForwardedEvent = Extract<QuestionOf<"append">["writes"][number], { events: unknown }>["events"][number];
type EventToForward = Extract<QuestionTo<"append">["writes"][number], { events: unknown }>["events"][number];
type Committed = Extract<WriteResult, { kind: "committed" }>;
type ResultToTell = AnswerTo<"append">["answers"][number]["result"];
export type ResultTold = AnswerOf<"append">["answers"][number]["result"];

/** Field by field, as what is spread here makes an object that is slow to make, for each event. */
export function toForwarded(event: PreparedEvent): EventToForward {
  const { id, eventType, timestamp, sourceAppId, payload, payloadValue, payloadHash, batch } = event;
  return {
    id,
    eventType,
    timestamp,
    isStampedHere: event.isStampedHere,
    sourceAppId,
    dataPayload: payloadValue ?? (JSON.parse(fromUtf8(payload)) as JsonObject),
    payloadSalt: toHex(event.payloadSalt),
    payloadHash,
    idempotencyKey: event.idempotencyKey,
    batch: batch === undefined ? undefined : [batch[0], batch[1]],
  };
}

/** Throws when an event is not valid or its commitment does not match: the forwarder is broken, and the event is not sealed. */
export function fromForwarded(event: ForwardedEvent): PreparedEvent {
  const { idempotencyKey, batch, isStampedHere, dataPayload } = event;
  if (!nestsAsAllowed(dataPayload)) throw new RangeError("a forwarded payload is nested too deep");
  const { text, value } = canonicalForm(dataPayload);
  const payload = utf8(text);
  const payloadSalt = fromHex(event.payloadSalt);
  if (payloadCommitment(payloadSalt, payload) !== event.payloadHash)
    throw new RangeError("payloadHash does not match its payload");
  const prepared: Writable<PreparedEvent> = {
    id: event.id,
    eventType: event.eventType,
    timestamp: event.timestamp,
    sourceAppId: event.sourceAppId,
    payload,
    payloadSalt,
    payloadHash: event.payloadHash,
    payloadValue: value as JsonObject,
  };
  if (isStampedHere !== undefined) prepared.isStampedHere = isStampedHere;
  if (idempotencyKey !== undefined) prepared.idempotencyKey = idempotencyKey;
  if (batch !== undefined) prepared.batch = batch;
  const fault = eventFault(prepared);
  if (fault !== null) throw new RangeError(`a forwarded event is not valid: ${fault}`);
  return prepared;
}

/** What the forwarder cannot know: where its events stand, and of an earlier request's what differs from its own. */
export function toTold(result: WriteResult): ResultToTell {
  if (result.kind !== "committed") return result;
  const [first] = result.events;
  const last = result.events.at(-1);
  if (first === undefined || last === undefined) return { kind: "unknown" };
  const { height, term, recordedAt, sequence, previousHash } = first;
  const { acknowledgedBy, isReplay, events } = result;
  const told = { height, term, recordedAt, sequence, previousHash, hash: last.hash, acknowledgedBy };
  return { kind: "committed", ...told, ...(isReplay ? { earlier: events.map(ofEarlier) } : {}) };
}

const ofEarlier = ({ id, timestamp, payloadSalt, payloadHash, batch }: EventView) => ({
  ...{ id, timestamp, payloadSalt, payloadHash },
  ...(batch === undefined ? {} : { batch }),
});

/** A result as the forwarder's own events have it. An answer that is not about these events says nothing of them. */
export function fromTold(events: readonly PreparedEvent[], result: ResultTold): WriteResult {
  return result.kind === "committed" ? committedOf(events, result) : (result as WriteResult);
}

function committedOf(
  proposed: readonly PreparedEvent[],
  told: Extract<ResultTold, { kind: "committed" }>,
): Committed | { kind: "unknown" } {
  const { recordedAt, acknowledgedBy, earlier } = told;
  if (earlier !== undefined && earlier.length !== proposed.length) return { kind: "unknown" };
  const events: EventView[] = [];
  let { previousHash } = told;
  for (const [i, event] of proposed.entries()) {
    const at = { sequence: (told.sequence + i) as Sequence, recordedAt, previousHash };
    const logged = logEvent(asLogged(event, earlier?.[i]), at);
    previousHash = logged.hash;
    events.push(eventView(logged, { height: told.height as Height, term: told.term as Term }));
  }
  if (previousHash !== told.hash) return { kind: "unknown" };
  return { kind: "committed", events, acknowledgedBy, isReplay: earlier !== undefined };
}

function asLogged(
  event: PreparedEvent,
  earlier: NonNullable<Extract<ResultTold, { kind: "committed" }>["earlier"]>[number] | undefined,
): PreparedEvent {
  if (earlier === undefined) return event;
  const { batch: _batch, ...rest } = event;
  return { ...rest, ...earlier, payloadSalt: fromHex(earlier.payloadSalt) };
}
