import { randomBytes } from "node:crypto";
import { ObjectId } from "mongodb";
import { utf8 } from "../../../shared/bytes.js";
import { canonicalForm, type JsonObject, type JsonValue } from "../../../shared/canonical.js";
import type { HashHex } from "../../../shared/ids.js";
import { BATCH_EVENTS_MAX, BLOCK_BYTES_MAX, NESTING_MAX, SALT_BYTES } from "../../../shared/limits.js";
import { eventBytesBound as blockBytesBound } from "../../../shared/log/body.js";
import { type PreparedEvent, payloadCommitment, type Writable } from "../../../shared/log/event.js";
import { type FieldError, type ProblemCode, ProblemError } from "../../problems.js";
import { parseBody, requireJsonType } from "./body.js";
import { boundErrors } from "./pointer.js";
import { BATCH_RULE, batchSchema, check, conditionalEventSchema, type EventInput, eventSchema } from "./schema.js";

/** Which API's rules hold: both references answer 400 for invalid fields; only A takes a `previousHash`. */
export type DoorApi = "reference_a" | "reference_b" | "own";

export interface DoorOptions {
  readonly eventBytesMax: number;
  /** Milliseconds since 1970 of this node's clock: the timestamp of an event that brings none. */
  readonly now: () => number;
}

/** The request's key stands in each of its events. */
type KeyedOptions = DoorOptions & { readonly idempotencyKey?: string | undefined };

