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
import type { Height, NodeId } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { StoreError } from "../storage/port.js";
import type { DriverOptions } from "./driver-ports.js";
import { type Asker, HeldLog } from "./held-log.js";
import { type Recovered, recover } from "./recovery.js";
import { endsProcess, recoverForEver } from "./recovery-loop.js";
import { StorageOperations } from "./storage-operations.js";
import { Ticks } from "./ticks.js";
import { ADMISSION_REASONS, noteLine, worded } from "./wording.js";

/**
 * Runs one replica: queue, step, persist, then send. Storage operations are done one after the other; after any that
 * fails the replica is thrown away and made anew from what its store really holds (crash before corruption).
 */
export class Driver {
  readonly log: HeldLog;
  private replica: Replica | null = null;
  /** Counts replicas: what an earlier one started must not reach a later one. */
  private generation = 0;
  private readonly inputs: Input[] = [];
  private isStepping = false;
  private readonly operations: StorageOperations;
  private readonly ticks: Ticks;
  private isStopped = false;
  /**
   * One recovery at a time: whatever is lost while it runs makes it begin anew. Until `start` has succeeded it is that of
   * `start`, also between two calls: what is lost then is found by the next one.
   */
  private isRecovering = true;
  private recovery: Promise<void> = Promise.resolve();

  constructor(private readonly options: DriverOptions) {
    const { storage, logger, clock, events, identity, config } = options;
    this.log = new HeldLog({
      ...{ storage, logger, clock },
      settings: options.log ?? {},
      heldThrough: () => this.heldThrough,
      durableHeight: () => this.replica?.durableHeight ?? null,
      inOrder: (work) => this.inOrder(work),
      onInvalidBlock: (at, detail) => events.onInvalidBlock(at, detail),
      onIndexFinding: (finding) => events.onIndexFinding(finding),
      onIndexChange: (isGone) => this.onIndexChange(isGone),
    });
    this.operations = new StorageOperations({
      log: storage.log,
      identity,
      entryOf: (operation) => this.log.entryOfNew(operation),
      onStored: ({ opId }) => this.submit({ kind: "stored", ...this.time(), opId }),
      onFailed: (error) => this.failed(error),
    });
    this.ticks = new Ticks({
      clock,
      heartbeatMs: config.heartbeatMs,
      pauseMs: config.electionTimeoutMs / 2,
      wakeAt: () => this.replica?.wakeAt ?? null,
      tick: () => this.submit({ kind: "tick", ...this.time() }),
      checkOwner: () => this.checkOwner(),
    });
    storage.log.onServerChange(() => this.lose("the connection to MongoDB was lost or its process changed"));
  }

  /** Recovers and starts ticking. Throws StoreError when the first recovery fails; it can be called again then. */
  async start(): Promise<Recovered> {
    const recovered = await this.recoverOnce();
    if (this.replica === null)
      throw new StoreError("unknown", "The connection to MongoDB was lost as soon as the log was recovered.");
    this.isRecovering = false;
    this.ticks.start();
    return recovered;
  }

  /** Up to here the store holds what was committed: below what was published while it is recovered, or has lost blocks. */
  get heldThrough(): Height {
    return this.replica?.footing.commitHeight ?? (0 as Height);
  }

  /** null while the store is being recovered. */
  view(): ReplicaView | null {
    return this.replica?.view(this.options.clock.now()) ?? null;
  }

  /** null while the store is being recovered. */
  standing(): ReplicaStanding | null {
    return this.replica?.standing(this.options.clock.now()) ?? null;
  }

  /** Not after a pause, until the owner of the database is known again. */
  get takesMessages(): boolean {
    return this.replica !== null && !this.ticks.isOwnerDoubtful;
  }

  /** null while the store is being recovered. */
  footing(): ReplicaFooting | null {
    return this.replica?.footing ?? null;
  }

  /** A block of the log's end, as it is in memory; none while the store is being recovered. */
  heldBlock(at: Height): Block | undefined {
    return this.replica?.heldBlock(at);
  }

  /** null while the store is being recovered. */
  load(): (ReplicaLoad & { readonly storageOperations: number }) | null {
    const { replica, operations } = this;
    return replica === null ? null : { ...replica.load, storageOperations: operations.length };
  }

  submit(input: Input): void {
    if (this.replica === null) return;
    // As if the network had lost it.
    if (input.kind === "message" && !this.takesMessages) return void this.ticks.checkOwner();
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
    this.ticks.scheduleWake();
  }

  propose(proposals: Extract<Input, { kind: "propose" }>["proposals"]): boolean {
    if (this.replica === null) return false;
    this.submit({ kind: "propose", ...this.time(), proposals });
    return true;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.ticks.stop();
    this.drop();
    this.log.stop();
    const stored = this.operations.stop();
    await this.recovery;
    // Ownership is given up only after the write under way.
    await stored;
  }

  /**
   * Between the replica's own writes. Not while the store is being recovered: nobody knows yet what it holds, and whether a
   * truncation will be finished.
   */
  async inOrder(work: () => Promise<void>): Promise<void> {
    if (this.replica === null) throw new StoreError("not_stored", "The store is being recovered.");
    return this.operations.inOrder(work);
  }

  /**
   * Takes the replica away while something is done to what it stored, and recovers from what is there then: it acknowledges
   * nothing meanwhile. The work is told the highest block that was durable here. Rejects with what it throws, and where there
   * is no replica.
   */
  aside(reason: string, work: (durable: Height) => Promise<void>): Promise<void> {
    const { replica } = this;
    if (replica === null || this.isRecovering)
      return Promise.reject(new StoreError("not_stored", "The store is being recovered."));
    const { durableHeight } = replica;
    return new Promise((resolve, reject) => {
      this.lose(reason, async () => {
        await this.operations.underWay;
        await work(durableHeight).then(resolve, reject);
      });
    });
  }

