import { fromUtf8, toHex } from "../bytes.js";
import { type HashHex, sequence } from "../ids.js";
import { SALT_BYTES } from "../limits.js";
import { type Instant, instantOf } from "../timestamp.js";
import {
  type Body,
  type BodyPlace,
  ERASED,
  HAS_BATCH,
  HAS_KEY,
  HASH_BYTES,
  ID_BYTES,
  payloadOf,
  readRecord,
  TEXT_TIMESTAMP,
} from "./body.js";
import { BodyError, Fields, millisAt, Table } from "./body-bytes.js";
import { payloadCommitment, type ReadEvent } from "./event.js";

const NOTHING = new Uint8Array(0);

/** Where the parts of one event stand in the bytes of its body. One object serves for one event after the other. */
export class EventBytes {
  records: Uint8Array = NOTHING;
  payloads: Uint8Array = NOTHING;
  /** In the records: the first byte of each part, and the one behind it. */
  id = 0;
  type = 0;
  typeEnd = 0;
  source = 0;
  sourceEnd = 0;
  /** Eight bytes of milliseconds, or else text. */
  isMillis = true;
  time = 0;
  timeEnd = 0;
  hasKey = false;
  key = 0;
  keyEnd = 0;
  hasBatch = false;
  batch = 0;
  hash = 0;
  /** Where the hash of the event before stands; -1: it is the first one of its block. */
  previousHash = -1;
  /** In the payloads. An erased one has its hash where others have the payload, and no salt. */
  isErased = false;
  salt = 0;
  payload = 0;
  payloadEnd = 0;

  get payloadHash(): HashHex {
    const { payloads, salt, payload, payloadEnd } = this;
    if (this.isErased) return toHex(payloads.subarray(payload, payloadEnd));
    return payloadCommitment(payloads.subarray(salt, payload), payloads.subarray(payload, payloadEnd));
  }
}

/**
 * Reads single events of a body that was checked when it was stored and whose `bodyHash` is still the sealed one: the
 * hashes that stand in it are right. Throws BodyError as the other reader does, but computes no record's hash. Nothing
 * that was decoded is kept: the body alone takes a third of the memory, and an event is decoded in two microseconds.
 */
export class ProvedBodyReader {
  private readonly records: Table;
  private readonly payloads: Table;

  constructor(
    body: Body,
    private readonly place: BodyPlace,
  ) {
    this.records = new Table(body.records, place.eventCount);
    this.payloads = new Table(body.payloads, place.eventCount);
  }

  /** All of it, as it is stored. */
  get body(): Body {
    return { records: this.records.bytes, payloads: this.payloads.bytes };
  }

  /** Counted from the block's first. */
  event(i: number): ReadEvent {
    this.assertHas(i);
    const at = this.sequenceOf(i);
    try {
      const { payloadHash, ...content } = payloadOf(this.payloads.entry(i));
      const fields = new Fields(this.records.entry(i));
      const record = readRecord(fields, {
        sequence: sequence(at),
        recordedAt: this.place.sealedAt,
        payloadHash,
        previousHash: this.hashOf(i - 1),
      });
      return { record, hash: toHex(fields.take(HASH_BYTES)), ...content };
    } catch (error) {
      throw new BodyError(`event #${at}: ${(error as Error).message}`, at);
    }
  }

  all(): ReadEvent[] {
    return Array.from({ length: this.place.eventCount }, (_, i) => this.event(i));
  }

  sequenceOf(i: number): number {
    return this.place.firstSequence + i;
  }

  /** The hash of an event, which ends its entry; before the first one that of the event before the block. */
  hashOf(i: number): HashHex | "" {
    if (i < 0) return this.place.previousHash;
    const end = this.records.end(i);
    return toHex(this.records.bytes.subarray(end - HASH_BYTES, end));
  }

  /** The last six bytes of an event's hash, as a number. */
  hashBits(i: number): number {
    const { bytes } = this.records;
    let bits = 0;
    const end = this.records.end(i);
    for (let at = end - HASH_BITS_BYTES; at < end; at++) bits = bits * 256 + (bytes[at] as number);
    return bits;
  }

  /** How many bytes an event's payload has. */
  payloadBytes(i: number): number {
    const start = this.payloads.start(i);
    const isErased = this.payloads.bytes[start] === ERASED;
    return isErased ? 0 : this.payloads.end(i) - start - 1 - SALT_BYTES;
  }

  /** One event as a body of its own. */
  alone(i: number): ProvedBodyReader {
    const place = { sealedAt: this.place.sealedAt, previousHash: this.hashOf(i - 1), eventCount: 1 };
    const body = { records: partOf(this.records.entry(i)), payloads: partOf(this.payloads.entry(i)) };
    return new ProvedBodyReader(body, { ...place, firstSequence: sequence(this.sequenceOf(i)) });
  }

