import { canonical } from "../judge/canonical.js";
import { Reader, sha256Hex, textOf, u32 } from "./bytes.js";
import { Fault } from "./fault.js";
import { isInYears, isShortForm, millisOf, shortForm } from "./instant.js";
import { leafOf } from "./tree.js";

export interface Body {
  readonly records: Buffer;
  readonly payloads: Buffer;
}

/** What a record's other members follow from. */
export interface Place {
  readonly firstSequence: number;
  readonly eventCount: number;
  readonly sealedAt: string;
  /** Of the event before the first. */
  readonly previousHash: string;
}

export interface Event {
  readonly sequence: number;
  readonly eventType: string;
  readonly sourceAppId: string;
  readonly idempotencyKey: string | undefined;
  /** Milliseconds since 1970. */
  readonly millis: number;
  readonly hash: string;
  readonly leaf: Buffer;
}

const EVENTS_MAX = 1_000;
const BYTES_MAX = 4_194_304;
const LEVELS_MAX = 64;
const SALT_BYTES = 16;
const BODY_DOMAIN = Buffer.from("quorumlog/body/v1\n");
const PAYLOAD_DOMAIN = Buffer.from("quorumlog/payload/v1\n");

export const bodyHashOf = ({ records, payloads }: Body): string =>
  sha256Hex(Buffer.concat([BODY_DOMAIN, u32(records.length), records, u32(payloads.length), payloads]));

export const payloadHashOf = (salt: Buffer, payload: Buffer | string): string =>
  sha256Hex(Buffer.concat([PAYLOAD_DOMAIN, salt, typeof payload === "string" ? Buffer.from(payload) : payload]));

/** All events of a body that was sealed as it stands. Throws Fault. */
export function eventsOf(body: Body, place: Place): Event[] {
  const { firstSequence, eventCount } = place;
  const [records, payloads] = partsOf(body, eventCount);
  const decoded: Decoded[] = [];
  let { previousHash } = place;
  for (let i = 0; i < eventCount; i++) {
    const at = { sequence: firstSequence + i, sealedAt: place.sealedAt, previousHash };
    const event = decode(records[i] as Buffer, payloads[i] as Buffer, at);
    if (event.hash !== event.noted) throw new Fault("bad_encoding", ALTERED, NOT_ITS_HASH, { sequence: at.sequence });
    decoded.push(event);
    previousHash = event.hash;
  }
  // What is wrong with one event's content is said once all of them are known to be whole.
  for (const event of decoded) checkContent(event);
  return decoded;
}

/** Which of the two was changed is not known from one copy. */
export const ALTERED = "record or dataPayload";
const NOT_ITS_HASH = "its hash is not the one that is noted for it";

/** Sequences of the events whose noted hashes are not those of what stands there; null where the body cannot be taken apart. */
export function alteredEvents(body: Body, place: Place): number[] | null {
  const altered: number[] = [];
  try {
    const [records, payloads] = partsOf(body, place.eventCount);
    let { previousHash } = place;
    for (const [i, record] of records.entries()) {
      const sequence = place.firstSequence + i;
      try {
        const event = decode(record, payloads[i] as Buffer, { sequence, sealedAt: place.sealedAt, previousHash });
        if (event.hash !== event.noted) altered.push(sequence);
      } catch {
        altered.push(sequence);
      }
      // As it is noted: so a change of one event is not found at all that follow it.
      previousHash = record.subarray(-32).toString("hex");
    }
    return altered;
  } catch {
    return null;
  }
}

interface Decoded extends Event {
  readonly noted: string;
  readonly id: string;
  readonly timestamp: string;
  readonly batch: readonly number[] | undefined;
  /** Null where it was erased. */
  readonly payload: Buffer | null;
  readonly salt: Buffer | null;
}

/**
 * What the bytes of each event say, whether or not its hash is theirs; null for an event whose bytes say none. Throws Fault
 * where a part cannot be taken apart.
 */
export function looselyDecoded(body: Body, place: Place): (Decoded | null)[] {
  const [records, payloads] = partsOf(body, place.eventCount);
  let { previousHash } = place;
  return records.map((record, i) => {
    const at = { sequence: place.firstSequence + i, sealedAt: place.sealedAt, previousHash };
    previousHash = record.subarray(-32).toString("hex");
    try {
      return decode(record, payloads[i] as Buffer, at);
    } catch {
      return null;
    }
  });
}

function partsOf({ records, payloads }: Body, count: number): [Buffer[], Buffer[]] {
  if (count > EVENTS_MAX || records.length + payloads.length > BYTES_MAX)
    throw new Fault("bad_encoding", "body", "it is over its limits");
  return [entriesOf(records, count, "records"), entriesOf(payloads, count, "payloads")];
}