  private time(): { now: number; wall: string } {
    const { clock } = this.options;
    return { now: clock.now(), wall: clock.wall() };
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
        void this.log.readBlocks(effect, this.asker());
        return;
      case "look_up_key":
        void this.log.lookUpKey(effect, this.asker());
        return;
      case "committed":
        this.commit(effect);
        return this.options.events.onEffect(effect);
      case "note": {
        const { level, text } = noteLine(this.options.config.self.id, effect.note);
        this.options.logger[level](text);
        return this.options.events.onEffect(effect);
      }
      case "alert":
        return this.options.events.onAlert(worded(effect.alert));
      default:
        return this.options.events.onEffect(effect);
    }
  }

  private asker(): Asker {
    const { generation } = this;
    const isThere = (): boolean => generation === this.generation;
    return { isThere, submit: (input) => isThere() && this.submit(input) };
  }

  private commit(effect: Extract<Effect, { kind: "committed" }>): void {
    for (const { block, next, events } of effect.blocks) {
      this.log.publish(block, next.clusterId, events);
      if (block.header.height === 1) this.noteFormed(next.clusterId);
    }
    const last = effect.blocks.at(-1)?.next;
    if (last === undefined) return;
    this.log.keys.onCommitted(last.height);
    this.operations.onCommitted(last);
    this.options.identity.recordMark({ term: last.term, height: last.height, hash: last.blockHash });
  }

  private noteFormed(formedClusterId: string): void {
    void this.options.identity.update({ formedClusterId }).catch((error) => this.failed(error));
  }

  /** A node whose index is not whole can say of no key that it is new: others lead better. */
  private onIndexChange(isGone: boolean): void {
    this.options.events.onIndexChange();
    if (isGone) this.submit({ kind: "hand_over", ...this.time(), target: null });
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

  // --- The store fails, and is opened again --------------------------------------------------------------------------

  private failed(error: unknown): void {
    if (this.isStopped) return;
    if (endsProcess(error)) {
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

  private lose(reason: string, first?: () => Promise<void>): void {
    if (this.isStopped) return;
    this.submit({ kind: "store_lost", now: this.options.clock.now() });
    this.drop();
    this.log.index.stop();
    if (this.isRecovering) return;
    this.isRecovering = true;
    const { logger, clock, events } = this.options;
    logger.warn(`the replica is made anew from what its store holds: ${reason}`);
    events.onReplicaLost(reason);
    this.recovery = recoverForEver({
      first,
      ...{ logger, clock },
      recoverOnce: () => this.recoverOnce(),
      isStopped: () => this.isStopped,
      isOver: () => {
        // Lost again just now: `lose` has left it to this loop.
        if (this.replica === null) return false;
        this.isRecovering = false;
        return true;
      },
      onFatal: (error) => events.onFatal(error),
    });
  }

  private async recoverOnce(): Promise<Recovered> {
    const { options, log, generation } = this;
    const { remembered } = this.operations;
    const recovered = await recover({
      log: options.storage.log,
      identity: options.identity,
      verifyBlock: options.verifyBlock,
      clock: options.clock,
      verifiedTail: options.log?.verifiedTail,
      memberCount: options.config.configured.length,
      remembered,
      publishedHeight: remembered === null ? null : log.committed.height,
      committedBelow: (from) => log.committedBelow(from),
      onCommitted: (block) => log.onRecovered(block, remembered !== null),
      entryOf: ({ events, index }, standing) => log.index.entryOf(events, index ?? undefined, standing.paths),
      onDifferingEntries: (...found) => log.putEntries(...found),
      onWarning: (text) => options.logger.warn(text),
      onInvalidBlock: (at, detail) => options.events.onInvalidBlock(at, detail),
    });
    if (generation !== this.generation || this.isStopped)
      throw new StoreError("unknown", "The connection to MongoDB was lost while the log was being recovered.");
    this.begin(recovered);
    return recovered;
  }

  private begin({ boot, opened }: Recovered): void {
    const { identity, events } = this.options;
    this.operations.begin(boot);
    const { clusterId, term, height, blockHash } = boot.base;
    // Written when the genesis was committed; a crash in between, or an older copy of the file, is made good here.
    if (clusterId !== "" && identity.identity.formedClusterId === null) this.noteFormed(clusterId);
    this.log.begin(boot.base);
    // Perhaps only an uncommitted block says so yet, which a truncation may take away.
    if (height > 0) identity.recordMark({ term, height, hash: blockHash });
    this.replica = this.makeReplica(boot, opened.storeId);
    // Before a key is looked up, and before anything is stored.
    this.log.index.begin(opened.index);
    events.onRecovered(boot.commitHeight);
    // The database has just been claimed.
    this.ticks.ownerIsKnown();
    this.submit({ kind: "tick", ...this.time() });
  }

  private makeReplica(boot: BootState, storeId: string): Replica {
    const { config, identity, signer, verifyBlock, clock } = this.options;
    const configured: ReplicaConfig = {
      ...config,
      self: { ...config.self, storeId, keys: signer.keys },
      formedClusterId: identity.identity.formedClusterId,
      seed: Number.parseInt(clock.randomHex(4), 16),
      genesisNonce: clock.randomHex(16),
      nextJoinNonce: clock.randomHex(16),
      admissionReasons: ADMISSION_REASONS,
    };
    return new Replica(configured, boot, { signer: signer.block, verifyBlock });
  }
}
