import { fromHex, fromUtf8, toHex, utf8 } from "../bytes.js";
import { canonicalText, type JsonObject, type JsonValue } from "../canonical.js";
import { sha256Hex, sha256HexOf } from "../hash.js";
import type { HashHex, Height, Sequence, Term } from "../ids.js";
import { BATCH_EVENTS_MAX, IDEMPOTENCY_KEY_CHARACTERS_MAX, NAME_CHARACTERS_MAX, NESTING_MAX } from "../limits.js";
import { isTimestamp } from "../timestamp.js";

/** What the receiving node makes of a client's event: parsed, validated, canonicalised, salted, committed to. */
export interface PreparedEvent {
  /** 24 lower-case hex digits, chosen by the node that received the request. */
  readonly id: string;
  readonly eventType: string;
  /** The client's text as sent; the receiving node's clock if it sent none. */
  readonly timestamp: string;
  /** The client sent no timestamp: a repetition of its request has another one, and is the same all the same. */
  readonly isStampedHere?: true;
  readonly sourceAppId: string;
  /** RFC 8785 bytes of `dataPayload`. */
  readonly payload: Uint8Array;
  /** 16 random bytes. */
  readonly payloadSalt: Uint8Array;
  readonly payloadHash: HashHex;
  readonly idempotencyKey?: string;
  /** Place and length within its batch, both from the client's request. */
  readonly batch?: readonly [number, number];
  /** What `payload` stands for, as parsing it gives it, where that is known: so that it need not be parsed again. */
  readonly payloadValue?: JsonObject;
}

/** The members of a record, whose canonical bytes are hashed. They commit to the payload without holding it. */
export interface EventRecord {
  readonly v: 1;
  readonly sequence: Sequence;
  readonly id: string;
  readonly eventType: string;
  readonly timestamp: string;
  readonly sourceAppId: string;
  readonly payloadHash: HashHex;
  /** The leader's clock at sealing, RFC 3339 UTC with milliseconds; never decreasing. */
  readonly recordedAt: string;
  readonly idempotencyKey?: string;
  readonly batch?: readonly [number, number];
  /** The hash of the event before, or the empty string for the first. */
  readonly previousHash: HashHex | "";
}

/** An event of a block, whole. `hash` = SHA-256(recordBytes). */
export interface LoggedEvent {
  readonly record: EventRecord;
  readonly recordBytes: Uint8Array;
  readonly hash: HashHex;
  /** RFC 8785 bytes of the payload, and the 16 bytes of its salt; both empty where it was erased. */
  readonly payload: Uint8Array;
  readonly payloadSalt: Uint8Array;
  readonly isErased?: true;
  /** The payload as it was prepared, where that is known: so that it need not be parsed again. */
  payloadValue?: JsonObject;
}

/** What is read of an event: its record's bytes are not made. */
export type ReadEvent = Omit<LoggedEvent, "recordBytes">;

/** An event as our own API shows it; with RFC 8785 and SHA-256 alone anyone can recompute both hashes. */
export interface EventView {
  v: 1;
  sequence: number;
  id: string;
  eventType: string;
  timestamp: string;
  sourceAppId: string;
  dataPayload: JsonObject;
  payloadSalt: string;
  payloadHash: HashHex;
  recordedAt: string;
  idempotencyKey?: string;
  batch?: [number, number];
  previousHash: HashHex | "";
  hash: HashHex;
  height: number;
  term: number;
}

const ID = /^[0-9a-f]{24}$/;
/** What an HTTP header carries: printable ASCII. */
const KEY = /^[\x20-\x7e]+$/;
/** Control characters, and halves of surrogate pairs, which no UTF-8 can carry. */
const NO_NAME = /[\p{Cc}\p{Cs}]/u;

/** What may stand as an event type or a source. */
const isName = (text: string): boolean =>
  text.length >= 1 && hasAtMost(text, NAME_CHARACTERS_MAX) && !NO_NAME.test(text);

/** Characters are code points, as JSON Schema counts them; the first test keeps the second cheap. */
export function hasAtMost(text: string, charactersMax: number): boolean {
  if (text.length > 2 * charactersMax) return false;
  return text.length <= charactersMax || [...text].length <= charactersMax;
}

