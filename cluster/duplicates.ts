import { type Height, height } from "../shared/ids.js";
import { Fifo } from "./fifo.js";
import type { ReplicaLimits } from "./limits.js";
import type { LogEntry } from "./log-view.js";
import type { BlockIds } from "./types.js";

interface BlockKeys {
  readonly height: Height;
  readonly keys: readonly string[];
}

const keyOf = (sourceAppId: string, idempotencyKey: string): string => `${sourceAppId}\u0000${idempotencyKey}`;

/**
 * Which events this log holds: by id the newest ones, by idempotency key those in blocks that are not durable here yet.
 * The index has the keys of every durable block. Filled as blocks enter the log, undone with a replaced tail, so a new
 * leader has it before its first proposal.
 *
 * Invariant: ids are whole from `idsFrom` on, and `idsFrom <= commit height + 1`. Of what is below nobody can tell here
 * whether it was logged. The ids above the commit height, and of some committed blocks, are never forgotten: a node that
 * is a little behind the leader can still have its writes judged.
 */
export class Duplicates {
  private readonly heightById = new Map<string, Height>();
  /** Blocks whose ids are known, oldest first; without those that have none. */
  private readonly blocks = new Fifo<BlockIds>();
  private readonly heightByKey = new Map<string, Height>();
  private readonly notDurable = new Fifo<BlockKeys>();
  private whole: Height;

  constructor(
    private readonly limits: Pick<ReplicaLimits, "idsMax" | "idsBlocksMin">,
    stored: { readonly idsFrom: Height; readonly ids: readonly BlockIds[]; readonly commitHeight: Height },
  ) {
    this.whole = stored.idsFrom;
    for (const block of stored.ids) this.addIds(block);
    this.forget(stored.commitHeight);
  }

  /** The height from which on all ids are known. */
  get idsFrom(): Height {
    return this.whole;
  }
  get ids(): number {
    return this.heightById.size;
  }
  get keys(): number {
    return this.heightByKey.size;
  }

  heightOfId(id: string): Height | undefined {
    return this.heightById.get(id);
  }
  heightOfKey(sourceAppId: string, idempotencyKey: string): Height | undefined {
    return this.heightByKey.get(keyOf(sourceAppId, idempotencyKey));
  }

  /** A block enters the log, and is on its way to the store. */
  add({ next, events }: LogEntry): void {
    this.addIds({ height: next.height, ids: events.map(({ record }) => record.id) });
    const keys = new Set<string>();
    for (const { record } of events)
      if (record.idempotencyKey !== undefined) keys.add(keyOf(record.sourceAppId, record.idempotencyKey));
    for (const key of keys) this.heightByKey.set(key, next.height);
    if (keys.size > 0) this.notDurable.push({ height: next.height, keys: [...keys] });
  }

  /** The index has the keys up to `through` from now on. */
  onDurable(through: Height): void {
    for (let oldest = this.notDurable.first; oldest !== undefined; oldest = this.notDurable.first) {
      if (oldest.height > through) return;
      this.notDurable.shift();
      this.dropKeys(oldest);
    }
  }

  /** Undoes the blocks from `from` up, which were replaced, so that their writes can be logged anew. */
  remove(from: Height): void {
    for (let newest = this.blocks.last; newest !== undefined && newest.height >= from; newest = this.blocks.last) {
      this.blocks.pop();
      this.dropIds(newest);
    }
    for (
      let newest = this.notDurable.last;
      newest !== undefined && newest.height >= from;
      newest = this.notDurable.last
    ) {
      this.notDurable.pop();
      this.dropKeys(newest);
    }
  }

  /** Forgets the oldest ids, if they are too many and far enough below the commit height. */
  forget(commitHeight: Height): void {
    for (let oldest = this.blocks.first; oldest !== undefined; oldest = this.blocks.first) {
      if (this.heightById.size <= this.limits.idsMax || oldest.height > commitHeight - this.limits.idsBlocksMin) return;
      this.blocks.shift();
      this.dropIds(oldest);
      this.whole = height(oldest.height + 1);
    }
  }

  private addIds(block: BlockIds): void {
    if (block.ids.length === 0) return;
    for (const id of block.ids) this.heightById.set(id, block.height);
    this.blocks.push(block);
  }

  private dropIds({ height: at, ids }: BlockIds): void {
    for (const id of ids) if (this.heightById.get(id) === at) this.heightById.delete(id);
  }
  private dropKeys({ height: at, keys }: BlockKeys): void {
    for (const key of keys) if (this.heightByKey.get(key) === at) this.heightByKey.delete(key);
  }
}
