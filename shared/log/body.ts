import { hexOf, utf8, utf8Into } from "../bytes.js";
import { sha256HexOf } from "../hash.js";
import { type HashHex, type Sequence, sequence } from "../ids.js";
import { BATCH_EVENTS_MAX, SALT_BYTES } from "../limits.js";
import { exactMillis } from "../timestamp.js";
import { BodyError, Fields, Table } from "./body-bytes.js";
import { type EventRecord, type LoggedEvent, loggedEvent, payloadCommitment } from "./event.js";

/**
 * The body of a block, version 2: what a record's texts cannot be derived from, and the payloads. Each of the two parts
 * is a table of u32 ends, one an event, counted from behind the table, and then the events' bytes one after the other.
 * All numbers are big-endian.
 *
 * Record part, an event: flags (u8), id (12 bytes), type and source (u16 length, UTF-8), timestamp (int64 milliseconds
 * where its text is exactly what `millisText` writes; else u16 length, UTF-8), key (u16 length, UTF-8) and batch (two
 * u16) where the flags say so, `hash` (32 bytes): so one event of a proved body is read without those before it.
 * Payload part, an event: 0, 16 bytes of salt and the payload's RFC 8785 bytes; or, for an erased one, 1 and 32 bytes of
 * `payloadHash`.
 *
 * One block has one encoding: whatever could be written another way is refused by the reader.
 */
export interface Body {
  readonly records: Uint8Array;
  readonly payloads: Uint8Array;
}

/** What is derived from the header and the log before it: every record's other members. */
export interface BodyPlace {
  readonly firstSequence: Sequence;
  readonly eventCount: number;
  /** Every event's `recordedAt`. */
  readonly sealedAt: string;
  /** The hash of the event before the first one. */
  readonly previousHash: HashHex | "";
}

export const TEXT_TIMESTAMP = 1;
export const HAS_KEY = 2;
export const HAS_BATCH = 4;
const FLAGS_KNOWN = TEXT_TIMESTAMP | HAS_KEY | HAS_BATCH;
export const ID_BYTES = 12;
const KEPT = 0;
export const ERASED = 1;
export const HASH_BYTES = 32;
const TWO_32 = 0x1_0000_0000;

const BODY_DOMAIN = utf8("quorumlog/body/v1\n");

/** SHA-256("quorumlog/body/v1\n" || u32 length || record part || u32 length || payload part). */
export const bodyHash = ({ records, payloads }: Body): HashHex =>
  sha256HexOf(BODY_DOMAIN, u32(records.length), records, u32(payloads.length), payloads);

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

// --- Writing ---------------------------------------------------------------------------------------------------------

export function encodeBody(events: readonly LoggedEvent[]): Body {
  return {
    records: encodePart(events, recordBytesBound, writeRecord),
    payloads: encodePart(events, payloadBytesBound, writePayload),
  };
}

/** Larger parts are rare: they get memory of their own. */
const SCRATCH_BYTES = 1024 * 1024;
let scratch = new Uint8Array(0);

/** Each event is written straight into the part: pieces of its own for each field would take longer than all else. */
function encodePart(
  events: readonly LoggedEvent[],
  bytesBound: (event: LoggedEvent) => number,
  write: (into: PartWriter, event: LoggedEvent) => void,
): Uint8Array {
  const table = 4 * events.length;
  let bound = table;
  for (const event of events) bound += bytesBound(event);
  if (scratch.length < Math.min(bound, SCRATCH_BYTES)) scratch = new Uint8Array(SCRATCH_BYTES);
  const bytes = bound <= scratch.length ? scratch : new Uint8Array(bound);
  const view = new DataView(bytes.buffer);
  const into = new PartWriter(bytes, table);
  for (const [i, event] of events.entries()) {
    write(into, event);
    view.setUint32(4 * i, into.at - table);
  }
  return bytes.slice(0, into.at);
}