const isBatch = (batch: readonly number[]): boolean => {
  const [place, length] = batch;
  return (
    batch.length === 2 &&
    Number.isSafeInteger(place) &&
    Number.isSafeInteger(length) &&
    (place as number) >= 0 &&
    (place as number) < (length as number) &&
    (length as number) <= BATCH_EVENTS_MAX
  );
};

/**
 * What is wrong with an event that another node prepared or sealed, as a sentence; null if nothing is. A lying leader
 * must not get anything committed that the door would have refused and a reader would stumble over.
 */
export function eventFault(
  event: Omit<PreparedEvent, "payload" | "payloadSalt" | "payloadHash" | "payloadValue">,
): string | null {
  if (!ID.test(event.id)) return "its id is not 24 lower-case hex digits";
  if (!isName(event.eventType)) return "its eventType is not a text of allowed length and characters";
  if (!isName(event.sourceAppId)) return "its sourceAppId is not a text of allowed length and characters";
  if (!isTimestamp(event.timestamp)) return "its timestamp is no RFC 3339 date-time";
  const { idempotencyKey: key, batch } = event;
  if (key !== undefined && !(key.length <= IDEMPOTENCY_KEY_CHARACTERS_MAX && KEY.test(key)))
    return "its idempotencyKey is not a text of allowed length and characters";
  if (batch !== undefined && !isBatch(batch)) return "its batch is not a place among at most 1,000";
  return null;
}

/** Whether arrays and objects nest at most so deep. */
function nestsWithin(value: JsonValue, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  if (Array.isArray(value)) return value.every((item) => nestsWithin(item, levels - 1));
  for (const key in value) if (!nestsWithin(value[key] as JsonValue, levels - 1)) return false;
  return true;
}

/** Whether a payload nests no deeper than any node takes it. */
export const nestsAsAllowed = (payload: JsonObject): boolean => nestsWithin(payload, NESTING_MAX);

/** The object that canonical bytes stand for, within the limit of nesting; null for anything else. */
export function canonicalObject(bytes: Uint8Array): JsonObject | null {
  // "{" first: an object, and nothing that a parser would take for one.
  if (bytes[0] !== 0x7b) return null;
  try {
    const text = fromUtf8(bytes);
    const value = JSON.parse(text) as JsonObject;
    // The nesting first: what only fits on a deep stack would be sound on one node and not on the next.
    return nestsAsAllowed(value) && canonicalText(value) === text ? value : null;
  } catch {
    return null;
  }
}

const PAYLOAD_DOMAIN = utf8("quorumlog/payload/v1\n");

/** payloadHash = SHA-256("quorumlog/payload/v1\n" || salt || RFC 8785 bytes of the payload). */
export function payloadCommitment(salt: Uint8Array, payload: Uint8Array): HashHex {
  return sha256HexOf(PAYLOAD_DOMAIN, salt, payload);
}

/** The record's canonical text, from a template: its keys are known, so only the values need RFC 8785. */
export function recordText(record: EventRecord): string {
  const batch = record.batch === undefined ? "" : `"batch":[${record.batch[0]},${record.batch[1]}],`;
  const key = record.idempotencyKey === undefined ? "" : `"idempotencyKey":${JSON.stringify(record.idempotencyKey)},`;
  // JSON.stringify escapes a well-formed string exactly as RFC 8785 section 3.2.2.2 asks; the door refuses others.
  return (
    `{${batch}"eventType":${JSON.stringify(record.eventType)},"id":"${record.id}",${key}` +
    `"payloadHash":"${record.payloadHash}","previousHash":"${record.previousHash}","recordedAt":"${record.recordedAt}",` +
    `"sequence":${record.sequence},"sourceAppId":${JSON.stringify(record.sourceAppId)},` +
    `"timestamp":${JSON.stringify(record.timestamp)},"v":1}`
  );
}

/** While it is put together, member by member. */
export type Writable<T> = { -readonly [K in keyof T]: T[K] };

