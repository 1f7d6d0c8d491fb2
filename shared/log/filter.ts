import { fromUtf8 } from "../bytes.js";
import { canonicalText, type JsonValue } from "../canonical.js";
import { compareInstants, type Instant, instantOf } from "../timestamp.js";
import type { ReadEvent } from "./event.js";
import {
  coverOf,
  decodeTimes,
  pairValue,
  payloadValue,
  positionsOf,
  prefixesOf,
  type TermHash,
  termHash,
  timeValue,
  valuesAt,
} from "./index.js";

/** Which events are wanted: those that meet every condition. */
export interface EventFilter {
  readonly eventType?: string;
  readonly sourceAppId?: string;
  /** Types that begin with this and a dot. */
  readonly typePrefix?: string;
  /** Values at indexed paths of the payload: any of the canonical texts. */
  readonly payload?: readonly { readonly path: string; readonly texts: readonly string[] }[];
  /** The event's own timestamp: from and to inclusive, before exclusive. */
  readonly timestampFrom?: Instant;
  readonly timestampTo?: Instant;
  readonly timestampBefore?: Instant;
  /** `recordedAt`: since inclusive, until exclusive. */
  readonly recordedSince?: Instant;
  readonly recordedUntil?: Instant;
}

/** Whether an event meets every condition: the word that counts, which entries only give sooner. */
export function matches(event: ReadEvent, filter: EventFilter): boolean {
  const { record } = event;
  if (filter.eventType !== undefined && record.eventType !== filter.eventType) return false;
  if (filter.sourceAppId !== undefined && record.sourceAppId !== filter.sourceAppId) return false;
  if (filter.typePrefix !== undefined && !prefixesOf(record.eventType).includes(filter.typePrefix)) return false;
  if (!isInTimes(record.timestamp, filter) || !isRecordedIn(record.recordedAt, filter)) return false;
  const { payload = [] } = filter;
  if (payload.length === 0) return true;
  if (event.isErased === true) return false;
  const value = event.payloadValue ?? (JSON.parse(fromUtf8(event.payload)) as JsonValue);
  return payload.every(({ path, texts }) => valuesAt(value, path).some((text) => texts.includes(text)));
}

/** Whether an event's own timestamp is in a filter's range; as text, or its instant. */
export const isInTimes = (timestamp: string | Instant, filter: TimesFilter): boolean =>
  isWithin(timestamp, { from: filter.timestampFrom, to: filter.timestampTo, before: filter.timestampBefore });
/** Whether `recordedAt` is in a filter's range. */
export const isRecordedIn = (recordedAt: string, { recordedSince, recordedUntil }: EventFilter): boolean =>
  isWithin(recordedAt, { from: recordedSince, before: recordedUntil });
export type TimesFilter = Pick<EventFilter, "timestampFrom" | "timestampTo" | "timestampBefore">;

interface Range {
  readonly from?: Instant | undefined;
  readonly to?: Instant | undefined;
  readonly before?: Instant | undefined;
}

function isWithin(time: string | Instant, { from, to, before }: Range): boolean {
  if (from === undefined && to === undefined && before === undefined) return true;
  const at = typeof time === "string" ? instantOf(time) : time;
  // What is no instant is in no range.
  if (at === null) return false;
  if (from !== undefined && compareInstants(at, from) < 0) return false;
  if (to !== undefined && compareInstants(at, to) > 0) return false;
  return before === undefined || compareInstants(at, before) < 0;
}

/** A value that is looked up: its term, what tells it from others of that term. */
export interface TermQuery {
  /** 8 bytes. */
  readonly term: Uint8Array;
  readonly check: Uint8Array;
}

/** One condition on an entry: any of the values. */
export interface Condition {
  readonly values: readonly TermQuery[];
  /** An entry that has the term `wide` says nothing of this condition. */
  readonly isOwn: boolean;
}

/** What a filter asks of entries. */
export interface Plan {
  readonly filter: EventFilter;
  readonly conditions: readonly Condition[];
  /** An entry has at least one term of each group, or its block has no hit. Without a group every block is found. */
  readonly groups: readonly (readonly Uint8Array[])[];
  /** The range in whole milliseconds: what is outside of it is not in the filter's. */
  readonly millis: { readonly from: number; readonly to: number } | null;
  /** Entries' `sealedAt` in milliseconds: from inclusive, before exclusive. */
  readonly sealedFrom: number | null;
  readonly sealedBefore: number | null;
}

export const WIDE = termHash("wide", "").subarray(0, 8);

/** The first and the last millisecond that an RFC 3339 text can stand for, offsets included. */
const MILLIS_MIN = -62_167_305_600_000;
const MILLIS_MAX = 253_402_387_199_999;