class PartWriter {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {}

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }
  u16(value: number): void {
    this.u8(value >> 8);
    this.u8(value);
  }
  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value);
  }
  put(part: Uint8Array): void {
    this.bytes.set(part, this.at);
    this.at += part.length;
  }
  hex(digits: string): void {
    for (let i = 0; i < digits.length; i += 2) this.u8(16 * hexDigit(digits, i) + hexDigit(digits, i + 1));
  }
  text(value: string): void {
    const length = utf8Into(value, this.bytes, this.at + 2);
    this.u16(length);
    this.at += length;
  }
}

function hexDigit(digits: string, i: number): number {
  const unit = digits.charCodeAt(i);
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  if (unit >= 0x61 && unit <= 0x66) return unit - 0x57;
  throw new RangeError("not lower-case hex digits");
}

function writeRecord(into: PartWriter, { record, hash }: LoggedEvent): void {
  const { timestamp, idempotencyKey: key, batch } = record;
  const millis = exactMillis(timestamp);
  into.u8(
    (millis === null ? TEXT_TIMESTAMP : 0) | (key === undefined ? 0 : HAS_KEY) | (batch === undefined ? 0 : HAS_BATCH),
  );
  into.hex(record.id);
  into.text(record.eventType);
  into.text(record.sourceAppId);
  if (millis === null) into.text(timestamp);
  else {
    const high = Math.floor(millis / TWO_32);
    into.u32(high);
    into.u32(millis - high * TWO_32);
  }
  if (key !== undefined) into.text(key);
  if (batch !== undefined) {
    into.u16(batch[0]);
    into.u16(batch[1]);
  }
  into.hex(hash);
}

function writePayload(into: PartWriter, { isErased, payload, payloadSalt, record }: LoggedEvent): void {
  if (isErased === true) {
    into.u8(ERASED);
    into.hex(record.payloadHash);
    return;
  }
  into.u8(KEPT);
  into.put(payloadSalt);
  into.put(payload);
}

/** Bytes beside an event's texts and payload: two table entries, flags, id, lengths, timestamp, batch, hash, tag, salt. */
const EVENT_FIXED_BYTES = 4 + 4 + 1 + ID_BYTES + 4 * 2 + 8 + 4 + HASH_BYTES + 1 + SALT_BYTES;

/** An upper bound of what an event takes in a body, known before its record is made. */
export function eventBytesBound(event: Texts & { readonly payload: Uint8Array }): number {
  return EVENT_FIXED_BYTES + textBytesBound(event) + event.payload.length;
}

interface Texts {
  readonly eventType: string;
  readonly sourceAppId: string;
  readonly timestamp: string;
  readonly idempotencyKey?: string;
}

/** One UTF-16 unit takes at most 3 bytes of UTF-8. */
const textBytesBound = ({ eventType, sourceAppId, timestamp, idempotencyKey }: Texts): number =>
  3 * (eventType.length + sourceAppId.length + timestamp.length + (idempotencyKey?.length ?? 0));

const recordBytesBound = ({ record }: LoggedEvent): number => EVENT_FIXED_BYTES + textBytesBound(record);
const payloadBytesBound = ({ payload }: LoggedEvent): number => EVENT_FIXED_BYTES + payload.length;

// --- Reading ---------------------------------------------------------------------------------------------------------

/**
 * Decodes a body's events in order, each once, as far as they are asked for. The bytes come from a peer or a database:
 * throws BodyError on any that `encodeBody` would not have written. Hashes are computed from the bytes; whether they
 * lead to the header's `headHash` is the caller's to check.
 */
export class BodyReader {
  private readonly decoded: LoggedEvent[] = [];
  private readonly recordTable: Table;
  private readonly payloadTable: Table;
  private previousHash: HashHex | "";

  constructor(
    body: Body,
    private readonly place: BodyPlace,
  ) {
    this.recordTable = new Table(body.records, place.eventCount);
    this.payloadTable = new Table(body.payloads, place.eventCount);
    this.previousHash = place.previousHash;
  }

