import { compareBytes, concat, fromUtf8, utf8 } from "../bytes.js";
import type { JsonValue } from "../canonical.js";
import { canonicalText } from "../canonical.js";
import { sha256, sha256HexOf, sha256Of } from "../hash.js";
import type { HashHex } from "../ids.js";
import { timestampMillis } from "../timestamp.js";
import type { ReadEvent } from "./event.js";

/**
 * What a block's index entry says: which terms stand in the block and at which of its positions. A term is a hash of a
 * kind and a value. `names` (types and sources) and `keys` are committed to by the header's `indexHash`; `own` kinds are
 * this node's, made anew at will.
 */
export interface BlockIndex {
  readonly names: Run;
  readonly keys: Run;
  /** `encodeTimes` of the events' instants. */
  readonly times: Uint8Array;
}

/** Terms in the order of their bytes, none twice, and for each the places of its values. */
export interface Run {
  /** 8 bytes each: the first 8 of `SHA-256("quorumlog/term/v1\n" || kind || 0x00 || value)`. */
  readonly terms: readonly Uint8Array[];
  /**
   * One a term: for each of its values, in the order of their bytes, a *group*: bytes 8 to 15 of the value's hash, u16
   * how many positions, and the positions (u16, ascending). Values of one term that differ (a collision) keep a group
   * each, so that counts stay exact.
   */
  readonly places: readonly Uint8Array[];
}

export type TermKind = "type" | "source" | "key" | "prefix" | "pair" | "time" | "payload" | "wide";

const TERM_DOMAIN = "quorumlog/term/v1\n";
const INDEX_DOMAIN = utf8("quorumlog/index/v1\n");
const TERM_BYTES = 8;
/** Own terms of one entry; beyond this it has the term `wide` in their stead. */
export const OWN_TERMS_MAX = 4_096;
export const PREFIXES_MAX = 8;
const ELEMENTS_MAX = 16;

/** 16 bytes: the term, and what tells its values apart. Replaced by tests that need collisions. */
export type TermHash = (kind: TermKind, value: string) => Uint8Array;
const plainHash: TermHash = (kind, value) => sha256(utf8(`${TERM_DOMAIN}${kind}\0${value}`)).slice(0, 2 * TERM_BYTES);

/** Types and sources come again and again; what has been hashed most lately is kept. */
const REMEMBERED_MAX = 4_096;
const remembered = new Map<string, Uint8Array>();
export const termHash: TermHash = (kind, value) => {
  // Keys hardly come twice, and long values would fill the memory.
  if (kind === "key" || kind === "payload" || value.length > 512) return plainHash(kind, value);
  const name = `${kind}\0${value}`;
  let hash = remembered.get(name);
  if (hash === undefined) {
    hash = plainHash(kind, value);
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(name, hash);
  }
  return hash;
};

export const keyValue = (sourceAppId: string, idempotencyKey: string): string => `${sourceAppId}\0${idempotencyKey}`;
export const pairValue = (eventType: string, sourceAppId: string): string => `${eventType}\0${sourceAppId}`;
export const payloadValue = (path: string, canonical: string): string => `${path}\0${canonical}`;
export const timeValue = (level: number, slot: number): string => `${level}\0${slot}`;

// --- What the header commits to --------------------------------------------------------------------------------------

/** Derives what is committed to. Throws RangeError for a timestamp that is no instant: no block may hold one. */
export function blockIndex(events: readonly ReadEvent[], hash: TermHash = termHash): BlockIndex {
  const names = new RunBuilder(hash);
  const keys = new RunBuilder(hash);
  const millis: number[] = [];
  let i = -1;
  for (const { record } of events) {
    i += 1;
    names.add("type", record.eventType, i);
    names.add("source", record.sourceAppId, i);
    if (record.idempotencyKey !== undefined) keys.add("key", keyValue(record.sourceAppId, record.idempotencyKey), i);
    const at = timestampMillis(record.timestamp);
    if (at === null) throw new RangeError(`the timestamp of event #${record.sequence} is no instant`);
    millis.push(at);
  }
  return { names: names.run(), keys: keys.run(), times: encodeTimes(millis) };
}

/**
 * SHA-256("quorumlog/index/v1\n" || H(names) || H(name places) || H(keys) || H(key places) || H(times)), H = SHA-256; the
 * terms of a run one after the other, its places each with their u32 length in front.
 */
export const indexHash = ({ names, keys, times }: BlockIndex): HashHex =>
  sha256HexOf(INDEX_DOMAIN, ...hashesOf(names), ...hashesOf(keys), sha256(times));

