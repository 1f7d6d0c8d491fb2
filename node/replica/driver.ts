import type { Logger } from "pino";
import { Replica } from "../../cluster/replica.js";
import type {
  BootState,
  Effect,
  Input,
  ReplicaConfig,
  ReplicaFooting,
  ReplicaLoad,
  ReplicaStanding,
  ReplicaView,
} from "../../cluster/types.js";
import type { HashHex, Height, NodeId } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { BlockVerifier } from "../../shared/log/chain.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import { ownRun } from "../../shared/log/index.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { type Clock, delay } from "../clock.js";
import type { NodeSigner } from "../host/signer.js";
import { type IndexEntry, type IndexStanding, indexLost, type Storage, StoreError } from "../storage/port.js";
import { ANCHOR_MEMORY, type AnchorMemory, Anchors } from "./anchors.js";
import { type SoundBlock, StoredBlocks } from "./blocks.js";
import { CommittedEvents } from "./committed.js";
import { IndexKeeper } from "./index-keeper.js";
import { KeyLookUps } from "./key-look-ups.js";
import { OwnerCheck } from "./owner-check.js";
import { ProvedBlocks } from "./proved-blocks.js";
import { type NodeIdentity, type Recovered, type RecoveredBlock, recover, type VerifiedTail } from "./recovery.js";
import { StorageOperations } from "./storage-operations.js";

const RECOVERY_RETRY_MS = 500;
const RECOVERY_RETRY_MS_MAX = 5_000;

export interface DriverOptions {
  readonly config: Omit<ReplicaConfig, "self" | "seed" | "genesisNonce" | "nextJoinNonce" | "formedClusterId"> & {
    readonly self: Omit<ReplicaConfig["self"], "storeId" | "keys">;
  };
  readonly storage: Storage;
  readonly identity: NodeIdentity;
  readonly signer: Pick<NodeSigner, "keys" | "block">;
  readonly verifyBlock: BlockVerifier;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly clock: Clock;
  readonly send: (message: PeerMessage, ref?: number) => void;
  readonly events: DriverEvents;
  readonly log?: Partial<LogSettings>;
}

/** What a driver tells its node. */
export interface DriverEvents {
  /** Of effects that are neither its store's nor its peers' alone: of writes, reads, blocks, alerts, roles. */
  onEffect(effect: Effect): void;
  /** The replica was lost with its store: whatever was proposed and not sealed is certainly not written. */
  onReplicaLost(reason: string): void;
  /** Everything up to `commitHeight` is committed; blocks between were not announced one by one. */
  onRecovered(commitHeight: Height): void;
  onInvalidBlock(at: Height, detail: string): void;
  /** What somebody did to entries of the index, or to keys of events: as an alert says it. */
  onIndexFinding(finding: IndexFinding): void;
  /** The index was lost, or is whole again: whether this node should lead has changed. */
  onIndexChange(): void;
  /** This process must end: the database belongs to another one, or cannot be used. */
  onFatal(error: Error): void;
}

/** How a node treats its log beside the replica. */
export interface LogSettings {
  /** How much of the log's end each recovery verifies; by default what any retried write can reach back to. */
  readonly verifiedTail: VerifiedTail;
  readonly memory: Partial<DriverMemory>;
  /** Paths of payloads that are indexed. */
  readonly indexedPaths: readonly string[];
  /** Derives the own terms of a block's entry. */
  readonly ownRun: typeof ownRun;
}

export interface DriverMemory {
  /** Proved blocks that reads are answered from, in bytes of memory. */
  readonly cacheBytesMax: number;
  /** The filter of keys that were never used. */
  readonly keyFilterBytes: number;
  readonly anchors: AnchorMemory;
}
const MEMORY: DriverMemory = {
  cacheBytesMax: 32 * 1024 * 1024,
  keyFilterBytes: 8 * 1024 * 1024,
  anchors: ANCHOR_MEMORY,
};

export interface IndexFinding {
  readonly kind: "index_differs" | "key_repeated";
  readonly detail: string;
  readonly height: Height;
}

/**
 * Runs one replica: queue, step, persist, then send. Storage operations are done one after the other; after any that
 * fails the replica is thrown away and made anew from what its store really holds (crash before corruption).
 */
