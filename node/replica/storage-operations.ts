import type { BootState, Effect } from "../../cluster/types.js";
import type { Height } from "../../shared/ids.js";
import { blockBytes } from "../../shared/log/block.js";
import type { ChainState } from "../../shared/log/chain.js";
import { type IndexEntry, type LogStore, StoreError } from "../storage/port.js";
import type { NodeIdentity, Remembered } from "./memory.js";

/** Storage operations that wait for the one before; the core bounds its blocks in flight, this catches a bug. */
const OPERATIONS_MAX = 4_096;

/** Blocks that are written at once; the store's write takes a multiple of one block's time at most. */
const BATCH_BLOCKS_MAX = 32;
const BATCH_BYTES_MAX = 1024 * 1024;

type ReplicaOperation = Extract<Effect, { kind: "save_state" | "save_mark" | "store_block" | "truncate" }>;
/** Something that the replica knows nothing of, and that must not run beside its operations. */
interface OtherOperation {
  readonly kind: "other";
  readonly run: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}
export type StorageOperation = ReplicaOperation | OtherOperation;
type StoreBlock = Extract<Effect, { kind: "store_block" }>;

export interface StorageOperationsOptions {
  readonly log: LogStore;
  readonly identity: NodeIdentity;
  /** The index entry of a block that is to be stored; null for one without events. */
  readonly entryOf: (operation: StoreBlock) => IndexEntry | null;
  /** It is durable now, and so is everything that was given before it. */
  readonly onStored: (operation: ReplicaOperation) => void;
  /** An operation failed, or nobody knows whether it did; nothing after it is done. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * What one replica after the other has its store do: in the order given out, each durable before the next begins. Blocks
 * that wait one after the other are one write: with a journal flush for each, a follower that lags would store no faster
 * than its leader seals.
 */
export class StorageOperations {
  private waiting: StorageOperation[] = [];
  private isStoring = false;
  private isStopped = false;
  private storing: Promise<void> = Promise.resolve();
  /** Counts replicas: an operation of an earlier one must not be answered to a later one. */
  private generation = 0;
  private known: Remembered | null = null;
  /** How many blocks are written at once: fewer after a write that failed, for its size may be why, and slowly more. */
  private blocksMax = BATCH_BLOCKS_MAX;
  /** So many blocks are written alone: those of a write that failed may be there. */
  private aloneFor = 0;

  constructor(private readonly options: StorageOperationsOptions) {}

  /** What this process knows to be durable: a store that holds less after a reconnect has gone back. */
  get remembered(): Remembered | null {
    return this.known;
  }

  /** How many wait, the one under way included. */
  get length(): number {
    return this.waiting.length;
  }

  /** A replica begins with what its store was found to hold. */
  begin({ hardState, tail, base }: BootState): void {
    const durable = tail.at(-1)?.next ?? base;
    this.known = { hardState, durable, committed: base, heldThrough: durable.height };
  }

  onCommitted(state: ChainState): void {
    if (this.known !== null) this.known = { ...this.known, committed: state };
  }

  /** Resolves when the write under way has ended, as it does by itself. */
  get underWay(): Promise<void> {
    return this.storing;
  }

  push(operation: StorageOperation): void {
    this.waiting.push(operation);
    if (this.waiting.length > OPERATIONS_MAX) throw new Error("too many storage operations wait");
    this.start();
  }

  /** Runs something when all that was given out before it is done, and nothing beside it. Rejects if the replica goes first. */
  inOrder(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => this.push({ kind: "other", run, resolve, reject }));
  }

  /** The replica is gone: what has not begun is never done, and what is under way is answered to nobody. */
  drop(): void {
    this.generation += 1;
    const { waiting } = this;
    this.waiting = [];
    for (const operation of waiting)
      if (operation.kind === "other")
        operation.reject(new StoreError("not_stored", "The replica that asked for it is gone."));
  }

