import type { BSON } from "mongodb";
import { type Height, height } from "../../../shared/ids.js";
import type { PlaceInLog } from "../integrity-port.js";

/**
 * Blocks and entries stand in one collection, because one ordered command can insert both only there. A block's id is its
 * height, from 1; its entry's id is the same below zero. So whoever asks for ids of blocks meets no entry, and the other
 * way round.
 */
export const entryId = (at: number): number => 0 - at;

/** The height of what really stands there: 0 if the id is none of an entry's. One that somebody wrote as a 64-bit integer is a bigint. */
export function heightOf({ _id }: { readonly _id: number }): Height {
  const at = 0 - Number(_id);
  return height(Number.isSafeInteger(at) && at > 0 ? at : 0);
}

/**
 * The document that says that the index is whole. It is the lowest of all: a delete of whatever is below zero takes it
 * first, so that no look-up meets a whole index without entries.
 */
export const MARKER_ID = Number.MIN_SAFE_INTEGER;

/** A condition on ids: entries of heights from `from` to `to`, both inclusive; never the marker. */
export const entriesBetween = (from: number, to = Number.POSITIVE_INFINITY): { $gt: number; $lte: number } => ({
  $gt: Math.max(MARKER_ID, entryId(to + 1)),
  $lte: entryId(Math.max(1, from)),
});

const IS_WHOLE = { $eq: ["$_id", { $trunc: "$_id" }] };
/** A condition on numbers: they are whole ones. */
export const WHOLE_IDS = { _id: { $type: ["int", "long", "double"] }, $expr: IS_WHOLE };
const wholeIds = (bounds: BSON.Document): BSON.Document => ({ ...bounds, $type: ["int", "long", "double"] });

/** A condition on blocks from a height on: what somebody has put between two heights, or beyond all, is none. */
export const blocksFrom = (from: number, to = Number.MAX_SAFE_INTEGER): BSON.Document => ({
  _id: wholeIds({ $gte: Math.max(1, from), $lte: to }),
  $expr: IS_WHOLE,
});

/** The same where a block is found by what its header says: one that stands beside the place that it names is nobody's. */
export const blocksInPlace = (from: number, to: number): BSON.Document => ({
  ...blocksFrom(from, to),
  $expr: { $and: [IS_WHOLE, { $eq: ["$_id", "$header.height"] }] },
});

/** A condition on entries, as `entriesBetween`, and on what else is asked of them: what has a fraction for its id is none. */
export const wholeEntries = (from: number, to?: number, ...others: BSON.Document[]): BSON.Document => ({
  _id: wholeIds(entriesBetween(from, to)),
  $expr: others.length === 0 ? IS_WHOLE : { $and: [IS_WHOLE, ...others] },
});

/** The order of entries by height. */
export const inOrder = (order: "asc" | "desc"): { readonly _id: 1 | -1 } => ({ _id: order === "asc" ? -1 : 1 });

/** What stands under an id in the collection of blocks: by the id alone. */
export function placeOfId(id: unknown): PlaceInLog {
  if (id === MARKER_ID) return { kind: "marker" };
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id === 0) return { kind: "other" };
  return id > 0 ? { kind: "block", at: height(id) } : { kind: "entry", at: heightOf({ _id: id }) };
}
