import type { LogEntry } from "../../../cluster/log-view.js";
import type { BootState, Effect, HardState } from "../../../cluster/types.js";
import { type Height, height, term } from "../../../shared/ids.js";
import { type ChainState, EMPTY_CHAIN } from "../../../shared/log/chain.js";
import type { NodeKeys } from "../../../shared/log/control.js";

export type StoreOperation = Extract<Effect, { kind: "save_state" | "save_mark" | "store_block" | "truncate" }>;

/** What survives a crash of one node: its database, and beside it the identity file with the keys. */
export class Store {
  hardState: HardState;
  blocks: LogEntry[] = [];
  /** Replaced uncommitted blocks, kept as evidence. */
  readonly quarantine: LogEntry[] = [];
  clusterId: string | null = null;
  /** How far its replica has said that the log is committed, and what of that the identity file keeps. */
  committed: Height = height(0);
  private mark: Height = height(0);

  constructor(
    public storeId: string,
    readonly keys: NodeKeys,
    joinNonce: string,
  ) {
    this.hardState = fresh(joinNonce);
  }

  apply(operation: StoreOperation): void {
    switch (operation.kind) {
      case "save_state":
        this.hardState = operation.state;
        return;
      case "store_block":
        if (operation.block.header.height !== this.blocks.length + 1)
          throw new Error(`block ${operation.block.header.height} was stored onto a log of ${this.blocks.length}`);
        this.blocks.push(operation);
        return;
      case "save_mark":
        this.mark = this.committed;
        return;
      case "truncate":
        this.quarantine.push(...this.blocks.splice(operation.from - 1));
    }
  }

  /** The chain after the block at `at`. */
  chainAt(at: number): ChainState {
    return this.blocks[at - 1]?.next ?? EMPTY_CHAIN;
  }

  /** What recovery hands to a replica: what a stored header calls committed is committed, the rest is the tail. */
  boot(): BootState {
    const commitHeight = height(Math.max(this.mark, this.blocks.at(-1)?.block.header.commitHeight ?? 0));
    return {
      hardState: this.hardState,
      base: this.chainAt(commitHeight),
      tail: this.blocks.slice(commitHeight),
      commitHeight,
      ids: this.blocks.map(({ events, next }) => ({ height: next.height, ids: events.map(({ record }) => record.id) })),
      idsFrom: height(1),
      campaignsLate: false,
    };
  }

  /** The index: of every durable block. */
  findByKey(sourceAppId: string, idempotencyKey: string): { height: Height } | null {
    const found = this.blocks.find(({ events }) =>
      events.some(({ record }) => record.sourceAppId === sourceAppId && record.idempotencyKey === idempotencyKey),
    );
    return found === undefined ? null : { height: found.next.height };
  }

  /** The database is lost, the identity file is kept: the node joins anew. */
  wipe(storeId: string, joinNonce: string): void {
    this.storeId = storeId;
    this.hardState = fresh(joinNonce);
    this.blocks = [];
    this.mark = height(0);
  }
}

const fresh = (joinNonce: string): HardState => ({ term: term(0), votedFor: null, joinNonce, forming: null });