export function planOf(filter: EventFilter, hash: TermHash = termHash): Plan {
  const value = (bytes: Uint8Array): TermQuery => ({ term: bytes.subarray(0, 8), check: bytes.subarray(8) });
  const one = (bytes: Uint8Array, isOwn: boolean): Condition => ({ values: [value(bytes)], isOwn });
  const { eventType, sourceAppId, typePrefix, payload = [] } = filter;
  const conditions: Condition[] = [];
  if (eventType !== undefined) conditions.push(one(hash("type", eventType), false));
  if (sourceAppId !== undefined) conditions.push(one(hash("source", sourceAppId), false));
  if (typePrefix !== undefined) conditions.push(one(hash("prefix", typePrefix), true));
  for (const { path, texts } of payload)
    conditions.push({ values: texts.map((text) => value(hash("payload", payloadValue(path, text)))), isOwn: true });
  const groups = conditions.map(({ values, isOwn }) => [...values.map(({ term }) => term), ...(isOwn ? [WIDE] : [])]);
  // Both at once: the pair has a term of its own, so that blocks in which the two never meet are not looked at.
  if (eventType !== undefined && sourceAppId !== undefined)
    groups.splice(0, 2, [hash("pair", pairValue(eventType, sourceAppId)).subarray(0, 8), WIDE]);
  const millis = millisOf(filter);
  if (millis !== null) {
    const slots = millis.from > millis.to ? [] : coverOf(millis.from, millis.to);
    groups.push([...slots.map(({ level, slot }) => hash("time", timeValue(level, slot)).subarray(0, 8)), WIDE]);
  }
  return {
    filter,
    conditions,
    groups,
    millis,
    ...sealedRangeOf(filter),
  };
}

export const sealedRangeOf = (filter: EventFilter): Pick<Plan, "sealedFrom" | "sealedBefore"> => ({
  sealedFrom: firstMillis(filter.recordedSince),
  sealedBefore: firstMillis(filter.recordedUntil),
});

/** The first whole millisecond that is not before the instant. */
const firstMillis = (at: Instant | undefined): number | null =>
  at === undefined ? null : at.millis + (at.rest === "" ? 0 : 1);

function millisOf({ timestampFrom, timestampTo, timestampBefore }: EventFilter): Plan["millis"] {
  if (timestampFrom === undefined && timestampTo === undefined && timestampBefore === undefined) return null;
  const before = timestampBefore === undefined ? MILLIS_MAX : (firstMillis(timestampBefore) as number) - 1;
  return {
    from: Math.max(timestampFrom?.millis ?? MILLIS_MIN, MILLIS_MIN),
    to: Math.min(timestampTo?.millis ?? MILLIS_MAX, before, MILLIS_MAX),
  };
}

/** What is looked at of one entry. */
export interface EntryView {
  /** Events in the block. */
  readonly count: number;
  readonly isWide: boolean;
  /** The places of a term in a run; null if the run does not have it. */
  placesOf(term: Uint8Array, run: "names" | "own"): Uint8Array | null;
  readonly times: Uint8Array;
}

export interface Hits {
  /** Positions in the block, ascending. */
  readonly sure: readonly number[];
  /** Whether the events there meet the filter only they can tell. */
  readonly unsure: readonly number[];
}

/**
 * Which events of a block a plan finds. The range of `sealedAt` is the caller's: it holds for whole blocks. Throws
 * RangeError on a damaged entry.
 */
export function hitsOf({ conditions, millis, filter }: Plan, entry: EntryView): Hits {
  let positions: readonly number[] | null = null;
  let isUnsure = false;
  for (const { values, isOwn } of conditions) {
    if (isOwn && entry.isWide) {
      isUnsure = true;
      continue;
    }
    const found = new Set<number>();
    for (const { term, check } of values) {
      const places = entry.placesOf(term, isOwn ? "own" : "names");
      for (const position of places === null ? [] : positionsOf(places, check)) found.add(position);
    }
    positions = positions === null ? [...found].sort((a, b) => a - b) : positions.filter((at) => found.has(at));
    if (positions.length === 0) return NO_HITS;
  }
  if (positions !== null && (positions.at(-1) as number) >= entry.count)
    throw new RangeError("the places of an index entry are damaged");
  positions ??= Array.from({ length: entry.count }, (_, i) => i);
  if (millis === null) return isUnsure ? { sure: [], unsure: positions } : { sure: positions, unsure: [] };
  const times = decodeTimes(entry.times, entry.count);
  const within = positions.filter((i) => (times[i] as number) >= millis.from && (times[i] as number) <= millis.to);
  if (isUnsure) return { sure: [], unsure: within };
  const isAtBound = (i: number): boolean => isUndecided(times[i] as number, filter);
  return { sure: within.filter((i) => !isAtBound(i)), unsure: within.filter(isAtBound) };
}
const NO_HITS: Hits = { sure: [], unsure: [] };

/** An entry knows whole milliseconds: within the one of a bound, the digits beyond it decide. */
function isUndecided(millis: number, { timestampFrom, timestampTo, timestampBefore }: EventFilter): boolean {
  return (
    (timestampFrom?.millis === millis && timestampFrom.rest !== "") ||
    timestampTo?.millis === millis ||
    (timestampBefore?.millis === millis && timestampBefore.rest !== "")
  );
}

/** The canonical texts that a parameter's text can stand for: the text itself, and a number, true, false or null of that spelling. */
export function payloadTexts(text: string): string[] {
  const texts = [canonicalText(text)];
  try {
    const value = JSON.parse(text) as unknown;
    if (value === null || typeof value === "boolean" || typeof value === "number") texts.push(canonicalText(value));
  } catch {
    // Then it is a text and nothing else.
  }
  return texts;
}