export function logEvent(
  event: PreparedEvent,
  at: { sequence: Sequence; recordedAt: string; previousHash: string },
): LoggedEvent {
  const { idempotencyKey, batch } = event;
  // Spread into it, what is there sometimes would make each record a slow object.
  const record: Writable<EventRecord> = {
    v: 1,
    sequence: at.sequence,
    id: event.id,
    eventType: event.eventType,
    timestamp: event.timestamp,
    sourceAppId: event.sourceAppId,
    payloadHash: event.payloadHash,
    recordedAt: at.recordedAt,
    previousHash: at.previousHash,
  };
  if (idempotencyKey !== undefined) record.idempotencyKey = idempotencyKey;
  if (batch !== undefined) record.batch = batch;
  const logged = loggedEvent(record, event);
  if (event.payloadValue !== undefined) logged.payloadValue = event.payloadValue;
  return logged;
}

/** Puts a record and its payload together, and computes the record's bytes and hash. */
export function loggedEvent(
  record: EventRecord,
  content: Pick<LoggedEvent, "payload" | "payloadSalt" | "isErased">,
): LoggedEvent {
  const recordBytes = utf8(recordText(record));
  const { payload, payloadSalt, isErased } = content;
  const event = { record, recordBytes, hash: sha256Hex(recordBytes), payload, payloadSalt };
  return isErased === undefined ? event : { ...event, isErased };
}

export function eventView(event: ReadEvent, block: { height: Height; term: Term }): EventView {
  const { record } = event;
  const { idempotencyKey, batch } = record;
  const view: Partial<EventView> = {
    v: 1,
    sequence: record.sequence,
    id: record.id,
    eventType: record.eventType,
    timestamp: record.timestamp,
    sourceAppId: record.sourceAppId,
    // The payload was verified against payloadHash when its block was; it is canonical JSON of an object.
    dataPayload: event.payloadValue ?? (JSON.parse(fromUtf8(event.payload)) as JsonObject),
    payloadSalt: toHex(event.payloadSalt),
    payloadHash: record.payloadHash,
    recordedAt: record.recordedAt,
  };
  if (idempotencyKey !== undefined) view.idempotencyKey = idempotencyKey;
  if (batch !== undefined) view.batch = [batch[0], batch[1]];
  view.previousHash = record.previousHash;
  view.hash = event.hash;
  view.height = block.height;
  view.term = block.term;
  return view as EventView;
}

/** As `EventView`, with the payload as its canonical text: answers are put together from it. */
export interface ShownEvent extends Omit<EventView, "dataPayload"> {
  /** RFC 8785. */
  payload: string;
}

export function shownEvent(event: ReadEvent, block: { height: Height; term: Term }): ShownEvent {
  const { record } = event;
  const { idempotencyKey, batch } = record;
  const shown: ShownEvent = {
    v: 1,
    sequence: record.sequence,
    id: record.id,
    eventType: record.eventType,
    timestamp: record.timestamp,
    sourceAppId: record.sourceAppId,
    payload: fromUtf8(event.payload),
    payloadSalt: toHex(event.payloadSalt),
    payloadHash: record.payloadHash,
    recordedAt: record.recordedAt,
    previousHash: record.previousHash,
    hash: event.hash,
    height: block.height,
    term: block.term,
  };
  if (idempotencyKey !== undefined) shown.idempotencyKey = idempotencyKey;
  if (batch !== undefined) shown.batch = [batch[0], batch[1]];
  return shown;
}

/** Recomputes an event's two hashes from what an API shows: null when both hold, else which one does not. */
export function checkEventView(view: EventView): "payloadHash" | "hash" | null {
  const payload = utf8(canonicalText(view.dataPayload));
  if (payloadCommitment(fromHex(view.payloadSalt), payload) !== view.payloadHash) return "payloadHash";
  return sha256Hex(utf8(recordText(recordOfView(view)))) === view.hash ? null : "hash";
}

/** What of a view its hash is over. */
export function recordOfView(view: EventView): EventRecord {
  const { dataPayload: _payload, payloadSalt: _salt, hash: _hash, height: _height, term: _term, ...record } = view;
  return record as unknown as EventRecord;
}