  /** The write under way ends by itself, within the store's own limit; nothing is written once this has resolved. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.storing;
  }

  private start(): void {
    if (this.isStoring || this.isStopped || this.waiting.length === 0) return;
    this.isStoring = true;
    this.storing = this.store();
  }

  private async store(): Promise<void> {
    const { generation } = this;
    try {
      for (;;) {
        // What one step of the core gives out comes together.
        await Promise.resolve();
        const blocks = this.firstBlocks();
        const [operation = this.waiting[0]] = blocks;
        if (operation === undefined || generation !== this.generation) break;
        if (operation.kind === "other") {
          await this.runOther(operation);
          if (generation === this.generation) this.waiting.shift();
          continue;
        }
        await this.write(operation, blocks);
        this.tune(blocks.length);
        for (const done of blocks.length > 0 ? blocks : [operation]) {
          if (generation !== this.generation) break;
          this.waiting.shift();
          this.remember(done);
          this.options.onStored(done);
        }
      }
    } catch (error) {
      this.blocksMax = Math.ceil(this.blocksMax / 2);
      this.aloneFor = BATCH_BLOCKS_MAX;
      if (generation === this.generation) this.options.onFailed(error);
    } finally {
      this.isStoring = false;
    }
    // What a later replica has given out meanwhile.
    this.start();
  }

  /** Its failure is its caller's to handle, unless it says that the store has to be opened again, or is another's. */
  private async runOther({ run, resolve, reject }: OtherOperation): Promise<void> {
    try {
      await run();
      resolve();
    } catch (error) {
      reject(error);
      if (error instanceof StoreError && (error.failure === "unknown" || error.failure === "not_owner")) throw error;
    }
  }

  private firstBlocks(): StoreBlock[] {
    const blocks: StoreBlock[] = [];
    let bytes = 0;
    for (const operation of this.waiting) {
      if (operation.kind !== "store_block" || blocks.length === (this.aloneFor > 0 ? 1 : this.blocksMax)) break;
      bytes += blockBytes(operation.block);
      if (blocks.length > 0 && bytes > BATCH_BYTES_MAX) break;
      blocks.push(operation);
    }
    return blocks;
  }

  private tune(written: number): void {
    if (this.aloneFor > 0) this.aloneFor = Math.max(0, this.aloneFor - written);
    else if (written > 0) this.blocksMax = Math.min(BATCH_BLOCKS_MAX, this.blocksMax + 1);
  }

  private async write(operation: ReplicaOperation, blocks: readonly StoreBlock[]): Promise<void> {
    const { log, identity, entryOf } = this.options;
    const { generation } = this;
    switch (operation.kind) {
      case "save_state": {
        const { term, votedFor } = operation.state;
        await log.saveState(operation.state);
        // The identity outlives the database, and a vote stands there too before it leaves. The state comes first: a
        // crash in between leaves the file behind, which is harmless; a file ahead would read as a vote that was lost.
        if (votedFor !== null && term > identity.identity.votedTerm) await identity.update({ votedTerm: term });
        return;
      }
      case "store_block":
        return log.insertBlocks(
          blocks.map((one) => ({ block: one.block, frontier: one.next.range.hashes, entry: entryOf(one) })),
        );
      case "save_mark":
        return identity.update({});
      case "truncate":
        // Nothing but the blocks that go may say how far the log is committed until the mark does, which takes a second.
        await identity.update({});
        // The store may have been lost and opened again meanwhile: what it holds now is another replica's to cut.
        this.assertCurrent(generation);
        // The next opening finishes it if it is interrupted: from here on the log may end below the cut.
        this.forgetAbove(operation.from);
        return log.truncate(operation.from, { term: operation.term, leaderId: operation.leaderId });
    }
  }

  private assertCurrent(generation: number): void {
    if (generation !== this.generation) throw new StoreError("not_stored", "The replica that asked for it is gone.");
  }

  private remember(operation: ReplicaOperation): void {
    if (this.known === null) return;
    if (operation.kind === "save_state") this.known = { ...this.known, hardState: operation.state };
    if (operation.kind === "store_block")
      this.known = { ...this.known, durable: operation.next, heldThrough: operation.next.height };
  }

  /** Below the cut the log stays as it is; its committed part is what must never be missing. */
  private forgetAbove(from: Height): void {
    const { known } = this;
    if (known === null) return;
    const heldThrough = Math.min(known.heldThrough, from - 1);
    this.known = { ...known, heldThrough, durable: known.durable.height < from ? known.durable : known.committed };
  }
}
