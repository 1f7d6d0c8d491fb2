import { randomUUID } from "node:crypto";
import type { Db } from "mongodb";
import { poll } from "../../lib/processes.js";
import { BLOCK_EDITS, type Blocks, blocksOf, editPayload, RANGE_EDITS } from "./edits.js";
import type { Target } from "./places.js";

/** On which nodes it is done: two are the leader and a follower, so that one of three has a sound copy. */
export type Role = "follower" | "leader" | "two";

/** Which blocks: a new one, one of the oldest, many of a hundred events each, or many of one event each. */
export type Where = "recent" | "oldest" | "many recent" | "many oldest" | "many of one event" | "none";

/** What is done, and what an alert has to say of it. */
export interface TamperCase {
  readonly what: string;
  /** One of these. */
  readonly kinds: readonly string[];
  readonly fields: readonly string[];
  readonly where: Where;
  readonly roles: readonly Role[];
  /** The alert names the first event and the last one. */
  readonly namesEvent: boolean;
  readonly isOnDetail?: string;
  /** The clients stop, and go on when it is found. */
  readonly isQuiet?: true;
  readonly act: (db: Db, targets: readonly [first: Target, last: Target], node: string) => Promise<unknown>;
  /** Takes away what would be found again for ever, or waits until the node has made it good. */
  readonly undo?: (db: Db) => Promise<unknown>;
}

const ALL: readonly Role[] = ["follower", "leader", "two"];

const onBlock = (where: "recent" | "oldest"): TamperCase[] =>
  BLOCK_EDITS.map(({ what, kind, fields, act }) => ({
    ...{ what, kinds: [kind], where, roles: ALL, namesEvent: true },
    // More fields of a whole block differ than an alert shows beside those of other blocks: which, integration tests look at.
    fields: what.startsWith("a whole document") ? [] : fields,
    act: (db, [first]) => act(blocksOf(db), first.height),
  }));

const onEntries = (where: "recent" | "oldest"): TamperCase[] => [
  {
    ...{
      what: "an index entry without its terms",
      kinds: ["index_differs"],
      fields: ["entry.terms"],
      where,
      namesEvent: true,
    },
    roles: ALL,
    act: (db, [first]) => blocksOf(db).updateOne({ _id: -first.height }, { $set: { terms: [] } }),
  },
  {
    ...{ what: "an index entry that is deleted", kinds: ["index_differs"], fields: ["entry"], where, namesEvent: true },
    roles: ALL,
    act: (db, [first]) => blocksOf(db).deleteOne({ _id: -first.height }),
  },
];

const THOUSANDS = ["many oldest", "many recent", "many of one event"] as const;

const onMany = (where: (typeof THOUSANDS)[number]): TamperCase[] =>
  RANGE_EDITS.map(({ what, kind, fields, act }) => ({
    ...{ what, kinds: [kind], fields, where, roles: ALL, namesEvent: true },
    act: (db, [first, last]) => act(blocksOf(db), [first.height, last.height]),
  }));

const isOfIndex = ({ kinds }: TamperCase): boolean => kinds.includes("index_differs");

async function copyTo(blocks: Blocks, from: number, _id: string): Promise<void> {
  const document = await blocks.findOne({ _id: from });
  if (document !== null) await blocks.insertOne({ ...document, _id });
}

/** Only what the node asks for to see changes, and all of it, fails in its mongod. */
const endWatch = (db: Db, node: string) =>
  db.client.db("admin").command({
    configureFailPoint: "failCommand",
    mode: "alwaysOn",
    data: {
      failCommands: ["aggregate", "getMore"],
      appName: `quorumlog-${node}-integrity`,
      errorCode: OPERATION_FAILED,
    },
  });
const OPERATION_FAILED = 96;

const cutOff: TamperCase["act"] = (db, [first]) => blocksOf(db).deleteMany({ _id: { $gte: first.height } });

/** What was written since the copy was made is gone. */
const exchangeAll: TamperCase["act"] = async (db, [first]) => {
  const copy: Blocks = db.collection(COPY);
  await blocksOf(db)
    .aggregate([{ $out: COPY }])
    .toArray();
  await editPayload(copy, first.height);
  await copy.aggregate([{ $out: "blocks" }]).toArray();
};
const COPY = "altered copy";