export class Driver {
  readonly committed = new CommittedEvents();
  readonly blocks: ProvedBlocks;
  readonly index: IndexKeeper;
  private readonly keys: KeyLookUps;
  private readonly anchors: Anchors;
  private replica: Replica | null = null;
  /** Counts replicas: what an earlier one started must not reach a later one. */
  private generation = 0;
  private readonly inputs: Input[] = [];
  private isStepping = false;
  private readonly operations: StorageOperations;
  private readonly clock: Clock;
  private readonly stored: StoredBlocks;
  private stopTicking = (): void => {};
  private cancelWake: (() => void) | null = null;
  private isStopped = false;
  /**
   * One recovery at a time: whatever is lost while it runs makes it begin anew. Until `start` has succeeded it is that of
   * `start`, also between two calls: what is lost then is found by the next one.
   */
  private isRecovering = true;
  private recovery: Promise<void> = Promise.resolve();
  private readonly owner: OwnerCheck;

  constructor(private readonly options: DriverOptions) {
    this.clock = options.clock;
    const pauseMs = options.config.electionTimeoutMs / 2;
    this.owner = new OwnerCheck({ clock: this.clock, pauseMs, check: () => this.checkOwner() });
    const { storage, logger, events, log: settings = {} } = options;
    const memory = { ...MEMORY, ...settings.memory };
    const onInvalidBlock = (at: Height, detail: string): void => events.onInvalidBlock(at, detail);
    // What this process has published may be gone with its store, and come back from the others: nobody altered it.
    const heldThrough = (): Height => this.heldThrough;
    this.anchors = new Anchors({
      store: storage.log,
      reader: storage.reader,
      memory: memory.anchors,
      heldThrough,
      inOrder: (write) => this.operations.inOrder(write),
      onWarning: (err, text) => logger.warn({ err }, text),
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
      durableHeight: () => this.footing()?.durableHeight ?? this.committed.height,
      onInvalidBlock,
    });
    this.keys = new KeyLookUps({
      keys: storage.keys,
      clock: this.clock,
      filterBytes: memory.keyFilterBytes,
      eventsOf: async (at) => (await this.stored.soundBlock(at))?.events ?? null,
      onRepeated: ({ sourceAppId, idempotencyKey }, heights) =>
        events.onIndexFinding({
          kind: "key_repeated",
          detail: `the idempotency key ${JSON.stringify(idempotencyKey)} of ${JSON.stringify(sourceAppId)} stands in blocks ${heights.join(", ")}`,
          height: heights.at(-1) as Height,
        }),
      onWarning: (err, text) => logger.warn({ err }, text),
    });
    this.operations = new StorageOperations({
      log: storage.log,
      identity: options.identity,
      entryOf: ({ next, events, index }) => {
        this.keys.onStoring(next.height, events);
        return this.index.entryOf(events, index);
      },
      onStored: ({ opId }) => this.submit({ kind: "stored", ...this.time(), opId }),
      onFailed: (error) => this.failed(error),
    });
    this.index = new IndexKeeper({
      store: storage.log,
      reader: storage.reader,
      blocks: this.blocks,
      clock: this.clock,
      paths: settings.indexedPaths ?? [],
      ownRun: settings.ownRun ?? ownRun,
      inOrder: (work) => this.indexWork(work),
      heights: () => ({
        committed: this.committed.height,
        durable: this.footing()?.durableHeight ?? this.committed.height,
      }),
      onWhole: () => this.onIndexWhole(),
      onLost: () => this.onIndexGone(),
      onDiffering: (heights) => this.tellDiffering(heights),
      log: (level, text, error) => (error === undefined ? logger[level](text) : logger[level]({ err: error }, text)),
    });
    options.storage.log.onServerChange(() => this.lose("the connection to MongoDB was lost or its process changed"));
  }

  /** Recovers and starts ticking. Throws StoreError when the first recovery fails; it can be called again then. */
  async start(): Promise<Recovered> {
    const recovered = await this.recoverOnce();
    if (this.replica === null)
      throw new StoreError("unknown", "The connection to MongoDB was lost as soon as the log was recovered.");
    this.isRecovering = false;
    const everyMs = Math.max(5, Math.floor(this.options.config.heartbeatMs / 4));
    this.stopTicking = this.clock.every(everyMs, () => this.tick());
    return recovered;
  }

  /** Up to here the store holds what was committed: below what was published while it is recovered, or has lost blocks. */
  get heldThrough(): Height {
    return this.replica?.footing.commitHeight ?? (0 as Height);
  }

  /** null while the store is being recovered. */
  view(): ReplicaView | null {
    return this.replica?.view(this.clock.now()) ?? null;
  }

  /** null while the store is being recovered. */
  standing(): ReplicaStanding | null {
    return this.replica?.standing(this.clock.now()) ?? null;
  }

  /** Not after a pause, until the owner of the database is known again. */
  get takesMessages(): boolean {
    return this.replica !== null && !this.owner.isDue;
  }