  /** Counted from the block's first; all before it are decoded too, since each hash needs the one before. */
  event(i: number): LoggedEvent {
    if (!(i >= 0 && i < this.place.eventCount)) throw new RangeError(`the block has no event ${i}`);
    while (this.decoded.length <= i) this.decoded.push(this.next(this.decoded.length));
    return this.decoded[i] as LoggedEvent;
  }

  /** All events. */
  all(): readonly LoggedEvent[] {
    if (this.place.eventCount > 0) this.event(this.place.eventCount - 1);
    return this.decoded;
  }

  /** How many have been decoded. */
  get length(): number {
    return this.decoded.length;
  }

  private next(i: number): LoggedEvent {
    const at = sequence(this.place.firstSequence + i);
    try {
      const content = payloadOf(this.payloadTable.entry(i));
      const { recordTable } = this;
      const fields = new Fields(recordTable.bytes, recordTable.start(i), recordTable.end(i));
      const record = readRecord(fields, {
        sequence: at,
        recordedAt: this.place.sealedAt,
        payloadHash: content.payloadHash,
        previousHash: this.previousHash,
      });
      const hash = fields.hex(HASH_BYTES);
      fields.end();
      const event = loggedEvent(record, content);
      if (event.hash !== hash) throw new RangeError("its hash is not the one that is noted for it");
      this.previousHash = event.hash;
      return event;
    } catch (error) {
      throw new BodyError(`event #${at}: ${(error as Error).message}`, at);
    }
  }
}

type Content = Pick<LoggedEvent, "payload" | "payloadSalt" | "isErased"> & { readonly payloadHash: HashHex };
const NOTHING = new Uint8Array(0);

export function payloadOf(bytes: Uint8Array): Content {
  if (bytes[0] === KEPT) {
    if (bytes.length < 1 + SALT_BYTES) throw new RangeError("its salt is cut");
    const payloadSalt = bytes.subarray(1, 1 + SALT_BYTES);
    const payload = bytes.subarray(1 + SALT_BYTES);
    return { payload, payloadSalt, payloadHash: payloadCommitment(payloadSalt, payload) };
  }
  if (bytes[0] === ERASED && bytes.length === 1 + HASH_BYTES)
    return { isErased: true, payload: NOTHING, payloadSalt: NOTHING, payloadHash: hexOf(bytes, 1, bytes.length) };
  throw new RangeError("its payload has an unknown tag or length");
}

export function readRecord(
  fields: Fields,
  derived: Pick<EventRecord, "sequence" | "recordedAt" | "payloadHash" | "previousHash">,
): EventRecord {
  const flags = fields.u8();
  if ((flags & ~FLAGS_KNOWN) !== 0) throw new RangeError("an unknown flag is set");
  const id = fields.hex(ID_BYTES);
  const eventType = fields.text();
  const sourceAppId = fields.text();
  const timestamp = (flags & TEXT_TIMESTAMP) === 0 ? fields.millis() : fields.text();
  if ((flags & TEXT_TIMESTAMP) !== 0 && exactMillis(timestamp) !== null)
    throw new RangeError("its timestamp has a shorter form");
  const idempotencyKey = (flags & HAS_KEY) === 0 ? undefined : fields.text();
  const batch = (flags & HAS_BATCH) === 0 ? undefined : ([fields.u16(), fields.u16()] as const);
  if (batch !== undefined && (batch[0] >= batch[1] || batch[1] > BATCH_EVENTS_MAX))
    throw new RangeError("its place in a batch is none");
  return {
    v: 1,
    sequence: derived.sequence,
    id,
    eventType,
    timestamp,
    sourceAppId,
    payloadHash: derived.payloadHash,
    recordedAt: derived.recordedAt,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(batch === undefined ? {} : { batch }),
    previousHash: derived.previousHash,
  };
}
