import { randomBytes } from "node:crypto";
import { type BSON, type Collection, type Db, MongoServerError, type WriteConcern } from "mongodb";
import type { HashHex, Height, NodeId } from "../../../shared/ids.js";
import { entryOf } from "../entries.js";
import { type NewBlock, StoreError } from "../port.js";
import { blockDocument, type StoredDocument } from "./documents.js";
import { entryDocument, type FoundDocument } from "./entries.js";
import { entryId, heightOf } from "./entry-ids.js";
import { DUPLICATE_KEY } from "./errors.js";
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
  readonly link: { readonly db: Db };
  readonly blocks: Collection<StoredDocument>;
  readonly durable: WriteConcern;
  readonly entries: Collection<FoundDocument>;
  readonly state: MongoState;
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
   * One ordered command, each entry before its block: the server stores them in this order and its journal keeps it, so a
   * block that survives a crash has its entry. Several must not be in doubt from before.
   */
  async write(target: Target, inserts: readonly BlockInsert[]): Promise<void> {
    await this.assertNoEntries(target, inserts);
    let documents = inserts.flatMap(({ entry, document }) => (entry === null ? [document] : [entry, document]));
    while (documents.length > 0) {
      const stored = await insertInOrder(target, documents);
      if (stored === documents.length) return;
      const taken = documents[stored] as StoredDocument;
      await assertOurs(target, inserts, taken);
      documents = documents.slice(stored + 1);
      // It was seen, but nobody said that it is in the journal: a journaled write after it proves that.
      if (documents.length === 0) await target.state.swapOrThrow({}, this.self);
    }
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
    const found = await entries.findOne({ _id: { $in: empty.map(entryId) } }, { projection: { _id: 1 } });
    if (found !== null)
      throw new StoreError("conflict", `An entry is stored at height ${heightOf(found)}, where no event is.`);
  }

  private remember(at: Height, insert: { blockHash: HashHex; writeId: string }): void {
    if (this.inDoubt.size >= IN_DOUBT_MAX) this.inDoubt.delete(this.inDoubt.keys().next().value as Height);
    this.inDoubt.set(at, insert);
  }
}

interface Inserted {
  /** How many documents. */
  readonly n: number;
  readonly writeErrors?: readonly { readonly code: number; readonly errmsg: string }[];
  readonly writeConcernError?: { readonly errmsg: string };
}

/**
 * How many were stored before one whose place is taken, or all of them. The command itself, without the driver's way for many
 * documents: that measures and writes each of them by itself.
 */
async function insertInOrder({ link, blocks, durable }: Target, documents: readonly StoredDocument[]): Promise<number> {
  const { w, journal } = durable;
  const command: BSON.Document = {
    insert: blocks.collectionName,
    documents,
    ordered: true,
    writeConcern: { w, j: journal },
  };
  const { n, writeErrors, writeConcernError } = (await link.db.command(command, { ignoreUndefined: true })) as Inserted;
  if (writeConcernError !== undefined)
    throw new StoreError("unknown", `The server does not say that it is journaled: ${writeConcernError.errmsg}`);
  const fault = writeErrors?.[0];
  if (fault?.code === DUPLICATE_KEY) return n;
  if (fault !== undefined) throw new MongoServerError({ ...fault });
  if (n !== documents.length) throw new StoreError("unknown", `${n} of ${documents.length} documents were stored.`);
  return n;
}

/** What stands in a document's place is no success unless this process sent it, and did not know what became of it. */
async function assertOurs({ blocks }: Target, inserts: readonly BlockInsert[], { _id }: StoredDocument): Promise<void> {
  const [first] = inserts as [BlockInsert];
  const name = { _id, writeId: first.writeId };
  const isOurs = first.isSentBefore && (await blocks.findOne(name, { projection: { _id: 1 } })) !== null;
  if (isOurs) return;
  const what = _id < 0 ? `entry is stored at height ${heightOf({ _id })}` : `block is stored at height ${_id}`;
  throw new StoreError("conflict", `Another ${what}.`);
}