const MARKER = Number.MIN_SAFE_INTEGER;
const INDEX = "what says that the index of this node is whole";
const MADE_ANEW_WITHIN_MS = 120_000;

/** What comes next would be done to an index that is being made. */
const madeAnew = (db: Db) =>
  poll(async () => (await blocksOf(db).findOne({ _id: MARKER, "terms.0": { $exists: true } })) ?? undefined, {
    withinMs: MADE_ANEW_WITHIN_MS,
    everyMs: 200,
  });

const none = { where: "none", fields: [], namesEvent: false } as const;

/** One after the other, so that what is found of one is not taken for another; those that touch most come last. */
export const TAMPER_CASES: readonly TamperCase[] = [
  ...onEntries("recent"),
  ...onEntries("oldest"),
  // A lost index waits at a block that was altered until that is repaired: so it is lost before any is.
  ...THOUSANDS.flatMap(onMany).filter(isOfIndex),
  {
    ...{ ...none, what: "what the index says of itself, deleted", kinds: ["index_differs"], isOnDetail: INDEX },
    roles: ALL,
    act: (db) => blocksOf(db).deleteOne({ _id: MARKER }),
    undo: madeAnew,
  },
  {
    ...{ ...none, what: "an index that is deleted whole", kinds: ["index_differs"], isOnDetail: INDEX },
    roles: ALL,
    act: (db) => blocksOf(db).deleteMany({ _id: { $lt: 0 } }),
    undo: madeAnew,
  },
  ...onBlock("recent"),
  ...onBlock("oldest"),
  {
    ...{ ...none, what: "a document that no block can be", kinds: ["forged"], isOnDetail: "with the id evil" },
    roles: ALL,
    // What has been told once is not told again.
    act: (db) => copyTo(blocksOf(db), 2, `evil ${randomUUID()}`),
    undo: (db) => blocksOf(db).deleteMany({ _id: /^evil / }),
  },
  {
    ...{
      ...none,
      what: "a page of anchors that is deleted",
      kinds: ["state_altered"],
      isOnDetail: "anchors is deleted",
    },
    roles: ALL,
    act: (db) => db.collection("anchors").deleteOne({}),
  },
  {
    ...{ ...none, what: "alerts that are deleted", kinds: ["state_altered"], isOnDetail: "alerts were deleted" },
    roles: ALL,
    act: (db) => db.collection("alerts").deleteMany({}),
  },
  {
    ...{ ...none, what: "evidence that is deleted", kinds: ["state_altered"], isOnDetail: "evidence was deleted" },
    roles: ALL,
    act: (db) => db.collection("quarantine").deleteMany({}),
  },
  {
    ...{ ...none, what: "a term that is changed", kinds: ["state_altered"], isOnDetail: "term and vote" },
    roles: ALL,
    act: (db) => db.collection("state").updateOne({}, { $inc: { "hard.term": 5 } }),
  },
  ...THOUSANDS.flatMap(onMany).filter((one) => !isOfIndex(one)),
  {
    ...{ what: "all blocks, exchanged for an altered copy", kinds: ["payload_modified"], where: "recent" },
    ...{ fields: ["dataPayload.by.name"], namesEvent: true, roles: ALL, isQuiet: true },
    act: exchangeAll,
    undo: (db) => db.dropCollection(COPY),
  },
  {
    ...{ what: "a tail that is cut off while nobody writes", kinds: ["truncated_tail"], fields: [], where: "recent" },
    ...{ namesEvent: true, roles: ALL, isQuiet: true },
    act: cutOff,
  },
  {
    // New blocks come above what was cut off.
    ...{ what: "a tail that is cut off under load", kinds: ["truncated_tail", "missing"], fields: [], where: "recent" },
    ...{ namesEvent: false, roles: ALL },
    act: cutOff,
  },
  {
    ...{ ...none, what: "a watch that ends and cannot begin again", kinds: ["watch_down"], roles: ALL },
    isOnDetail: "changes cannot be watched",
    act: (db, _targets, node) => endWatch(db, node),
    undo: (db) => db.client.db("admin").command({ configureFailPoint: "failCommand", mode: "off" }),
  },
];
