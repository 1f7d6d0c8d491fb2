import { Binary, type BSON, type Collection, type Db } from "mongodb";
import { concat, equalBytes } from "../../../shared/bytes.js";
import { WIDE } from "../../../shared/log/filter.js";
import type { Run } from "../../../shared/log/index.js";
import { type EntryQuery, type FoundEntry, type IndexEntry, indexLost, type StoredEntry } from "../port.js";
import { entryId, heightOf } from "./entry-ids.js";

/** The entry of a block, in the collection `blocks`. */
export interface EntryDocument {
  /** The height below zero. */
  readonly _id: number;
  readonly first: number;
  readonly count: number;
  readonly sealedAt: number;
  readonly blockHash: string;
  /** That of its block: one insert writes both. */
  readonly writeId: string;
  /** Names, keys and own terms, one run after the other: int64, from 8 bytes big-endian. */
  readonly terms: readonly bigint[];
  /** How many terms each of the three runs has. */
  readonly runs: readonly [number, number, number];
  /** A table of u32 ends, one a term, counted from behind the table, and then the terms' places. */
  readonly places: Uint8Array;
  readonly times: Uint8Array;
}

/** What really comes out of the collection: it was written by us, or by someone with access to the database. */
export type FoundDocument = BSON.Document & { readonly _id: number };

/** The blocks' collection. Terms are read as bigint, every one: as numbers some would be two of them. */
export const entriesOf = (db: Db): Collection<FoundDocument> =>
  db.collection<FoundDocument>("blocks", { useBigInt64: true });

/**
 * Only entries have these fields, and no blocks. Hints name the indexes: the server takes no hint by fields of which it has two
 * indexes, and somebody may have made another one.
 */
export const TERMS_INDEX = {
  name: "terms_1__id_1",
  key: { terms: 1, _id: 1 },
  partialFilterExpression: { terms: { $exists: true } },
} as const;

export function termValue(term: Uint8Array): bigint {
  return new DataView(term.buffer, term.byteOffset, term.byteLength).getBigInt64(0);
}

function termBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value);
  return bytes;
}

// --- Whole entries ---------------------------------------------------------------------------------------------------

export function entryDocument(stored: StoredEntry, entry: IndexEntry, writeId: string): EntryDocument {
  const { height: at, first, count, sealedAt, blockHash } = stored;
  const { index, own } = entry;
  const runs = [index.names, index.keys, own];
  const terms = runs.flatMap((run) => run.terms.map(termValue));
  return {
    _id: entryId(at),
    first,
    count,
    sealedAt,
    blockHash,
    writeId,
    terms,
    runs: [index.names.terms.length, index.keys.terms.length, own.terms.length],
    places: encodePlaces(runs.flatMap((run) => run.places)),
    times: index.times,
  };
}

function encodePlaces(places: readonly Uint8Array[]): Uint8Array {
  const table = new Uint8Array(4 * places.length);
  const view = new DataView(table.buffer);
  let end = 0;
  for (const [i, bytes] of places.entries()) {
    end += bytes.length;
    view.setUint32(4 * i, end);
  }
  return concat(table, ...places);
}

/** The entry as it is stored; what has lost its shape is null. */
export function storedEntry(document: FoundDocument): StoredEntry {
  const { first, count, sealedAt, blockHash } = document;
  const entry = indexEntry(document);
  return {
    height: heightOf(document),
    first: isCount(first) ? first : -1,
    count: isCount(count) ? count : -1,
    sealedAt: typeof sealedAt === "number" ? sealedAt : -1,
    blockHash: typeof blockHash === "string" ? blockHash : "",
    ...(typeof entry === "string" ? { entry: null, broken: entry } : { entry }),
  };
}

/** Or the name of a member that has lost its shape. */
function indexEntry({ terms, runs, places, times }: FoundDocument): IndexEntry | NonNullable<StoredEntry["broken"]> {
  if (!isRuns(runs)) return "runs";
  const [names, keys, own] = runs;
  if (!isTerms(terms) || names + keys + own !== terms.length) return "terms";
  const all = places instanceof Binary ? decodePlaces(bytesOf(places), terms.length) : null;
  if (all === null) return "places";
  if (!(times instanceof Binary)) return "times";
  const run = (from: number, to: number): Run => ({
    terms: terms.slice(from, to).map(termBytes),
    places: all.slice(from, to),
  });
  return {
    index: { names: run(0, names), keys: run(names, names + keys), times: bytesOf(times) },
    own: run(names + keys, terms.length),
  };
}