export interface RawRequest {
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** Levels around a dataPayload: the event; with a batch also its object and array. */
const LEVELS_AROUND_EVENT = 1;
const LEVELS_AROUND_BATCH_EVENT = 3;

/** One event from a request's raw body: parsed, validated, canonicalised, salted, committed to. Throws ProblemError. */
export function admitEvent(
  request: RawRequest,
  api: DoorApi,
  options: KeyedOptions,
): { event: PreparedEvent; ifPreviousHash?: HashHex | "" } {
  const { value, faults } = open(request, NESTING_MAX + LEVELS_AROUND_EVENT, options);
  const checked = check(api === "reference_a" ? conditionalEventSchema : eventSchema, value);
  if (!checked.ok || faults.length > 0) throw refusal(faults, checked.ok ? [] : checked.errors, api);
  const { previousHash, ...input } = { previousHash: undefined, ...checked.value };
  const event = prepare(input, options, {});
  return { event, ...(previousHash === undefined ? {} : { ifPreviousHash: previousHash }) };
}

/** All events of a batch, which must fit one block, in the order sent. Throws ProblemError. */
export function admitBatch(request: RawRequest, options: KeyedOptions): PreparedEvent[] {
  const { value, faults } = open(request, NESTING_MAX + LEVELS_AROUND_BATCH_EVENT, options);
  // Counted before each is looked at: what is over the limit costs nothing more.
  const count = eventCount(value);
  if (count > BATCH_EVENTS_MAX) throw tooLarge(`${BATCH_RULE}; this one has ${count}. Send it in parts.`);
  const checked = check(batchSchema, value);
  if (!checked.ok || faults.length > 0) throw refusal(faults, checked.ok ? [] : checked.errors, "own");
  const { events } = checked.value;
  const prepared = events.map((input, i) => prepare(input, options, { batch: [i, events.length], at: i }));
  const bytes = prepared.reduce((sum, event) => sum + blockBytesBound(event), 0);
  if (bytes > BLOCK_BYTES_MAX)
    throw tooLarge(`The batch can need ${bytes} bytes of a block; ${BLOCK_BYTES_MAX} are the most. Send it in parts.`);
  return prepared;
}

/**
 * Parsing and canonicalising are one turn of the event loop, in the process that must send heartbeats: a body of 4 MiB
 * full of zeros would take a second of it. An event of the allowed size never has so many parts.
 */
const PARTS_MAX = 250_000;
const EVENT_BYTES_PER_PART = 2;

function open(request: RawRequest, depthMax: number, { eventBytesMax }: DoorOptions): ReturnType<typeof parseBody> {
  if (request.body.length > 0) requireJsonType(request.contentType);
  return parseBody(request.body, { depthMax, partsMax: Math.max(PARTS_MAX, eventBytesMax / EVENT_BYTES_PER_PART) });
}

function refusal(faults: readonly FieldError[], invalid: readonly FieldError[], api: DoorApi): ProblemError {
  const code: ProblemCode =
    faults.length > 0 ? "cannot_be_carried" : api === "own" ? "invalid_event" : "invalid_fields";
  const all = boundErrors([...faults, ...invalid]);
  return new ProblemError(code, `Nothing was written. ${inWords(all)}`, { errors: all });
}

const ERRORS_IN_WORDS_MAX = 5;

/** The errors as one sentence, for people and for clients that show only a message. */
function inWords(errors: readonly FieldError[]): string {
  const shown = errors.slice(0, ERRORS_IN_WORDS_MAX);
  const words = shown.map(({ pointer, detail }) => `${pointer.slice(2) || "the body"}: ${detail}`).join("; ");
  return errors.length > shown.length ? `${words}; and ${errors.length - shown.length} more, see errors.` : `${words}.`;
}

const tooLarge = (detail: string): ProblemError => new ProblemError("too_large", `${detail} Nothing was written.`);

function eventCount(value: JsonValue): number {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return 0;
  return Array.isArray(value.events) ? value.events.length : 0;
}

function prepare(
  input: EventInput,
  { eventBytesMax, now, idempotencyKey }: KeyedOptions,
  place: { batch?: readonly [number, number]; at?: number },
): PreparedEvent {
  const { text, value } = canonicalForm(input.dataPayload);
  const payload = utf8(text);
  if (eventBytesBound(input, payload.length) > eventBytesMax) {
    const bytes = eventBytes(input, payload.length);
    if (bytes > eventBytesMax)
      throw tooLarge(
        `${place.at === undefined ? "The event" : `#/events/${place.at}`} has ${bytes} bytes as compact JSON; ${eventBytesMax} are the most.`,
      );
  }
  const payloadSalt = nextSalt();
  const { timestamp } = input;
  const event: Writable<PreparedEvent> = {
    id: new ObjectId().toHexString(),
    eventType: input.eventType,
    timestamp: timestamp ?? new Date(now()).toISOString(),
    sourceAppId: input.sourceAppId,
    payload,
    payloadSalt,
    payloadHash: payloadCommitment(payloadSalt, payload),
    payloadValue: value as JsonObject,
  };
  // Spread into it, what is there sometimes would make each event a slow object.
  if (timestamp === undefined) event.isStampedHere = true;
  if (idempotencyKey !== undefined) event.idempotencyKey = idempotencyKey;
  if (place.batch !== undefined) event.batch = place.batch;
  return event;
}

/** What the client logged, as compact canonical JSON: its own four fields, whatever white space it sent. */
function eventBytes(input: EventInput, payloadBytes: number): number {
  const { dataPayload: _payload, ...fields } = input;
  return Buffer.byteLength(JSON.stringify(fields)) + `,"dataPayload":`.length + payloadBytes;
}

/** What it is at most, without writing it: JSON has six bytes for a UTF-16 unit at most, and 128 for all keys and marks. */
function eventBytesBound({ eventType, sourceAppId, timestamp = "" }: EventInput, payloadBytes: number): number {
  return 6 * (eventType.length + sourceAppId.length + timestamp.length) + 128 + payloadBytes;
}

const SALTS_AT_ONCE = 256;
let salts = new Uint8Array(0);
let saltsUsed = 0;

/** Random bytes are drawn for many salts at once: each draw is a job of its own. No salt is given out twice. */
function nextSalt(): Uint8Array {
  if (saltsUsed === salts.length) {
    salts = new Uint8Array(randomBytes(SALTS_AT_ONCE * SALT_BYTES));
    saltsUsed = 0;
  }
  saltsUsed += SALT_BYTES;
  return salts.subarray(saltsUsed - SALT_BYTES, saltsUsed);
}
