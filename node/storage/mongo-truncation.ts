import type { Collection } from "mongodb";
import type { Height } from "../../shared/ids.js";
import { type StoredDocument, storedBytes } from "./mongo-documents.js";
import type { Truncating } from "./mongo-state.js";

/** Whole blocks kept in quarantine, newest first; older ones keep their headers. */
const QUARANTINE_BYTES_MAX = 64 * 1024 * 1024;

/** A block that was replaced or taken back, kept as evidence. `_id` = `<height>-<blockHash>`. */
export interface QuarantinedDocument {
  readonly _id: string;
  readonly height: number;
  readonly hasBody: boolean;
  readonly bytes: number;
  readonly quarantinedAt: Date;
  /** Why: the leader and term whose blocks took its place. */
  readonly by: Truncating;
}

/**
 * Copies every block from `by.from` up to quarantine. Can be repeated. It need not wait for the journal: the mark that
 * is swapped into the state after it does, and the journal keeps the order.
 */
export async function quarantine(
  blocks: Collection<StoredDocument>,
  into: Collection<QuarantinedDocument>,
  by: Truncating,
): Promise<void> {
  for await (const document of blocks
    .find({ _id: { $gte: by.from } })
    .sort({ _id: 1 })
    .batchSize(8)) {
    const { _id, writeId: _writeId, ...block } = document;
    const copy = { height: _id, hasBody: true, bytes: storedBytes(document), quarantinedAt: new Date(), by, ...block };
    await into.replaceOne({ _id: `${_id}-${document.blockHash}` }, copy, { upsert: true });
  }
  await reduceOld(into);
}

async function reduceOld(into: Collection<QuarantinedDocument>): Promise<void> {
  // Without an index the server would sort whole blocks in memory, and has a limit there.
  await into.createIndex({ hasBody: 1, quarantinedAt: -1, height: -1, _id: -1 });
  let bytes = 0;
  const newestFirst = into
    .find({ hasBody: true }, { projection: { bytes: 1 } })
    .sort({ quarantinedAt: -1, height: -1, _id: -1 });
  for await (const { _id, bytes: size } of newestFirst) {
    bytes += size;
    if (bytes <= QUARANTINE_BYTES_MAX) continue;
    await into.updateOne({ _id }, { $set: { hasBody: false }, $unset: { records: "", payloads: "", frontier: "" } });
  }
}

/**
 * Deletes from the tail down to `from`, so that a crash leaves a log without a hole. Each delete names the insert that
 * it undoes: one that arrives late cannot hit a block that was stored at that height since.
 */
export async function deleteTopDown(blocks: Collection<StoredDocument>, from: Height): Promise<void> {
  for (;;) {
    const top = await blocks.findOne(
      { _id: { $gte: from } },
      { sort: { _id: -1 }, projection: { writeId: 1, blockHash: 1 } },
    );
    if (top === null) return;
    await blocks.deleteOne({ _id: top._id, blockHash: top.blockHash ?? null, writeId: top.writeId ?? null });
  }
}
