import { entryOf } from "../../node/storage/entries.js";
import { type NewBlock, type StoredEntry, StoreError } from "../../node/storage/port.js";
import type { HashHex, Height } from "../../shared/ids.js";
import type { MemoryDatabase } from "./memory-database.js";

/** Names inserts as `writeId` does in MongoDB; a counter, so that a simulation stays repeatable. */
let nextWriteId = 1;

interface Insert {
  readonly writeId: number;
  readonly isSentBefore: boolean;
}

/** One process's inserts of blocks, and which of them have an outcome that it does not know. */
export class MemoryInserts {
  private readonly inDoubt = new Map<Height, { blockHash: HashHex; writeId: number }>();

  constructor(private readonly database: MemoryDatabase) {}

  /** One write of all documents in order, each entry before its block; what breaks off has stored the first ones. */
  async write(blocks: readonly NewBlock[]): Promise<void> {
    const { database } = this;
    const inserts = blocks.map((block) => ({ ...block, at: block.block.header.height, insert: this.begin(block) }));
    for (const { at, entry } of inserts)
      if (entry === null && database.entries.has(at))
        throw new StoreError("conflict", `An entry is stored at height ${at}, where no event is.`);
    const documents = inserts.flatMap(({ at, insert, block, frontier, entry }) => {
      const { writeId } = insert;
      const storeBlock = (): void => {
        if (isNew(at, database.blocks.get(at), insert))
          database.blocks.set(at, { stored: structuredClone({ block, frontier }), writeId });
      };
      if (entry === null) return [storeBlock];
      const stored: StoredEntry = entryOf(block, entry);
      const storeEntry = (): void => {
        if (isNew(at, database.entries.get(at), insert)) database.entries.set(at, { stored, writeId });
      };
      return [storeEntry, storeBlock];
    });
    await database.write(() => {
      for (const store of documents.slice(0, database.reach(documents.length))) store();
    });
    for (const { at } of inserts) this.inDoubt.delete(at);
  }

  forgetFrom(from: Height): void {
    for (const at of this.inDoubt.keys()) if (at >= from) this.inDoubt.delete(at);
  }

  private begin({ block: { blockHash, header } }: NewBlock): Insert {
    const doubt = this.inDoubt.get(header.height);
    const isSentBefore = doubt?.blockHash === blockHash;
    const writeId = isSentBefore ? doubt.writeId : nextWriteId++;
    this.inDoubt.set(header.height, { blockHash, writeId });
    return { writeId, isSentBefore };
  }
}

/** Whether nothing is there yet; what is there must be of the very same insert. */
function isNew(
  at: Height,
  there: { readonly writeId: number } | undefined,
  { writeId, isSentBefore }: Insert,
): boolean {
  if (there === undefined) return true;
  if (isSentBefore && there.writeId === writeId) return false;
  throw new StoreError("conflict", `Another block is stored at height ${at}.`);
}
