import type { Logger } from "pino";
import type { Effect, Input } from "../../cluster/types.js";
import type { HashHex, Height } from "../../shared/ids.js";
import { KEY_FILTER_BYTES_DEFAULT } from "../../shared/limits.js";
import type { Block } from "../../shared/log/block.js";
import type { ChainState } from "../../shared/log/chain.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import { ownRun } from "../../shared/log/index.js";
import type { Clock } from "../clock.js";
import { INDEX_ACCOUNT_TAKEN } from "../storage/incident.js";
import {
  type DifferingEntry,
  type IndexEntry,
  type IndexStanding,
  indexLost,
  type Storage,
  StoreError,
} from "../storage/port.js";
import { ANCHOR_MEMORY, type AnchorMemory, Anchors } from "./anchors.js";
import { type SoundBlock, StoredBlocks } from "./blocks.js";
import { CommittedEvents } from "./committed.js";
import { IndexKeeper } from "./index-keeper.js";
import { KeyLookUps } from "./key-look-ups.js";
import { LoggedRequests } from "./logged-requests.js";
import { ProvedBlocks } from "./proved-blocks.js";
import type { RecoveredBlock, VerifiedTail } from "./verified-tail.js";

/** How a node treats its log beside the replica. */
export interface LogSettings {
  /** How much of the log's end each recovery verifies; by default what any retried write can reach back to. */
  readonly verifiedTail: VerifiedTail;
  readonly memory: Partial<LogMemory>;
  /** Paths of payloads that are indexed. */
  readonly indexedPaths: readonly string[];
  /** Derives the own terms of a block's entry. */
  readonly ownRun: typeof ownRun;
}

export interface LogMemory {
  /** Proved blocks that reads are answered from, in bytes of memory. */
  readonly cacheBytesMax: number;
  /** The filter of keys that were never used. */
  readonly keyFilterBytes: number;
  readonly anchors: AnchorMemory;
}
const MEMORY: LogMemory = {
  cacheBytesMax: 32 * 1024 * 1024,
  keyFilterBytes: KEY_FILTER_BYTES_DEFAULT,
  anchors: ANCHOR_MEMORY,
};

export type IndexFinding =
  | { readonly kind: "key_repeated"; readonly detail: string; readonly height: Height }
  /** Without an entry it is of what the index says of itself. */
  | { readonly kind: "index_differs"; readonly detail: string; readonly entry?: DifferingEntry };

export interface HeldLogParts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly settings: Partial<LogSettings>;
  /** Up to here the store holds what was committed. */
  readonly heldThrough: () => Height;
  /** null while there is no replica. */
  readonly durableHeight: () => Height | null;
  /** Runs something between the replica's own writes; rejects while there is no replica. */
  readonly inOrder: (work: () => Promise<void>) => Promise<void>;
  readonly onInvalidBlock: (at: Height, detail: string) => void;
  readonly onIndexFinding: (finding: IndexFinding) => void;
  /** The index was lost, or is whole again. */
  readonly onIndexChange: (isGone: boolean) => void;
}

/** Takes the answer to a replica's question, unless that replica is gone by then. */
export interface Asker {
  readonly isThere: () => boolean;
  readonly submit: (input: Input) => void;
}

/**
 * What a node holds of its log beside the replica, and keeps while the store is opened again: what it has published, the
 * anchors that say which block is the committed one, blocks that were compared with them, keys, and the index.
 */
export class HeldLog {
  readonly committed = new CommittedEvents();
  readonly blocks: ProvedBlocks;
  readonly index: IndexKeeper;
  readonly keys: KeyLookUps;
  private readonly anchors: Anchors;
  private readonly stored: StoredBlocks;
  private isStopped = false;
  /** A node whose index is not whole can say of no key that it is new: others lead better. */
  isIndexGone = false;

