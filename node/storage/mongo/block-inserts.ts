import { randomBytes } from "node:crypto";
import type { Collection, WriteConcern } from "mongodb";
import type { HashHex, Height, NodeId } from "../../../shared/ids.js";
import { entryOf } from "../entries.js";
import { type NewBlock, StoreError } from "../port.js";
import { blockDocument, type StoredDocument } from "./documents.js";
import { entryDocument, type FoundDocument } from "./entries.js";
import { isDuplicateKey } from "./errors.js";
import type { MongoState } from "./state.js";

/** More than one write has blocks (storage-operations.ts). */
const IN_DOUBT_MAX = 64;

export interface BlockInsert {
  readonly at: Height;
  readonly writeId: string;
  /** By this process, which does not know what became of it. */
  readonly isSentBefore: boolean;
  readonly document: StoredDocument;
  /** Null: the block has no events. */
  readonly entry: FoundDocument | null;
}

interface Target {
  readonly blocks: Collection<StoredDocument>;
  readonly durable: WriteConcern;
  readonly entries: Collection<FoundDocument>;
  readonly state: MongoState;
  /** Called between the entries and their blocks: throws if this process may not write any more. */
  readonly assertOurs: () => Promise<void>;
}

/** Inserts of blocks, and which of them have an outcome that this process does not know. */
export class BlockInserts {
  private readonly inDoubt = new Map<Height, { blockHash: HashHex; writeId: string }>();

  constructor(private readonly self: { readonly nodeId: NodeId; readonly bootId: string }) {}

  isAnyInDoubt(stored: readonly NewBlock[]): boolean {
    return stored.some(({ block }) => this.inDoubt.get(block.header.height)?.blockHash === block.blockHash);
  }

  /** They are in doubt from now on. */
  begin(stored: readonly NewBlock[]): BlockInsert[] {
    return stored.map((it) => {
      const { blockHash, header } = it.block;
      const at = header.height;
      const doubt = this.inDoubt.get(at);
      const isSentBefore = doubt?.blockHash === blockHash;
      const writeId = isSentBefore ? doubt.writeId : randomBytes(12).toString("hex");
      if (!isSentBefore) this.remember(at, { blockHash, writeId });
      const document = blockDocument(it, writeId) as unknown as StoredDocument;
      const entry = it.entry === null ? null : entryDocument(entryOf(it.block, it.entry), it.entry, writeId);
      return { at, writeId, isSentBefore, document, entry: entry as FoundDocument | null };
    });
  }

  /**
   * Entries before their blocks: these are sent when the server has taken those, and its journal keeps the order, so a
   * block that survives a crash has its entry. Several must not be in doubt from before.
   */
  async write(target: Target, inserts: readonly BlockInsert[]): Promise<void> {
    const [first, second] = inserts;
    if (first === undefined) return;
    await this.assertNoEntries(target, inserts);
    if (inserts.some(({ entry }) => entry !== null)) {
      await this.insertEntries(target, inserts);
      await target.assertOurs();
    }
    return second === undefined ? this.insertOne(target, first) : this.insertMany(target, inserts);
  }

  stored(inserts: readonly BlockInsert[]): void {
    for (const { at } of inserts) this.inDoubt.delete(at);
  }

  /** What is in doubt above a cut belongs to the history that was taken back. */
  forgetFrom(from: Height): void {
    for (const at of this.inDoubt.keys()) if (at >= from) this.inDoubt.delete(at);
  }

  /** One of an insert that was given up may have arrived since the log was opened: the next opening removes it. */
  private async assertNoEntries({ entries }: Target, inserts: readonly BlockInsert[]): Promise<void> {
    const empty = inserts.flatMap(({ at, entry }) => (entry === null ? [at] : []));
    if (empty.length === 0) return;
    const found = await entries.findOne({ _id: { $in: empty } }, { projection: { _id: 1 } });
    if (found !== null)
      throw new StoreError("conflict", `An entry is stored at height ${found._id}, where no event is.`);
  }

  private async insertEntries({ entries }: Target, inserts: readonly BlockInsert[]): Promise<void> {
    const documents = inserts.flatMap(({ entry }) => (entry === null ? [] : [entry]));
    try {
      // Not in the journal yet when this is answered; the block's insert takes care of both.
      const { insertedCount } = await entries.insertMany(documents, { ordered: true, writeConcern: { w: 1 } });
      if (insertedCount !== documents.length)
        throw new StoreError("unknown", `${insertedCount} of ${documents.length} entries were stored.`);
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const [first] = inserts as [BlockInsert];
      const { at, writeId, isSentBefore } = first;
      const isOurs = isSentBefore && (await entries.findOne({ _id: at, writeId }, { projection: { _id: 1 } })) !== null;
      if (!isOurs) throw new StoreError("conflict", `Another entry is stored at height ${at}.`);
    }
  }

  private async insertOne(target: Target, { at, writeId, isSentBefore, document }: BlockInsert): Promise<void> {
    const { blocks, durable, state } = target;
    try {
      await blocks.insertOne(document, { writeConcern: durable });
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const isOurs = isSentBefore && (await blocks.findOne({ _id: at, writeId }, { projection: { _id: 1 } })) !== null;
      if (!isOurs) throw new StoreError("conflict", `Another block is stored at height ${at}.`);
      // It was seen, but nobody said that it is in the journal: a journaled write after it proves that.
      await state.swapOrThrow({}, this.self);
    }
  }

  /** In order, so that what is stored after a failure continues the log. */
  private async insertMany({ blocks, durable }: Target, inserts: readonly BlockInsert[]): Promise<void> {
    const documents = inserts.map(({ document }) => document);
    try {
      const { insertedCount } = await blocks.insertMany(documents, { ordered: true, writeConcern: durable });
      if (insertedCount !== documents.length)
        throw new StoreError("unknown", `${insertedCount} of ${documents.length} blocks were stored.`);
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      throw new StoreError("conflict", `Another block is stored at a height from ${inserts[0]?.at} on.`);
    }
  }

  private remember(at: Height, insert: { blockHash: HashHex; writeId: string }): void {
    if (this.inDoubt.size >= IN_DOUBT_MAX) this.inDoubt.delete(this.inDoubt.keys().next().value as Height);
    this.inDoubt.set(at, insert);
  }
}
