import type { Db } from "mongodb";
import { BLOCK_EDITS, type Blocks, blocksOf, editAll } from "./edits.js";
import type { Target } from "./places.js";

/** What is done, and what an alert has to say of it. */
export interface TamperCase {
  readonly what: string;
  /** One of these. */
  readonly kinds: readonly string[];
  readonly fields: readonly string[];
  /** Which blocks: a new one, the oldest ones, or hundreds. */
  readonly where: "recent" | "oldest" | "many" | "none";
  /** The alert names the event. */
  readonly namesEvent: boolean;
  readonly isOnDetail?: string;
  readonly act: (db: Db, targets: readonly [first: Target, last: Target]) => Promise<unknown>;
}

const onBlock = (where: "recent" | "oldest"): TamperCase[] =>
  BLOCK_EDITS.map(({ what, kind, fields, act }) => ({
    ...{ what, kinds: [kind], where, namesEvent: true },
    // An alert shows the first differences, and of a whole block there are more.
    fields: what.startsWith("a whole document") ? fields.slice(0, 1) : fields,
    act: (db, [first]) => act(blocksOf(db), first.height),
  }));

const onEntries = (where: "recent" | "oldest"): TamperCase[] => [
  {
    ...{ what: "an index entry without its terms", kinds: ["index_differs"], fields: [], where, namesEvent: true },
    act: (db, [first]) => blocksOf(db).updateOne({ _id: -first.height }, { $set: { terms: [] } }),
  },
  {
    ...{ what: "an index entry that is deleted", kinds: ["index_differs"], fields: [], where, namesEvent: true },
    act: (db, [first]) => blocksOf(db).deleteOne({ _id: -first.height }),
  },
];

async function copyTo(blocks: Blocks, from: number, _id: string): Promise<void> {
  const document = await blocks.findOne({ _id: from });
  if (document !== null) await blocks.insertOne({ ...document, _id });
}

const none = { where: "none", fields: [], namesEvent: false } as const;

/** One after the other, so that what is found of one is not taken for another; those that touch most come last. */
export const TAMPER_CASES: readonly TamperCase[] = [
  ...onBlock("recent"),
  ...onBlock("oldest"),
  ...onEntries("recent"),
  ...onEntries("oldest"),
  {
    ...{ ...none, what: "a document that no block can be", kinds: ["forged"], isOnDetail: "with the id evil" },
    act: (db) => copyTo(blocksOf(db), 2, "evil"),
  },
  {
    ...{ ...none, what: "evidence that is deleted", kinds: ["state_altered"], isOnDetail: "evidence" },
    act: (db) => db.collection("quarantine").deleteMany({}),
  },
  {
    ...{ ...none, what: "a term that is changed", kinds: ["state_altered"], isOnDetail: "term and vote" },
    act: (db) => db.collection("state").updateOne({}, { $inc: { "hard.term": 5 } }),
  },
  {
    ...{ what: "thousands of payloads", kinds: ["payload_modified"], fields: [], where: "many", namesEvent: true },
    act: (db, [first, last]) => editAll(blocksOf(db), [first.height, last.height]),
  },
  {
    // Under load new blocks come above what was cut off.
    ...{ what: "a tail that is cut off", kinds: ["truncated_tail", "missing"], fields: [], where: "recent" },
    namesEvent: false,
    act: (db, [first]) => blocksOf(db).deleteMany({ _id: { $gte: first.height } }),
  },
];