  /** null while the store is being recovered. */
  footing(): ReplicaFooting | null {
    return this.replica?.footing ?? null;
  }

  /** null while the store is being recovered. */
  load(): (ReplicaLoad & { readonly storageOperations: number }) | null {
    const { replica, operations } = this;
    return replica === null ? null : { ...replica.load, storageOperations: operations.length };
  }

  submit(input: Input): void {
    if (this.replica === null) return;
    // As if the network had lost it.
    if (input.kind === "message" && !this.takesMessages) return void this.owner.run();
    this.inputs.push(input);
    if (this.isStepping) return;
    this.isStepping = true;
    try {
      for (let next = this.inputs.shift(); next !== undefined; next = this.inputs.shift()) {
        const effects: Effect[] | undefined = this.replica?.step(next);
        for (const effect of effects ?? []) this.perform(effect);
      }
    } catch (error) {
      // Half of its effects may be done: nothing is said or stored by that state any more, and its process ends.
      this.drop();
      this.options.events.onFatal(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      this.isStepping = false;
    }
    this.scheduleWake();
  }

  propose(proposal: Extract<Input, { kind: "propose" }>["proposal"]): boolean {
    if (this.replica === null) return false;
    this.submit({ kind: "propose", ...this.time(), proposal });
    return true;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.stopTicking();
    this.cancelWake?.();
    this.drop();
    this.index.stop();
    const stored = this.operations.stop();
    await this.recovery;
    // Ownership is given up only after the write under way.
    await stored;
  }

  /** Not while the store is being recovered: nobody knows yet what it holds, and whether a truncation will be finished. */
  private async indexWork(work: () => Promise<void>): Promise<void> {
    if (this.replica === null) throw new StoreError("not_stored", "The store is being recovered.");
    return this.operations.inOrder(work);
  }

  private time(): { now: number; wall: string } {
    return { now: this.clock.now(), wall: this.clock.wall() };
  }

  private tick(): void {
    this.owner.onTick();
    this.submit({ kind: "tick", ...this.time() });
  }

  private async checkOwner(): Promise<void> {
    const { generation } = this;
    if (this.replica === null) return;
    try {
      await this.options.storage.log.checkOwner();
    } catch (error) {
      // A store that was opened again meanwhile has been claimed anew.
      if (generation === this.generation) this.failed(error);
    }
  }

  private scheduleWake(): void {
    const at = this.replica?.wakeAt ?? null;
    if (at === null || this.cancelWake !== null) return;
    this.cancelWake = this.clock.after(Math.max(0, at - this.clock.now()), () => {
      this.cancelWake = null;
      this.submit({ kind: "tick", ...this.time() });
    });
  }

  private perform(effect: Effect): void {
    switch (effect.kind) {
      case "save_state":
      case "save_mark":
      case "store_block":
      case "truncate":
        return this.operations.push(effect);
      case "send":
        return this.options.send(effect.message, effect.ref);
      case "read_blocks":
        void this.readBlocks(effect.readId, effect.from, effect.bytesMax);
        return;
      case "look_up_key":
        void this.lookUpKey(effect);
        return;
      case "committed":
        this.commit(effect);
        return this.options.events.onEffect(effect);
      case "log":
        return this.options.logger[effect.level](effect.text);
      default:
        return this.options.events.onEffect(effect);
    }
  }

  private commit(effect: Extract<Effect, { kind: "committed" }>): void {
    for (const { block, next, events } of effect.blocks) {
      this.publish(block, next.clusterId, events);
      if (block.header.height === 1) {
        void this.options.identity.update({ formedClusterId: next.clusterId }).catch((error) => this.failed(error));
      }
    }
    const last = effect.blocks.at(-1)?.next;
    if (last === undefined) return;
    this.keys.onCommitted(last.height);
    this.operations.onCommitted(last);
    this.options.identity.recordMark({ term: last.term, height: last.height, hash: last.blockHash });
  }

  /** A committed block: what is read of it from now on is compared with this. */
  private publish(block: Block, clusterId: HashHex | "", events: readonly LoggedEvent[]): void {
    this.anchors.add(block.header, block.blockHash, clusterId as HashHex);
    const [first] = events;
    if (first !== undefined) this.blocks.add(block, first.record.previousHash);
    this.committed.add(block, events);
  }

  private async readBlocks(readId: number, from: Height, bytesMax: number): Promise<void> {
    const { generation } = this;
    let blocks: Block[] = [];
    try {
      blocks = await this.stored.readIntact(from, bytesMax);
    } catch (error) {
      this.options.logger.warn({ err: error }, "blocks for a follower could not be read");
    }
    if (generation === this.generation) this.submit({ kind: "blocks_read", now: this.clock.now(), readId, blocks });
  }

  private async lookUpKey(effect: Extract<Effect, { kind: "look_up_key" }>, isSecond = false): Promise<void> {
    const { generation } = this;
    const { proposalId, sourceAppId, idempotencyKey } = effect;
    try {
      if (!this.index.isWhole) throw indexLost();
      const found = await this.keys.find(sourceAppId, idempotencyKey);
      if (generation === this.generation) this.submit({ kind: "key_looked_up", ...this.time(), proposalId, found });
    } catch (error) {
      // A node that stops, or has lost its store, has said so already.
      if (generation !== this.generation) return;
      const isRebuilding = error instanceof StoreError && error.failure === "index_lost";
      if (isRebuilding) this.index.lost();
      if (!isSecond && !isRebuilding) return this.lookUpKey(effect, true);
      const reason = isRebuilding ? "index_rebuilding" : "look_up_failed";
      if (!isRebuilding) this.options.logger.warn({ err: error }, "an idempotency key could not be looked up");
      this.submit({ kind: "key_look_up_failed", ...this.time(), proposalId, reason });
    }
  }

  // --- The index -----------------------------------------------------------------------------------------------------

  private isIndexGone = false;
  /** A node whose index is not whole can say of no key that it is new: others lead better. */
  get campaignsLateForIndex(): boolean {
    return this.isIndexGone;
  }

  /** A read found that the index is not whole. */
  onIndexLost(): void {
    this.index.lost();
  }
  /** A read found an entry that says what its block does not. */
  onIndexDiffers(at: Height): void {
    this.index.differs(at);
  }

  private onIndexWhole(): void {
    const wasGone = this.isIndexGone;
    this.isIndexGone = false;
    if (wasGone) this.options.events.onIndexChange();
    const fill = (): void => {
      this.keys.fill().catch((err) => {
        if (!this.isStopped)
          this.options.logger.warn({ err }, "the filter of keys could not be filled: every key is looked up");
      });
    };
    fill();
  }

  private onIndexGone(): void {
    this.isIndexGone = true;
    this.keys.forget();
    this.options.events.onIndexChange();
    this.submit({ kind: "hand_over", ...this.time(), target: null });
  }

  private tellDiffering(heights: readonly Height[]): void {
    for (const at of heights)
      this.options.events.onIndexFinding({
        kind: "index_differs",
        detail: `the index entry of block ${at} is not what the block gives; it is in quarantine, and is made anew`,
        height: at,
      });
  }

  /** Whether this is the block that was committed at its height. */
  isCommitted({ header, blockHash }: Pick<Block, "header" | "blockHash">): Promise<boolean> {
    return this.stored.isCommitted(header.height, blockHash);
  }

  /** A stored block with its events, or null if it is missing or not what it should be. */
  soundBlock(at: Height): Promise<SoundBlock | null> {
    return this.stored.soundBlock(at);
  }

  /** How many nodes have what is committed, at least. */
  get majority(): number {
    return Math.floor(this.options.config.configured.length / 2) + 1;
  }

  /** Which nodes have this block durable, as far as this node knows: all that matter if it leads. */
  holders(at: Height): NodeId[] {
    const view = this.view();
    if (view === null || view.durableHeight < at) return [];
    const peers = view.peers.filter((peer) => peer.isVoter && peer.matchHeight >= at).map((peer) => peer.id);
    return [this.options.config.self.id, ...peers].sort();
  }

  private failed(error: unknown): void {
    if (this.isStopped) return;
    if (error instanceof StoreError && (error.failure === "not_owner" || error.failure === "unfit")) {
      this.drop();
      return this.options.events.onFatal(error);
    }
    this.lose(error instanceof Error ? error.message : String(error));
  }

  private drop(): void {
    this.generation += 1;
    this.replica = null;
    this.inputs.length = 0;
    this.operations.drop();
  }

  private lose(reason: string): void {
    if (this.isStopped) return;
    this.submit({ kind: "store_lost", now: this.clock.now() });
    this.drop();
    this.index.stop();
    if (this.isRecovering) return;
    this.isRecovering = true;
    this.options.logger.warn(`the store failed (${reason}): recovering from what it holds`);
    this.options.events.onReplicaLost(reason);
    this.recovery = this.recoverForEver();
  }

  private async recoverForEver(): Promise<void> {
    for (let delayMs = RECOVERY_RETRY_MS; !this.isStopped; delayMs = Math.min(RECOVERY_RETRY_MS_MAX, 2 * delayMs)) {
      try {
        await this.recoverOnce();
        // Lost again just now: `lose` has left it to this loop.
        if (this.replica === null) continue;
        this.isRecovering = false;
        this.options.logger.info("the store is recovered");
        return;
      } catch (error) {
        if (this.isStopped) return;
        if (error instanceof StoreError && (error.failure === "not_owner" || error.failure === "unfit"))
          return this.options.events.onFatal(error);
        this.options.logger.warn({ err: error }, "the store cannot be recovered yet: trying again");
        await delay(this.clock, delayMs);
      }
    }
  }

  private async recoverOnce(): Promise<Recovered> {
    const { options } = this;
    const { generation } = this;
    const { remembered } = this.operations;
    const recovered = await recover({
      log: options.storage.log,
      identity: options.identity,
      verifyBlock: options.verifyBlock,
      clock: this.clock,
      verifiedTail: options.log?.verifiedTail,
      memberCount: options.config.configured.length,
      remembered,
      publishedHeight: remembered === null ? null : this.committed.height,
      onCommitted: (block) => this.onRecoveredBlock(block, remembered !== null),
      entryOf: ({ events, index }, standing) => this.index.entryOf(events, index ?? undefined, standing.paths),
      onDifferingEntries: (due, standing) => this.putEntries(due, standing),
      onWarning: (text) => options.logger.warn(text),
      onInvalidBlock: (at, detail) => options.events.onInvalidBlock(at, detail),
    });
    if (generation !== this.generation || this.isStopped)
      throw new StoreError("unknown", "The connection to MongoDB was lost while the log was being recovered.");
    this.begin(recovered);
    return recovered;
  }

  /** What was published before is known already; at the start of a process nothing is published. */
  private onRecoveredBlock({ block, next, events }: RecoveredBlock, isPublished: boolean): void {
    if (isPublished) return this.publish(block, next.clusterId, events);
    this.anchors.add(block.header, block.blockHash, next.clusterId as HashHex);
    const [first] = events;
    if (first !== undefined) this.blocks.add(block, first.record.previousHash);
  }

  /** Before the replica runs: entries of verified blocks that a crash did not leave, or that somebody altered. */
  private async putEntries(
    due: readonly { readonly block: Block; readonly entry: IndexEntry }[],
    standing: IndexStanding,
  ): Promise<void> {
    const { log } = this.options.storage;
    const from = due[0]?.block.header.height as Height;
    const through = due.at(-1)?.block.header.height as Height;
    await log.beginIndexWork({ from, through }, false);
    const onDiffering = (heights: readonly Height[]): void => this.tellDiffering(heights);
    const { differing } = await log.putEntries(due, { ownMayDiffer: false, onDiffering });
    const missing = due.length - differing.length;
    if (missing > 0) this.options.logger.warn(`${missing} index entries were missing and have been made anew`);
    await log.endIndexWork(standing);
  }

  private begin({ boot, opened }: Recovered): void {
    const { options } = this;
    this.operations.begin(boot);
    const { clusterId } = boot.base;
    // Written when the genesis was committed; a crash in between, or an older copy of the file, is made good here.
    if (clusterId !== "" && options.identity.identity.formedClusterId === null)
      void options.identity.update({ formedClusterId: clusterId }).catch((error) => this.failed(error));
    this.anchors.begin(boot.base);
    this.committed.begin({ height: boot.base.height, size: boot.base.range.size });
    // Perhaps only an uncommitted block says so yet, which a truncation may take away.
    const { term, height, blockHash } = boot.base;
    if (height > 0) options.identity.recordMark({ term, height, hash: blockHash });
    this.replica = this.makeReplica(boot, opened.storeId);
    // Before a key is looked up, and before anything is stored.
    this.index.begin(opened.index);
    options.events.onRecovered(boot.commitHeight);
    // The database has just been claimed.
    this.owner.begin();
    this.submit({ kind: "tick", ...this.time() });
  }

  private makeReplica(boot: BootState, storeId: string): Replica {
    const { config, identity, signer, verifyBlock } = this.options;
    const { clock } = this;
    const configured: ReplicaConfig = {
      ...config,
      self: { ...config.self, storeId, keys: signer.keys },
      formedClusterId: identity.identity.formedClusterId,
      seed: Number.parseInt(clock.randomHex(4), 16),
      genesisNonce: clock.randomHex(16),
      nextJoinNonce: clock.randomHex(16),
    };
    return new Replica(configured, boot, { signer: signer.block, verifyBlock });
  }
}