  constructor(private readonly parts: HeldLogParts) {
    const { storage, logger, clock, settings, heldThrough, onInvalidBlock } = parts;
    const memory = { ...MEMORY, ...settings.memory };
    const onWarning = (err: unknown, text: string): void => logger.warn({ err }, text);
    const durableHeight = (): Height => parts.durableHeight() ?? this.committed.height;
    this.anchors = new Anchors({
      store: storage.log,
      reader: storage.reader,
      memory: memory.anchors,
      heldThrough,
      inOrder: (write) => parts.inOrder(write),
      onWarning,
    });
    this.blocks = new ProvedBlocks({
      reader: storage.reader,
      anchors: this.anchors,
      heldThrough,
      bytesMax: memory.cacheBytesMax,
      onAltered: ({ height: at, fault }) => onInvalidBlock(at, fault),
    });
    this.stored = new StoredBlocks({
      log: storage.log,
      proved: this.blocks,
      anchors: this.anchors,
      heldThrough,
      commitHeight: () => this.committed.height,
      durableHeight,
      onInvalidBlock,
    });
    this.keys = new KeyLookUps({
      keys: storage.keys,
      clock,
      filterBytes: memory.keyFilterBytes,
      // What stands above is nobody's event: what is on its way there is looked for in memory.
      requestsOf: async (at) =>
        (await this.stored.soundBlock(at))?.requests ?? (at > durableHeight() ? LoggedRequests.of([]) : null),
      onRepeated: ({ sourceAppId, idempotencyKey }, heights) =>
        parts.onIndexFinding({
          kind: "key_repeated",
          detail: `the idempotency key ${JSON.stringify(idempotencyKey)} of ${JSON.stringify(sourceAppId)} stands in blocks ${heights.join(", ")}`,
          height: heights.at(-1) as Height,
        }),
      onWarning,
    });
    this.index = new IndexKeeper({
      store: storage.log,
      blocks: this.blocks,
      clock,
      paths: settings.indexedPaths ?? [],
      ownRun: settings.ownRun ?? ownRun,
      inOrder: (work) => parts.inOrder(work),
      heights: () => ({ committed: this.committed.height, durable: durableHeight() }),
      onWhole: () => this.onIndexWhole(),
      onLost: () => this.onIndexGone(),
      onTaken: () => parts.onIndexFinding({ kind: "index_differs", detail: INDEX_ACCOUNT_TAKEN }),
      onDiffering: (entries) => this.tellDiffering(entries),
      onKeys: (terms) => this.keys.learn(terms),
      log: (level, text, error) => (error === undefined ? logger[level](text) : logger[level]({ err: error }, text)),
    });
  }

  stop(): void {
    this.isStopped = true;
    this.index.stop();
  }

  // --- Committed blocks ----------------------------------------------------------------------------------------------

  /** A committed block: what is read of it from now on is compared with this. */
  publish(block: Block, clusterId: HashHex | "", events: readonly LoggedEvent[]): void {
    this.note(block, clusterId, events);
    this.committed.add(block, events);
  }

  /** What was published before is known already; at the start of a process nothing is published. */
  onRecovered({ block, next, events }: RecoveredBlock, isPublished: boolean): void {
    if (isPublished) this.publish(block, next.clusterId, events);
    else this.note(block, next.clusterId, events);
  }

  private note(block: Block, clusterId: HashHex | "", events: readonly LoggedEvent[]): void {
    this.anchors.add(block.header, block.blockHash, clusterId as HashHex);
    const [first] = events;
    if (first !== undefined) this.blocks.add(block, first.record.previousHash);
  }

  /** A replica begins with what its store was found to hold. */
  begin(base: ChainState): void {
    this.anchors.begin(base);
    this.committed.begin({ height: base.height, size: base.range.size });
  }

  /** The entry of a block that is to be stored; null for one without events. */
  entryOfNew({ next, events, index }: Extract<Effect, { kind: "store_block" }>): IndexEntry | null {
    this.keys.onStoring(next.height, events);
    return this.index.entryOf(events, index);
  }

  /** Whether this is the block that was committed at its height. */
  isCommitted({ header, blockHash }: Pick<Block, "header" | "blockHash">): Promise<boolean> {
    return this.stored.isCommitted(header.height, blockHash);
  }

  /**
   * What is noted of the block that is committed at this height, and of the newest event below it. Throws AlteredBlock
   * where nothing is, and the stored headers do not lead there.
   */
  async committedAt(at: Height): ReturnType<Anchors["proofOf"]> {
    return this.anchors.proofAtHand(at) ?? this.anchors.proofOf(at);
  }

