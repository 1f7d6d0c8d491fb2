import { randomBytes } from "node:crypto";
import type { BSON, Collection, WriteConcern } from "mongodb";
import type { HardState } from "../../../cluster/types.js";
import type { StoredBlock } from "../port.js";
import { blockDocument, type StoredDocument } from "./documents.js";
import type { FoundDocument } from "./entries.js";
import { entryId } from "./entry-ids.js";
import { keepPlanted } from "./quarantine.js";
import type { MongoState, Owner } from "./state.js";
import { NAME, namedSo, type QuarantinedDocument, Rounds } from "./truncation.js";
import { RAW } from "./undecoded.js";

const ROUND_BLOCKS_MAX = 1_000;

/** Where a repair happens. */
interface Log {
  readonly blocks: Collection<StoredDocument>;
  readonly entries: Collection<FoundDocument>;
  readonly quarantine: Collection<QuarantinedDocument>;
  readonly state: MongoState;
  readonly durable: WriteConcern;
}

/** Puts blocks in the places of others, or where none are. Each is called as its entry is: they belong together. */
export async function putBlocks(log: Log, stored: readonly StoredBlock[], self: Owner): Promise<void> {
  const ids = stored.map(({ block }) => entryId(block.header.height));
  const found = await log.entries.find({ _id: { $in: ids } }, { projection: NAME }).toArray();
  const names = new Map(found.map(({ _id, writeId }) => [_id, writeId]));
  const heights = stored.map(({ block }) => block.header.height);
  const there = await log.blocks.find({ _id: { $in: heights } }, { projection: { _id: 1 } }).toArray();
  const replaced = new Set(there.map(({ _id }) => _id));
  // Whoever has lost the database meanwhile writes nothing over what its successor stored.
  await log.state.swapOrThrow({}, self);
  const writes = stored.map((one) => {
    const { _id, ...content } = blockDocument(one, nameOf(names.get(entryId(one.block.header.height))));
    // One that arrives late puts no block back into a log that was cleared since.
    return { replaceOne: { filter: { _id }, replacement: content, upsert: !replaced.has(_id) } };
  });
  await log.blocks.bulkWrite(writes as never, { ordered: true, writeConcern: log.durable });
}

const nameOf = (writeId: unknown): string =>
  typeof writeId === "string" && writeId !== "" ? writeId : randomBytes(12).toString("hex");

/** Takes documents out that no node of this log wrote: what is taken is kept first. Answers with the names that they have then. */
export async function removeForged(log: Log, ids: readonly unknown[], self: Owner): Promise<string[]> {
  const blocks = log.blocks as unknown as Collection<BSON.Document>;
  const kept: string[] = [];
  for (const id of ids) {
    // By equality alone: what somebody planted may have an id that would be an operator.
    const there = { _id: { $eq: id } as never };
    // The name first: an insert that takes the place in between has another one, and is not deleted.
    const named = await blocks.findOne(there, { projection: NAME });
    const found = await blocks.findOne(there, RAW);
    if (found === null || named === null) continue;
    const name = await keepPlanted(log.quarantine, id, { found });
    await log.state.swapOrThrow({}, self);
    await blocks.deleteOne({ ...there, ...namedSo(named.writeId) });
    kept.push(name);
  }
  return kept;
}

/** Ids between these heights and the next ones: fractions, which no block has; and below zero, which no entry has. */
export async function fractionsAt(log: Log, heights: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  for (const at of heights) {
    for (const between of [
      { $gt: at, $lt: at + 1 },
      { $gt: 0 - at - 1, $lt: 0 - at },
    ]) {
      const there = log.blocks.find({ _id: between }, { projection: { _id: 1 } }).limit(16);
      found.push(...(await there.toArray()).map(({ _id }) => _id));
    }
  }
  return found;
}

/** What was acknowledged is about to go: a process that dies then must not come back with a part of it and count. */
export async function joinAnew(log: Log, self: Owner): Promise<void> {
  const { hard } = log.state.record;
  if (hard !== null) await log.state.save({ ...hard, joinNonce: randomBytes(16).toString("hex") } as HardState, self);
}

/**
 * Deletes all blocks and entries, of a node that joins anew. Each block top down: a crash leaves the beginning of a log, and
 * no hole, which no start could go on from; and each by its insert's name, so that a delete that arrives late, or a process
 * that was paused in here, hits none that were copied since. The next opening deletes the entries.
 */
export async function clearLog(log: Log, self: Owner): Promise<void> {
  const rounds = new Rounds();
  for (;;) {
    const top = await log.blocks
      .find({ _id: { $gte: 1 } }, { projection: NAME })
      .sort({ _id: -1 })
      .limit(ROUND_BLOCKS_MAX)
      .toArray();
    await log.state.swapOrThrow({}, self);
    if (top.length === 0) return;
    const deletes = top.map(({ _id, writeId }) => ({ deleteOne: { filter: { _id, ...namedSo(writeId) } } }));
    const done = await log.blocks.bulkWrite(deletes as never, { ordered: true, writeConcern: log.durable });
    rounds.end(top[0]?._id, done.deletedCount);
  }
}
