import { type Height, height } from "../shared/ids.js";
import { type Block, blockBytes } from "../shared/log/block.js";
import type { ChainState } from "../shared/log/chain.js";
import type { LoggedEvent } from "../shared/log/event.js";
import type { BlockIndex } from "../shared/log/index.js";
import type { ReplicaLimits } from "./limits.js";

export interface LogEntry {
  readonly block: Block;
  readonly next: ChainState;
  readonly events: readonly LoggedEvent[];
}

/** A block that enters the log, with what its index entry is made of. */
export interface NewEntry extends LogEntry {
  readonly index: BlockIndex;
}

/**
 * The end of the log in memory: `base`, and the blocks above it. Invariant: base <= commit <= durable <= tail, by
 * height; blocks above `durable` have been given to the store and not confirmed.
 */
export class LogView {
  private entries: LogEntry[] = [];
  private bytes = 0;
  durableHeight: Height;
  commitHeight: Height;

  constructor(
    private base: ChainState,
    tail: readonly LogEntry[],
    commitHeight: Height,
    private readonly limits: Pick<ReplicaLimits, "cachedBlocksMax" | "cachedBytesMax">,
  ) {
    for (const entry of tail) this.append(entry);
    this.durableHeight = this.tail.height;
    this.commitHeight = commitHeight;
  }

  get tail(): ChainState {
    return this.entries.at(-1)?.next ?? this.base;
  }
  get baseHeight(): Height {
    return this.base.height;
  }
  get committed(): ChainState {
    return this.at(this.commitHeight) as ChainState;
  }
  get durable(): ChainState {
    return this.at(this.durableHeight) as ChainState;
  }
  /** Blocks held in memory. */
  get length(): number {
    return this.entries.length;
  }

  /** The state after block `at`; undefined when it is not in memory or not in the log. */
  at(at: number): ChainState | undefined {
    return at === this.base.height ? this.base : this.entries[at - this.base.height - 1]?.next;
  }
  entry(at: number): LogEntry | undefined {
    return this.entries[at - this.base.height - 1];
  }

  append(entry: LogEntry): void {
    this.entries.push(entry);
    this.bytes += blockBytes(entry.block);
  }

  /** Removes the blocks from `from` up. */
  truncate(from: number): void {
    const removed = this.entries.splice(from - this.base.height - 1);
    for (const entry of removed) this.bytes -= blockBytes(entry.block);
    if (this.durableHeight >= from) this.durableHeight = height(from - 1);
  }

  /** Advances the commit height and returns the blocks that became committed. */
  commit(through: Height): LogEntry[] {
    const from = this.commitHeight - this.base.height;
    const committed = this.entries.slice(from, through - this.base.height);
    this.commitHeight = through;
    // Committed blocks stay for slow followers, as bytes only: their decoded events are no longer needed here.
    for (const [i, { block, next }] of committed.entries()) this.entries[from + i] = { block, next, events: [] };
    this.trim();
    return committed;
  }

  /** Consecutive blocks from `from` while they fit; at least one if `from` is in memory. */
  slice(from: number, limit: { bytesMax: number; blocksMax: number }): Block[] {
    const blocks: Block[] = [];
    let bytes = 0;
    for (let at = from; blocks.length < limit.blocksMax; at++) {
      const block = this.entry(at)?.block;
      if (block === undefined) break;
      bytes += blockBytes(block);
      if (blocks.length > 0 && bytes > limit.bytesMax) break;
      blocks.push(block);
    }
    return blocks;
  }

  private trim(): void {
    let drop = 0;
    while (this.entries.length - drop > 0) {
      const oldest = this.entries[drop] as LogEntry;
      const { cachedBytesMax, cachedBlocksMax } = this.limits;
      const isOver = this.bytes > cachedBytesMax || this.entries.length - drop > cachedBlocksMax;
      if (!isOver || oldest.next.height > this.commitHeight) break;
      this.bytes -= blockBytes(oldest.block);
      this.base = oldest.next;
      drop += 1;
    }
    if (drop > 0) this.entries.splice(0, drop);
  }
}