  /** The hash of the block that is committed at this height. Throws as `committedAt`. That of the genesis is always known. */
  readonly committedHash = async (at: Height): Promise<HashHex> =>
    at === 1 && this.anchors.genesis !== "" ? this.anchors.genesis : (await this.committedAt(at)).blockHash;

  /** As `committedHash`, for a recovery that begins at this block. */
  committedBelow(from: Block): ReturnType<Anchors["below"]> {
    return this.anchors.below(from);
  }

  /** A stored block with its requests, or null if it is missing or not what it should be. */
  soundBlock(at: Height): Promise<SoundBlock | null> {
    return this.stored.soundBlock(at);
  }

  // --- The replica's questions ---------------------------------------------------------------------------------------

  async readBlocks(effect: Extract<Effect, { kind: "read_blocks" }>, asker: Asker): Promise<void> {
    const { readId, from, bytesMax } = effect;
    let blocks: Block[] = [];
    try {
      blocks = await this.stored.readIntact(from, bytesMax);
    } catch (error) {
      this.parts.logger.warn({ err: error }, "blocks for a follower could not be read");
    }
    asker.submit({ kind: "blocks_read", now: this.parts.clock.now(), readId, blocks });
  }

  async lookUpKey(
    effect: Extract<Effect, { kind: "look_up_key" }>,
    asker: Asker,
    { isSecond = false } = {},
  ): Promise<void> {
    const { proposalId, sourceAppId, idempotencyKey } = effect;
    try {
      if (!this.index.isWhole) throw indexLost();
      const found = await this.keys.find(sourceAppId, idempotencyKey);
      asker.submit({ kind: "key_looked_up", ...this.time(), proposalId, found });
    } catch (error) {
      // A node that stops, or has lost its store, has said so already.
      if (!asker.isThere()) return;
      const isRebuilding = error instanceof StoreError && error.failure === "index_lost";
      if (isRebuilding) this.index.lost();
      if (!isSecond && !isRebuilding) return this.lookUpKey(effect, asker, { isSecond: true });
      const reason = isRebuilding ? "index_rebuilding" : "look_up_failed";
      if (!isRebuilding) this.parts.logger.warn({ err: error }, "an idempotency key could not be looked up");
      asker.submit({ kind: "key_look_up_failed", ...this.time(), proposalId, reason });
    }
  }

  // --- The index -----------------------------------------------------------------------------------------------------

  /** Before the replica runs: entries of verified blocks that a crash did not leave, or that somebody altered. */
  async putEntries(
    due: readonly { readonly block: Block; readonly entry: IndexEntry }[],
    standing: IndexStanding,
    settled: Height,
  ): Promise<void> {
    const { log } = this.parts.storage;
    const from = due[0]?.block.header.height as Height;
    const through = due.at(-1)?.block.header.height as Height;
    await log.beginIndexWork({ from, through }, false);
    const onDiffering = (entries: readonly DifferingEntry[]): void => this.tellDiffering(entries);
    const { differing } = await log.putEntries(due, { ownMayDiffer: false, noneMissingThrough: settled, onDiffering });
    const missing = due.length - differing.length;
    if (missing > 0) this.parts.logger.warn(`${missing} index entries were missing and have been made anew`);
    await log.endIndexWork(standing);
  }

  private onIndexWhole(): void {
    const wasGone = this.isIndexGone;
    this.isIndexGone = false;
    if (wasGone) this.parts.onIndexChange(false);
    this.keys.fill().catch((err) => {
      if (!this.isStopped)
        this.parts.logger.warn({ err }, "the filter of keys could not be filled: every key is looked up");
    });
  }

  private onIndexGone(): void {
    this.isIndexGone = true;
    this.keys.forget();
    this.parts.onIndexChange(true);
  }

  private tellDiffering(entries: readonly DifferingEntry[]): void {
    for (const entry of entries) {
      const { height: at, kept, isMissing = false } = entry;
      const where = kept === null ? "could not be kept" : "is in quarantine";
      const what = isMissing ? "missing; it" : `not what the block gives; it ${where}, and`;
      this.parts.onIndexFinding({
        kind: "index_differs",
        detail: `the index entry of block ${at} is ${what} is made anew`,
        entry,
      });
    }
  }

  private time(): { now: number; wall: string } {
    const { clock } = this.parts;
    return { now: clock.now(), wall: clock.wall() };
  }
}
