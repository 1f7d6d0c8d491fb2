import { createHash } from "node:crypto";
import { Binary, type BSON, type Collection } from "mongodb";
import type { Height } from "../../../shared/ids.js";
import { textOfAny } from "../carried.js";
import { READ_BATCH_BLOCKS, type StoredDocument, storedBytes } from "./documents.js";
import type { FoundDocument } from "./entries.js";
import { entryId } from "./entry-ids.js";
import { isDuplicateKey } from "./errors.js";
import { unfit } from "./server.js";
import type { MongoState, Owner, Truncating } from "./state.js";
import { decoded, RAW } from "./undecoded.js";

/** Whole blocks kept in quarantine, newest first; older ones keep their headers. */
const QUARANTINE_BYTES_MAX = 64 * 1024 * 1024;
/** So many blocks are listed, copied and deleted in one round: only their names are held in memory, however long a tail is. */
const ROUND_BLOCKS_MAX = 1_000;
/** The server takes 16 MiB; what is said about a document has its place beside it. */
export const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 - 64 * 1024;
/** An alert that names its evidence is stored before. */
const UNTOLD_MS = 60_000;
/** When what was there already was found again: what names it as evidence may not be stored yet, as of what is new. */
const foundAgain = new Map<string, number>();
export const noteFoundAgain = (id: string): void => void foundAgain.set(id, Date.now());
/** Where thousands of documents are kept one after the other, what is old is reduced so often. */
export const REDUCED_EVERY_MS = 2_000;

/**
 * A block that was replaced or taken back, kept as evidence: `_id` = `<height>-<blockHash>`. Or, as `entry`, an index
 * entry that was not its block's: `<height>-entry-<hash>`.
 */
export interface QuarantinedDocument {
  readonly _id: string;
  readonly height: number;
  readonly hasBody: boolean;
  readonly bytes: number;
  readonly quarantinedAt: Date;
  /** Why: the leader and term whose blocks took its place. */
  readonly by: Truncating | null;
  readonly entry?: FoundDocument;
}

/** Where a truncation happens. */
interface Log {
  readonly blocks: Collection<StoredDocument>;
  readonly entries: Collection<FoundDocument>;
  readonly quarantine: Collection<QuarantinedDocument>;
  readonly alerts: Alerts;
  readonly state: MongoState;
}

/** What alerts say of their evidence. */
export type Alerts = Collection<{
  readonly _id: string;
  readonly evidence?: readonly string[];
  readonly status: string;
}>;

/** Copies, marks in the state and deletes, until nothing is left from the cut on. The mark stays. */
export async function runTruncation(log: Log, truncating: Truncating, self: Owner): Promise<void> {
  // An insert whose outcome was lost may arrive at any time: it is found, and copied, in the next round.
  const rounds = new Rounds();
  for (;;) {
    const listed = await listTop(log.blocks, truncating.from);
    const lowest = listed.at(-1);
    if (lowest === undefined) break;
    // Copied after it was listed, so that nothing is deleted without a copy.
    await quarantine(log, truncating, lowest._id);
    // The mark also proves that the database was still ours after the list was read: none of the listed blocks is a
    // successor's, and a successor finds the mark and deletes all of them before it stores any.
    await log.state.beginTruncation(truncating, self);
    rounds.end(listed[0]?._id, await deleteListed(log, listed));
  }
}

/** Names one insert of a block: a block that is stored at that height later has another `writeId`. */
interface BlockName {
  readonly _id: number;
  readonly writeId: unknown;
}

/** The blocks from `from` up, top down, as many as one round takes. */
async function listTop(blocks: Collection<StoredDocument>, from: Height): Promise<BlockName[]> {
  const found = blocks
    .find({ _id: { $gte: from } }, { projection: NAME })
    .sort({ _id: -1 })
    .limit(ROUND_BLOCKS_MAX)
    .batchSize(READ_BATCH_BLOCKS);
  return (await found.toArray()).map(({ _id, writeId }) => ({ _id, writeId }));
}

/**
 * Copies every block from `lowest` up to quarantine. Can be repeated. It need not wait for the journal: the mark that
 * is swapped into the state after it does, and the journal keeps the order.
 */
async function quarantine({ blocks, quarantine: into, alerts }: Log, by: Truncating, lowest: number): Promise<void> {
  for await (const stored of blocks
    .find({ _id: { $gte: lowest } }, RAW)
    .sort({ _id: 1 })
    .batchSize(READ_BATCH_BLOCKS)) {
    const document = decoded<StoredDocument>(stored);
    if (document === null) {
      await keepUndecoded(into, stored as unknown as Uint8Array, by);
      continue;
    }
    const { _id, writeId: _writeId, ...block } = document;
    const copy = { height: _id, hasBody: true, bytes: storedBytes(document), quarantinedAt: new Date(), by, ...block };
    await insertOnce(into, { ...copy, _id: `${_id}-${textOfAny(document.blockHash)}` });
  }
  await reduceOld(into, alerts);
}