  /** The same event as it stands there: nothing of it is decoded. */
  locate(i: number, into: EventBytes): void {
    this.assertHas(i);
    const { records, payloads } = this;
    const { bytes } = records;
    into.records = bytes;
    let at = records.start(i);
    const flags = bytes[at] as number;
    into.id = at + 1;
    at += NAMES_AT;
    into.type = at + 2;
    at = into.typeEnd = into.type + u16At(bytes, at);
    into.source = at + 2;
    at = into.sourceEnd = into.source + u16At(bytes, at);
    into.isMillis = (flags & TEXT_TIMESTAMP) === 0;
    into.time = into.isMillis ? at : at + 2;
    at = into.timeEnd = into.time + (into.isMillis ? MILLIS_BYTES : u16At(bytes, at));
    into.hasKey = (flags & HAS_KEY) !== 0;
    into.key = at + 2;
    if (into.hasKey) at = into.keyEnd = into.key + u16At(bytes, at);
    into.hasBatch = (flags & HAS_BATCH) !== 0;
    into.batch = at;
    into.hash = into.hasBatch ? at + 4 : at;
    into.previousHash = i === 0 ? -1 : records.start(i) - HASH_BYTES;
    into.payloads = payloads.bytes;
    at = payloads.start(i);
    into.isErased = payloads.bytes[at] === ERASED;
    into.salt = at + 1;
    into.payload = into.isErased ? into.salt : into.salt + SALT_BYTES;
    into.payloadEnd = payloads.end(i);
    // The body is the one that was checked on arrival; an end that is not its entry's would be a fault of this reader.
    if (into.hash + HASH_BYTES !== records.end(i) || into.payload > into.payloadEnd)
      throw new BodyError(`event #${this.sequenceOf(i)}: its parts do not end where it ends`, this.sequenceOf(i));
  }

  /** `nameHash` of each event's type, and then of each one's source. */
  nameHashes(): Int32Array {
    const { eventCount } = this.place;
    const { bytes } = this.records;
    const hashes = new Int32Array(2 * eventCount);
    for (let i = 0; i < eventCount; i++) {
      const at = this.records.start(i) + NAMES_AT;
      const typeEnd = at + 2 + u16At(bytes, at);
      hashes[i] = hashOf(bytes, at + 2, typeEnd);
      hashes[eventCount + i] = hashOf(bytes, typeEnd + 2, typeEnd + 2 + u16At(bytes, typeEnd));
    }
    return hashes;
  }

  /** Whether an event has these names (UTF-8); it is not decoded for it. */
  hasNames(i: number, { type, source }: { readonly type?: Uint8Array; readonly source?: Uint8Array }): boolean {
    const { bytes } = this.records;
    const at = this.records.start(i) + NAMES_AT;
    if (type !== undefined && !hasAt(bytes, at, type)) return false;
    return source === undefined || hasAt(bytes, at + 2 + u16At(bytes, at), source);
  }

  /** The instant of an event's own timestamp; null if its text stands for none. */
  instantOf(i: number): Instant | null {
    this.locate(i, looked);
    const { records, isMillis, time, timeEnd } = looked;
    return isMillis
      ? { millis: millisAt(records, time), rest: "" }
      : instantOf(fromUtf8(records.subarray(time, timeEnd)));
  }

  private assertHas(i: number): void {
    if (!(i >= 0 && i < this.place.eventCount)) throw new RangeError(`the block has no event ${i}`);
  }
}

/** A part of one entry. */
function partOf(entry: Uint8Array): Uint8Array {
  const part = new Uint8Array(4 + entry.length);
  new DataView(part.buffer).setUint32(0, entry.length);
  part.set(entry, 4);
  return part;
}

/** Looked at and let go at once. */
const looked = new EventBytes();
/** In a record part's entry: the length of the type, the type, the length of the source, the source. */
const NAMES_AT = 1 + ID_BYTES;
const MILLIS_BYTES = 8;
const HASH_BITS_BYTES = 6;
const u16At = (bytes: Uint8Array, at: number): number => (bytes[at] as number) * 256 + (bytes[at + 1] as number);

/** Whether a text with its length in front is this one. */
function hasAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  if (u16At(bytes, at) !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[at + 2 + i] !== text[i]) return false;
  return true;
}

/** 32 bits of a name (FNV-1a of its UTF-8): two names may have the same. */
export const nameHash = (name: Uint8Array): number => hashOf(name, 0, name.length);

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash | 0;
}
