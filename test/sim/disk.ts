import type { Effect, HardState, RecentEvent } from "../../cluster/types.js";
import type { Block } from "../../shared/block.js";
import { type ChainState, EMPTY_CHAIN } from "../../shared/chain.js";
import type { NodeKeys } from "../../shared/control.js";
import type { LoggedEvent } from "../../shared/event.js";
import { type HashHex, type Height, height } from "../../shared/ids.js";

export type StorageOperation = Extract<Effect, { kind: "save_state" | "store_block" | "truncate" }>;

export interface StoredEntry {
  readonly block: Block;
  readonly next: ChainState;
  readonly events: readonly LoggedEvent[];
  readonly storedAtMs: number;
}

/** What a node keeps outside its database: a restored or lost database takes none of it along. */
export interface Identity {
  keys: NodeKeys;
  formedClusterId: HashHex | null;
  /** A block that this node knew to be committed and durable here; written now and then. */
  mark: { readonly height: Height; readonly hash: HashHex } | null;
}

/** What survives a crash of one node: only operations that completed are here. */
export class Disk {
  hardState: HardState | null = null;
  /** By height: the genesis is `entries[0]`. */
  entries: StoredEntry[] = [];
  /** Events below this are in the projection. */
  projectedThrough = 0;
  /** Replaced uncommitted blocks, kept as evidence. */
  quarantined = 0;

  constructor(
    public storeId: string,
    readonly identity: Identity,
  ) {}

  get tailHeight(): Height {
    return height(this.entries.length);
  }

  at(wanted: number): StoredEntry | undefined {
    return wanted < 1 ? undefined : this.entries[wanted - 1];
  }

  /** The chain after the block at `wanted`; 0 is the empty chain. */
  chainAt(wanted: number): ChainState {
    return this.at(wanted)?.next ?? EMPTY_CHAIN;
  }

  apply(operation: StorageOperation, nowMs: number): void {
    switch (operation.kind) {
      case "save_state":
        this.hardState = operation.state;
        return;
      case "store_block": {
        const { block, next, events } = operation;
        // The database has `_id` = height: an insert where a block stands, or over a hole, is the caller's bug.
        if (block.header.height !== this.entries.length + 1)
          throw new Error(`store_block ${block.header.height} onto a log of ${this.entries.length}`);
        this.entries.push({ block, next, events, storedAtMs: nowMs });
        return;
      }
      case "truncate":
        if (operation.from < 1 || operation.from > this.entries.length)
          throw new Error(`truncate from ${operation.from} of a log of ${this.entries.length}`);
        this.quarantined += this.entries.length - operation.from + 1;
        this.entries.length = operation.from - 1;
    }
  }

  readBlocks(from: Height, bytesMax: number): Block[] {
    const blocks: Block[] = [];
    let bytes = 0;
    for (const { block } of this.entries.slice(from - 1)) {
      bytes += block.records.length + block.payloads.length;
      if (blocks.length > 0 && bytes > bytesMax) break;
      blocks.push(block);
    }
    return blocks;
  }

  /** The key index of the projection: it knows projected events only, exactly as the collection does. */
  findByKey(sourceAppId: string, idempotencyKey: string): RecentEvent | null {
    for (const entry of this.entries) {
      if (entry.block.header.firstSequence >= this.projectedThrough) break;
      for (const event of recentEvents(entry))
        if (
          event.sourceAppId === sourceAppId &&
          event.idempotencyKey === idempotencyKey &&
          event.sequence < this.projectedThrough
        )
          return event;
    }
    return null;
  }

  /** The database is lost; what is outside it is kept unless `newKeys` are given. */
  wipe(storeId: string, newKeys: NodeKeys | null): void {
    this.hardState = null;
    this.entries = [];
    this.projectedThrough = 0;
    this.storeId = storeId;
    if (newKeys === null) return;
    this.identity.keys = newKeys;
    this.identity.formedClusterId = null;
    this.identity.mark = null;
  }

  /** An older copy of the database: its newest blocks are gone and its hard state is an earlier one. */
  rollBack(blocks: number, hardState: HardState): void {
    this.entries.length = Math.max(0, this.entries.length - blocks);
    this.hardState = hardState;
    const { range } = this.chainAt(this.entries.length);
    this.projectedThrough = Math.min(this.projectedThrough, range.size);
  }
}

export function recentEvents(entry: Pick<StoredEntry, "block" | "events">): RecentEvent[] {
  return entry.events.map(({ record }) => ({
    id: record.id,
    sourceAppId: record.sourceAppId,
    ...(record.idempotencyKey === undefined ? {} : { idempotencyKey: record.idempotencyKey }),
    sequence: record.sequence,
    height: entry.block.header.height,
  }));
}