const hashesOf = ({ terms, places }: Run): [Uint8Array, Uint8Array] => [
  sha256Of(...terms),
  sha256Of(...places.flatMap((bytes) => [u32(bytes.length), bytes])),
];

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

interface Group {
  readonly hash: Uint8Array;
  readonly positions: number[];
}

/** Gathers the positions of each value. */
class RunBuilder {
  /** By kind and value: each value is hashed once a block. */
  private readonly kinds = new Map<TermKind, Map<string, Group>>();
  private readonly groups: Group[] = [];

  constructor(private readonly hash: TermHash) {}

  get size(): number {
    return this.groups.length;
  }

  /** Without a position the term narrows the search and decides nothing. */
  add(kind: TermKind, value: string, position?: number): void {
    let values = this.kinds.get(kind);
    if (values === undefined) {
      values = new Map();
      this.kinds.set(kind, values);
    }
    let group = values.get(value);
    if (group === undefined) {
      group = { hash: this.hash(kind, value), positions: [] };
      values.set(value, group);
      this.groups.push(group);
    }
    if (position !== undefined && group.positions.at(-1) !== position) group.positions.push(position);
  }

  run(): Run {
    const sorted = this.groups.sort((a, b) => compareBytes(a.hash, b.hash));
    const terms: Uint8Array[] = [];
    const places: Uint8Array[][] = [];
    for (const { hash, positions } of sorted) {
      const term = hash.subarray(0, TERM_BYTES);
      const last = terms.at(-1);
      if (last === undefined || compareBytes(last, term) !== 0) {
        terms.push(term);
        places.push([]);
      }
      if (positions.length > 0) places.at(-1)?.push(encodeGroup(hash.subarray(TERM_BYTES), positions));
    }
    return { terms, places: places.map((groups) => concat(...groups)) };
  }
}

function encodeGroup(check: Uint8Array, positions: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(TERM_BYTES + 2 + 2 * positions.length);
  const view = new DataView(bytes.buffer);
  bytes.set(check);
  view.setUint16(TERM_BYTES, positions.length);
  for (const [i, position] of positions.entries()) view.setUint16(TERM_BYTES + 2 + 2 * i, position);
  return bytes;
}

/** The positions of one value among the places of its term; none if the term is another value's. Throws on damage. */
export function positionsOf(places: Uint8Array, check: Uint8Array): number[] {
  const view = new DataView(places.buffer, places.byteOffset, places.byteLength);
  for (let at = 0; at < places.length; ) {
    const count = view.getUint16(at + TERM_BYTES);
    const first = at + TERM_BYTES + 2;
    if (compareBytes(places.subarray(at, at + TERM_BYTES), check) === 0) {
      const positions = Array.from({ length: count }, (_, i) => view.getUint16(first + 2 * i));
      if (count === 0 || positions.some((position, i) => i > 0 && position <= (positions[i - 1] as number)))
        throw new RangeError("the places of an index entry are damaged");
      return positions;
    }
    at = first + 2 * count;
  }
  return [];
}

// --- Times -----------------------------------------------------------------------------------------------------------

/** The years 0000 to 9999 have 3.2e14 milliseconds. */
const TIME_BYTES_MAX = 7;

/**
 * Whole milliseconds since 1970, rounded down: the smallest (int64), the width of the differences in bytes (u8, as few as
 * hold the largest), and each event's difference to the smallest. No bytes for no events.
 */
export function encodeTimes(millis: readonly number[]): Uint8Array {
  if (millis.length === 0) return new Uint8Array(0);
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for (const ms of millis) {
    smallest = Math.min(smallest, ms);
    largest = Math.max(largest, ms);
  }
  let width = 0;
  for (let left = largest - smallest; left > 0; left = Math.floor(left / 256)) width += 1;
  const bytes = new Uint8Array(9 + width * millis.length);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(smallest));
  bytes[8] = width;
  for (const [i, ms] of millis.entries()) {
    let left = ms - smallest;
    for (let at = 9 + width * (i + 1) - 1; left > 0; at--, left = Math.floor(left / 256)) bytes[at] = left % 256;
  }
  return bytes;
}

/** The milliseconds of `count` events. Throws RangeError on bytes that hold another number of them. */
export function decodeTimes(times: Uint8Array, count: number): number[] {
  if (count === 0) return [];
  const width = times[8] ?? 0;
  if (width > TIME_BYTES_MAX || times.length !== 9 + width * count)
    throw new RangeError("the times of an index entry are damaged");
  const smallest = Number(new DataView(times.buffer, times.byteOffset).getBigInt64(0));
  return Array.from({ length: count }, (_, i) => {
    let difference = 0;
    for (let at = 9 + width * i; at < 9 + width * (i + 1); at++) difference = difference * 256 + (times[at] as number);
    return smallest + difference;
  });
}

