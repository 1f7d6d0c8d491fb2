import { BSON, type Collection, type Db, MongoError, MongoInvalidArgumentError, MongoServerError } from "mongodb";
import { StoreError } from "../port.js";
import { DUPLICATE_KEY, messageOf } from "./errors.js";
import type { EventRow } from "./event-row.js";

/** Counting so many takes well under a second. */
const COUNT_ROWS_MAX = 500_000;

const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;
/** Server errors that are about what a document holds; every other one is about the server. */
const CONTENT_REFUSED = new Set([
  2, // BadValue
  9, // FailedToParse
  15, // Overflow: nested too deeply
  22, // InvalidBSON
  52, // DollarPrefixedFieldName
  57, // DottedFieldName
  10334, // BSONObjectTooLarge
]);

/** Told of an event whose native payload MongoDB does not take; it is stored without, and read back all the same. */
export type OnRefused = (sequence: number, reason: string) => void;

/**
 * Inserts rows in order. A row that is there already with the same hash (a crash came between the insert and the
 * bookkeeping) is skipped. Throws StoreError `conflict` when it has another hash, and driver errors as they are.
 */
export async function insertRows(
  collection: Collection<EventRow>,
  rows: readonly EventRow[],
  { db, onRefused }: { readonly db: Db; readonly onRefused: OnRefused },
): Promise<void> {
  let rest = [...rows];
  while (rest.length > 0) {
    const failed = await tryInsert(db, collection, rest);
    if (failed === null) return;
    rest = rest.slice(failed.index);
    if (failed.why === "duplicate") rest = await withoutStored(collection, rest);
    else if (failed.why === "command_refused" && rest.length > 1) {
      // Nobody says which row it was, or all are sound and only too large together: each half is tried by itself.
      const middle = Math.ceil(rest.length / 2);
      await insertRows(collection, rest.slice(0, middle), { db, onRefused });
      rest = rest.slice(middle);
    } else {
      const [row] = rest;
      if (row?.dataPayload === undefined) throw failed.error;
      onRefused(row._id, messageOf(failed.error));
      delete row.dataPayload;
    }
  }
}

interface FailedInsert {
  /** The first row that was not inserted. */
  readonly index: number;
  readonly why: "duplicate" | "row_refused" | "command_refused";
  readonly error: unknown;
}

/** The command itself: `insertMany` measures each row before it encodes it, which takes half as long again. */
async function tryInsert(db: Db, collection: Collection<EventRow>, rows: EventRow[]): Promise<FailedInsert | null> {
  let answer: BSON.Document;
  try {
    const insert = { insert: collection.collectionName, documents: rows, ordered: true, writeConcern: { w: 1 } };
    answer = await db.command(insert, { ignoreUndefined: true });
  } catch (error) {
    if (error instanceof MongoServerError && CONTENT_REFUSED.has(Number(error.code)))
      return { index: 0, why: "command_refused", error };
    // The driver could not encode the command: for a value in some row, or because all of them are too much for its
    // buffer. Thrown on, the latter would come again with each retry of the same rows.
    if (!(error instanceof MongoError) || error instanceof MongoInvalidArgumentError) {
      if (rows.length > 1) return { index: 0, why: "command_refused", error };
      if (!rows.every(isEncodable)) return { index: 0, why: "row_refused", error };
    }
    throw error;
  }
  const [first] = (answer.writeErrors ?? []) as { index: number; code: number; errmsg?: string }[];
  if (first === undefined && answer.writeConcernError === undefined) return null;
  const error = new MongoServerError(first ?? answer.writeConcernError);
  if (first?.code === DUPLICATE_KEY) return { index: first.index, why: "duplicate", error };
  if (first !== undefined && CONTENT_REFUSED.has(first.code)) return { index: first.index, why: "row_refused", error };
  throw error;
}

function isEncodable(row: EventRow): boolean {
  try {
    return BSON.serialize(row, { ignoreUndefined: true }).length <= DOCUMENT_BYTES_MAX;
  } catch {
    return false;
  }
}

async function withoutStored(collection: Collection<EventRow>, rows: EventRow[]): Promise<EventRow[]> {
  const range = { _id: { $gte: rows[0]?._id ?? 0, $lte: rows.at(-1)?._id ?? 0 } };
  const stored = await collection.find(range, { projection: { hash: 1 } }).toArray();
  const hashes = new Map(stored.map(({ _id, hash }) => [_id, hash]));
  return rows.filter((row) => {
    const hash = hashes.get(row._id);
    if (hash === undefined) return true;
    if (hash !== row.hash)
      throw new StoreError("conflict", `Event ${row._id} is in the projection with another hash (${hash}).`);
    return false;
  });
}

/**
 * The first sequence at or above `from` that is missing. Rows are written in order and the journal keeps that order,
 * so a crash takes the newest ones only; a row that someone deleted shows here too, if it is above `from`.
 */
export async function firstMissing(collection: Collection<EventRow>, from: number): Promise<number> {
  const newest = await collection.findOne({ _id: { $gte: from } }, { sort: { _id: -1 }, projection: { _id: 1 } });
  const end = Math.min(Math.floor(newest?._id ?? -1) + 1, Number.MAX_SAFE_INTEGER);
  const isWhole = async (low: number, high: number): Promise<boolean> =>
    (await collection.countDocuments({ _id: { $gte: low, $lt: high } })) === high - low;
  let whole = from;
  while (whole < end) {
    const high = Math.min(whole + COUNT_ROWS_MAX, end);
    if (!(await isWhole(whole, high))) return searchHole(whole, high, isWhole);
    whole = high;
  }
  return whole;
}

/** [low, high) has a hole: its first missing number. `[low, x)` is whole up to that x and for none beyond. */
async function searchHole(
  low: number,
  high: number,
  isWhole: (low: number, high: number) => Promise<boolean>,
): Promise<number> {
  let whole = low;
  let broken = high;
  while (broken - whole > 1) {
    const middle = Math.floor((whole + broken) / 2);
    if (await isWhole(whole, middle)) whole = middle;
    else broken = middle;
  }
  return whole;
}