/** What no driver can decode: its bytes. */
async function keepUndecoded(into: Collection<QuarantinedDocument>, bytes: Uint8Array, by: Truncating): Promise<void> {
  const digest = createHash("sha256").update(bytes).digest("hex");
  const hasBody = bytes.length <= DOCUMENT_BYTES_MAX;
  const kept = hasBody ? { document: { bson: new Binary(bytes) } } : { sha256: digest };
  const about = { height: by.from, hasBody, bytes: bytes.length, quarantinedAt: new Date(), by };
  await insertOnce(into, { ...kept, ...about, _id: `undecoded-${digest.slice(0, 32)}` });
}

/** False where one of that name is there. It is never written over: a watch takes that for somebody else's work. */
export async function insertOnce(
  into: Collection<QuarantinedDocument>,
  document: BSON.Document & { readonly _id: string },
): Promise<boolean> {
  try {
    await (into as unknown as Collection<BSON.Document & { _id: string }>).insertOne(document);
    return true;
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    return false;
  }
}

/**
 * What is older than the newest 64 MiB keeps only names, and headers of blocks; but for evidence of alerts that nobody has
 * resolved, and what is so new that its alert may not be stored yet.
 */
export async function reduceOld(
  into: Collection<QuarantinedDocument>,
  alerts: Alerts,
  now = Date.now(),
): Promise<void> {
  for (const [id, at] of foundAgain) if (now - at >= UNTOLD_MS) foundAgain.delete(id);
  // Without an index the server would sort whole blocks in memory, and has a limit there.
  await into.createIndex({ hasBody: 1, quarantinedAt: -1, height: -1, _id: -1 });
  let bytes = 0;
  const newestFirst = into
    .find({ hasBody: true }, { ...RAW, projection: { bytes: 1, by: 1, quarantinedAt: 1 } })
    .sort({ quarantinedAt: -1, height: -1, _id: -1 });
  let needed: Set<unknown> | null = null;
  for await (const found of newestFirst) {
    const known = decoded<QuarantinedDocument>(found);
    // Somebody has altered it: what it was evidence of is not known by it any more.
    if (known === null) continue;
    const { _id, bytes: size, by, quarantinedAt } = known;
    bytes += size;
    if (bytes <= QUARANTINE_BYTES_MAX) continue;
    if (by === null && (now - Number(quarantinedAt) < UNTOLD_MS || foundAgain.has(_id))) continue;
    needed ??= await neededBy(alerts);
    if (needed.has(_id)) continue;
    await into.updateOne(
      { _id },
      { $set: { hasBody: false }, $unset: { records: "", payloads: "", frontier: "", entry: "", document: "" } },
    );
  }
}

/** What alerts that nobody has resolved name as their evidence. */
async function neededBy(alerts: Alerts): Promise<Set<unknown>> {
  const needed = new Set<unknown>();
  const unresolved = { status: { $nin: ["ended", "resolved"] }, evidence: { $exists: true } };
  for await (const found of alerts.find(unresolved, { ...RAW, projection: { evidence: 1 } })) {
    const evidence: unknown = decoded<{ evidence: unknown }>(found)?.evidence;
    for (const name of Array.isArray(evidence) ? evidence : [evidence]) needed.add(name);
  }
  return needed;
}

/**
 * Deletes the listed blocks top down, each before its entry, so that a crash leaves a log without a hole, and nothing else: whoever is paused in
 * here and has lost the database meanwhile deletes none of the blocks that its successor stored at these heights, and
 * nor does a delete that arrives late.
 */
async function deleteListed({ blocks, entries }: Log, topDown: readonly BlockName[]): Promise<number> {
  let count = 0;
  for (const { _id, writeId } of topDown) {
    count += (await blocks.deleteOne({ _id, ...namedSo(writeId) })).deletedCount;
    await entries.deleteOne({ _id: entryId(_id), ...namedSo(writeId) });
  }
  return count;
}

/** Reads the name of an insert, if it is one. The server looks: what is there may be nothing that a driver can decode. */
export const NAME = {
  writeId: { $cond: [{ $eq: [{ $type: "$writeId" }, "string"] }, "$writeId", null] },
} as const;

/**
 * A condition on the name of an insert: by equality alone, as what somebody planted may be an operator. What is no text is
 * nobody's insert, and may have been read as something that it is not.
 */
export const namedSo = (writeId: unknown): BSON.Document => ({
  writeId: typeof writeId === "string" ? { $eq: writeId } : { $not: { $type: "string" } },
});

/** Rounds of deletes, each of the highest documents that are left. */
export class Rounds {
  private stuckAt: string | null = null;

  /** Throws StoreError `unfit` for two in turn that began at the same document and deleted nothing. */
  end(top: unknown, deletedCount: number): void {
    const at = textOfAny(top);
    if (deletedCount === 0 && this.stuckAt === at)
      throw unfit(
        `The document ${at} among the blocks cannot be deleted by what can be read of it: somebody has put it there. ` +
          "Keep this database as evidence and start the node with an empty one",
      );
    this.stuckAt = deletedCount === 0 ? at : null;
  }
}