/** Widths of the slots that time is divided into: 16 s to 139 years, each 16 of the one before. */
const TIME_LEVELS = [14, 18, 22, 26, 30, 34, 38, 42].map((bits) => 2 ** bits);
export const TIME_TERMS_MAX = 190;

/**
 * Slots that together hold every millisecond from `from` to `to` (inclusive), at most 200: the widest that fit within,
 * and towards the ends narrower ones; where those would be too many, the ends are rounded outward.
 */
export function coverOf(from: number, to: number): { readonly level: number; readonly slot: number }[] {
  for (let finest = 0; finest < TIME_LEVELS.length; finest++) {
    const slots = coverFrom(finest, from, to);
    if (slots !== null) return slots;
  }
  throw new RangeError("a range of time is wider than all years");
}

function coverFrom(finest: number, from: number, to: number): { level: number; slot: number }[] | null {
  const slots: { level: number; slot: number }[] = [];
  let low = Math.floor(from / (TIME_LEVELS[finest] as number));
  let high = Math.floor(to / (TIME_LEVELS[finest] as number));
  for (let level = finest; low <= high; level++) {
    const isTop = level === TIME_LEVELS.length - 1;
    while (low <= high && (isTop || mod16(low) !== 0))
      if (slots.push({ level, slot: low++ }) > TIME_TERMS_MAX) return null;
    while (low <= high && mod16(high) !== 15) if (slots.push({ level, slot: high-- }) > TIME_TERMS_MAX) return null;
    low = Math.floor(low / 16);
    high = Math.floor((high - 15) / 16);
  }
  return slots;
}
const mod16 = (slot: number): number => ((slot % 16) + 16) % 16;

// --- Own kinds -------------------------------------------------------------------------------------------------------

/** Terms that are not committed to: prefixes of types, pairs of type and source, slots of time, values of payload paths. */
export function ownRun(events: readonly ReadEvent[], paths: readonly string[], hash: TermHash = termHash): Run {
  const own = new RunBuilder(hash);
  const lastSlots = TIME_LEVELS.map(() => Number.NaN);
  for (const [i, event] of events.entries()) {
    const { eventType, sourceAppId, timestamp } = event.record;
    for (const prefix of prefixesOf(eventType)) own.add("prefix", prefix, i);
    own.add("pair", pairValue(eventType, sourceAppId));
    const millis = timestampMillis(timestamp) ?? 0;
    for (const [level, width] of TIME_LEVELS.entries()) {
      const slot = Math.floor(millis / width);
      // Most events of a block stand in the same slots; and what is in one slot is in one of every wider level.
      if (lastSlots[level] === slot) break;
      lastSlots[level] = slot;
      own.add("time", timeValue(level, slot));
    }
    if (paths.length > 0 && event.isErased !== true) {
      const payload = event.payloadValue ?? (JSON.parse(fromUtf8(event.payload)) as JsonValue);
      for (const path of paths)
        for (const text of valuesAt(payload, path)) own.add("payload", payloadValue(path, text), i);
    }
    if (own.size > OWN_TERMS_MAX) return wideRun(hash);
  }
  return own.run();
}

/** An entry with too many terms of its own is looked at for every filter of an own kind. */
function wideRun(hash: TermHash): Run {
  const wide = new RunBuilder(hash);
  wide.add("wide", "");
  return wide.run();
}

/** `invoice.paid.eu` has the prefixes `invoice` and `invoice.paid`: what an event type begins with before a dot. */
export function prefixesOf(eventType: string): string[] {
  const prefixes: string[] = [];
  for (let dot = eventType.indexOf("."); dot !== -1; dot = eventType.indexOf(".", dot + 1)) {
    if (prefixes.push(eventType.slice(0, dot)) === PREFIXES_MAX) break;
  }
  return prefixes;
}

const isScalar = (value: JsonValue): boolean => typeof value !== "object" || value === null;

/** Canonical texts of the scalar at a dotted path, or of the scalars of the array there. */
export function valuesAt(payload: JsonValue, path: string): string[] {
  let value: JsonValue | undefined = payload;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, key)) return [];
    value = value[key];
  }
  if (!Array.isArray(value)) return value !== undefined && isScalar(value) ? [canonicalText(value)] : [];
  const scalars = value.slice(0, ELEMENTS_MAX).filter(isScalar);
  return [...new Set(scalars.map((one) => canonicalText(one)))];
}