function decodePlaces(bytes: Uint8Array, count: number): Uint8Array[] | null {
  const places: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const one = placesAt(bytes, count, i);
    if (one === null) return null;
    places.push(one);
  }
  const length = places.reduce((sum, one) => sum + one.length, 4 * count);
  return length === bytes.length ? places : null;
}

/** The places of the term at `i`; null where the table does not say them. */
function placesAt(bytes: Uint8Array, count: number, i: number): Uint8Array | null {
  if (bytes.length < 4 * count) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const from = 4 * count + (i === 0 ? 0 : view.getUint32(4 * (i - 1)));
  const to = 4 * count + view.getUint32(4 * i);
  return from <= to && to <= bytes.length ? bytes.subarray(from, to) : null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRuns = (value: unknown): value is readonly [number, number, number] =>
  Array.isArray(value) && value.length === 3 && value.every(isCount);
const isTerms = (value: unknown): value is readonly bigint[] =>
  Array.isArray(value) && value.every((one) => typeof one === "bigint");

/** A copy, so that a small field does not keep the driver's whole answer in memory. */
const bytesOf = (value: Binary): Uint8Array => new Uint8Array(value.value());

// --- As far as a filter asks -----------------------------------------------------------------------------------------

/** Without places and times. */
export const ENTRY_FIELDS = { first: 1, count: 1, sealedAt: 1 } as const;

type Asked = Pick<EntryQuery, "names" | "own" | "wantsTimes">;

const runLength = (i: number): BSON.Document => ({ $arrayElemAt: ["$runs", i] });
const OWN_FROM = { $add: [runLength(0), runLength(1)] };

/**
 * Whether an entry has one of these terms, looked for in their run only: a block of a thousand keyed events has a
 * thousand keys between its few names and its own terms.
 */
export function hasOneOf(group: readonly Uint8Array[]): BSON.Document {
  const isOwn = group.some((term) => equalBytes(term, WIDE));
  const [from, length] = isOwn ? [OWN_FROM, runLength(2)] : [0, runLength(0)];
  const run = { $slice: ["$terms", from, { $max: [1, length] }] };
  return { $ne: [{ $setIntersection: [run, group.map(termValue)] }, []] };
}

/** The places of all terms, and which of them are wanted: far less than the terms themselves. */
export function projectionOf({ names, own, wantsTimes }: Asked): BSON.Document {
  const inNames = (term: Uint8Array) => ({ $indexOfArray: ["$terms", termValue(term), 0, runLength(0)] });
  const inOwn = (term: Uint8Array) => ({
    $indexOfArray: ["$terms", termValue(term), OWN_FROM, { $add: [OWN_FROM, runLength(2)] }],
  });
  return {
    ...ENTRY_FIELDS,
    wide: inOwn(WIDE),
    ...(names.length + own.length === 0
      ? {}
      : { places: 1, terms: { $size: "$terms" }, names: names.map(inNames), own: own.map(inOwn) }),
    ...(wantsTimes ? { times: 1 } : {}),
  };
}

/** Throws `index_lost` for an entry without the shape of one: it may be one that should have been found. */
export function foundEntry(document: FoundDocument, asked?: Asked): FoundEntry {
  const { first, count, sealedAt } = document;
  const at = heightOf(document);
  if (at === 0 || !isCount(first) || !isCount(count) || typeof sealedAt !== "number") throw indexLost();
  const place = { height: at, first, count, sealedAt };
  if (asked === undefined) return { ...place, isWide: false, placesOf: () => null, times: NOTHING };
  const found = new Map<string, Uint8Array>();
  for (const run of ["names", "own"] as const)
    for (const [i, term] of asked[run].entries()) {
      const index: unknown = document[run]?.[i];
      if (index === -1) continue;
      const places = document.places instanceof Binary ? document.places.value() : NOTHING;
      const one = isCount(index) && isCount(document.terms) ? placesAt(places, document.terms, index) : null;
      if (one === null) throw indexLost();
      found.set(nameOf(term, run), one.slice());
    }
  if (asked.wantsTimes && !(document.times instanceof Binary)) throw indexLost();
  return {
    ...place,
    isWide: document.wide !== -1,
    placesOf: (term, run) => found.get(nameOf(term, run)) ?? null,
    times: asked.wantsTimes ? bytesOf(document.times) : NOTHING,
  };
}
const NOTHING = new Uint8Array(0);
const nameOf = (term: Uint8Array, run: string): string => `${run} ${termValue(term)}`;

/** The terms of a part of an entry. Throws `index_lost` for what is none. */
export function termsOf({ terms }: FoundDocument): Uint8Array[] {
  if (!isTerms(terms)) throw indexLost();
  return terms.map(termBytes);
}