function entriesOf(part: Buffer, count: number, field: string): Buffer[] {
  const start = 4 * count;
  const broken = (): Fault => new Fault("bad_encoding", field, "the table of its events is broken");
  if (part.length < start) throw broken();
  const entries: Buffer[] = [];
  let before = 0;
  for (let i = 0; i < count; i++) {
    const end = part.readUInt32BE(4 * i);
    if (end <= before || start + end > part.length) throw broken();
    entries.push(part.subarray(start + before, start + end));
    before = end;
  }
  if (start + before !== part.length) throw broken();
  return entries;
}

interface EventPlace {
  readonly sequence: number;
  readonly sealedAt: string;
  readonly previousHash: string;
}

function decode(record: Buffer, payload: Buffer, at: EventPlace): Decoded {
  try {
    return decodeEvent(record, payload, at);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Fault("bad_encoding", ALTERED, error.message, { sequence: at.sequence });
  }
}

function decodeEvent(record: Buffer, stored: Buffer, { sequence, sealedAt, previousHash }: EventPlace): Decoded {
  const { payload, salt, payloadHash } = decodePayload(stored);
  const fields = new Reader(record);
  const flags = fields.u8();
  if (flags > 7) throw new RangeError("an unknown flag is set");
  const id = fields.take(12).toString("hex");
  const eventType = fields.text();
  const sourceAppId = fields.text();
  const [timestamp, millis] = (flags & 1) === 0 ? shortTimestamp(fields) : textTimestamp(fields);
  const idempotencyKey = (flags & 2) === 0 ? undefined : fields.text();
  const batch = (flags & 4) === 0 ? undefined : [fields.u16(), fields.u16()];
  if (batch !== undefined && ((batch[0] as number) >= (batch[1] as number) || (batch[1] as number) > 1_000))
    throw new RangeError("its place in a batch is none");
  const noted = fields.take(32).toString("hex");
  fields.end();
  const json = JSON.stringify;
  const text =
    `{${batch === undefined ? "" : `"batch":[${batch}],`}"eventType":${json(eventType)},"id":"${id}",` +
    `${idempotencyKey === undefined ? "" : `"idempotencyKey":${json(idempotencyKey)},`}"payloadHash":"${payloadHash}",` +
    `"previousHash":"${previousHash}","recordedAt":${json(sealedAt)},"sequence":${sequence},` +
    `"sourceAppId":${json(sourceAppId)},"timestamp":${json(timestamp)},"v":1}`;
  const bytes = Buffer.from(text);
  const named = { sequence, id, eventType, sourceAppId, idempotencyKey, timestamp, batch, millis };
  return { ...named, hash: sha256Hex(bytes), leaf: leafOf(bytes), noted, payload, salt };
}

function decodePayload(stored: Buffer): { payload: Buffer | null; salt: Buffer | null; payloadHash: string } {
  const rest = stored.subarray(1);
  if (stored[0] === 0 && rest.length >= SALT_BYTES) {
    const payloadHash = sha256Hex(Buffer.concat([PAYLOAD_DOMAIN, rest]));
    return { payload: rest.subarray(SALT_BYTES), salt: rest.subarray(0, SALT_BYTES), payloadHash };
  }
  if (stored[0] === 1 && rest.length === 32) return { payload: null, salt: null, payloadHash: rest.toString("hex") };
  throw new RangeError("its payload has an unknown tag or length");
}

function shortTimestamp(fields: Reader): [string, number] {
  const millis = Number(fields.int64());
  if (!isInYears(millis)) throw new RangeError("its timestamp is outside of the years 0000 to 9999");
  return [shortForm(millis), millis];
}

function textTimestamp(fields: Reader): [string, number] {
  const text = fields.text();
  if (isShortForm(text)) throw new RangeError("its timestamp has a shorter form");
  // One that is no instant is judged with the content.
  return [text, millisOf(text) ?? Number.NaN];
}

const CONTROL_CHARACTER = /\p{Cc}/u;
const isName = (text: string): boolean =>
  text !== "" && (text.length <= 256 || [...text].length <= 256) && !CONTROL_CHARACTER.test(text);

function checkContent(event: Decoded): void {
  const { sequence, eventType, sourceAppId, timestamp, millis, idempotencyKey = "-", payload } = event;
  const bad = (field: string): Fault => new Fault("bad_record", field, "no event may have it", { sequence });
  if (!isName(eventType)) throw bad("eventType");
  if (!isName(sourceAppId)) throw bad("sourceAppId");
  if (timestamp.length > 64 || !isInYears(millis)) throw bad("timestamp");
  if (!/^[ -~]{1,255}$/.test(idempotencyKey)) throw bad("idempotencyKey");
  if (payload === null || !isCanonicalObject(payload)) throw bad("dataPayload");
}

function isCanonicalObject(payload: Buffer): boolean {
  try {
    const text = textOf(payload);
    if (!text.startsWith("{")) return false;
    const value: unknown = JSON.parse(text);
    return nestsWithin(value, LEVELS_MAX) && canonical(value) === text;
  } catch {
    return false;
  }
}

function nestsWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((one) => nestsWithin(one, levels - 1));
}
