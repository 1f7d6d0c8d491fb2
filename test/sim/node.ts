import { Replica } from "../../cluster/replica.js";
import type { Effect, Input, ReplicaConfig, ReplicaView } from "../../cluster/types.js";
import type { HashHex, Height, NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/peer.js";
import type { Checkers } from "./checkers/checkers.js";
import type { Disk } from "./disk.js";
import { fakeSigner, fakeVerifier } from "./fake-crypto.js";
import { Gateway } from "./gateway.js";
import type { Random } from "./random.js";
import { freshHardState, recover } from "./recovery.js";
import type { Scheduler } from "./scheduler.js";
import { StoreQueue } from "./store-queue.js";
import type { SimTiming } from "./timing.js";
import { describeEffect, describeInput, type Trace } from "./trace.js";

/** An input without the clocks: the node reads them when the input is handled, which after a pause is later. */
type WithoutClocks<I> = I extends Input ? Omit<I, "now" | "wall"> : never;
export type BareInput = WithoutClocks<Input>;

/** What a node needs of the world around it. */
export interface NodeSurroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly trace: Trace;
  readonly checkers: Checkers;
  readonly timing: SimTiming;
  readonly configured: ReplicaConfig["configured"];
  readonly admitsNewKeys: boolean;
  readonly transmit: (message: PeerMessage) => void;
  readonly forward: Gateway["forwardPort"];
  readonly onProcessEnd: (node: SimNode) => void;
}

/** One simulated process: a Replica, its driver (queue, step, persist, send) and its disk. */
export class SimNode {
  replica: Replica | null = null;
  /** Counts starts; what was begun by an earlier boot is ignored when it completes. */
  boot = 0;
  isPaused = false;
  readonly store: StoreQueue;
  readonly gateway: Gateway;
  /** Committed block hashes that this boot knows. */
  committed = new Map<Height, HashHex>();
  /** How fast this node's clock runs, and how far its wall clock is off. */
  clockRate = 1;
  wallOffsetMs = 0;
  /** Sees every effect before it is done; a scenario's way to interfere. */
  onEffect: ((effect: Effect) => void) | null = null;

  private bootedAt = 0;
  private clockBase = 0;
  /** Inputs that arrive while the process is stopped. */
  private inbox: BareInput[] = [];
  private lastRef = 0;
  private wakesAt: number | null = null;
  private isMarking = false;

  constructor(
    readonly id: NodeId,
    readonly disk: Disk,
    private readonly around: NodeSurroundings,
  ) {
    this.store = new StoreQueue(
      disk,
      { scheduler: around.scheduler, random: around.random, latencyMs: around.timing.diskLatencyMs },
      (operation) => around.checkers.onDurable(this, operation),
      (operation) => this.onStored(operation.opId),
      () => !this.isPaused,
    );
    this.gateway = new Gateway(this, around.scheduler, around.timing, around.forward);
  }

  get isUp(): boolean {
    return this.replica !== null;
  }

  /** Monotonic milliseconds of this process; begins anywhere at each boot. */
  get now(): number {
    return this.clockBase + Math.floor((this.around.scheduler.now - this.bootedAt) * this.clockRate);
  }

  get wall(): string {
    return new Date(WALL_EPOCH_MS + this.around.scheduler.now + this.wallOffsetMs).toISOString();
  }

  get view(): ReplicaView {
    if (this.replica === null) throw new Error(`${this.id} is down`);
    return this.replica.view(this.now);
  }

  /** Recovers from the disk and starts ticking. */
  start(): void {
    const { scheduler, random, timing, trace, checkers } = this.around;
    if (this.replica !== null) throw new Error(`${this.id} is up already`);
    this.boot += 1;
    this.bootedAt = scheduler.now;
    this.isMarking = false;
    this.clockBase = random.between(1, 1_000_000);
    this.disk.hardState ??= freshHardState(random.hex(16));
    const boot = recover(this.disk, this.disk.hardState, {
      baseLag: random.chance(0.2) ? random.between(0, 5) : 0,
      recentSinceMs: scheduler.now - 2 * timing.requestTimeoutMs,
    });
    trace.add(`${this.id} start: tail ${this.disk.tailHeight} commit ${boot.commitHeight} t${boot.hardState.term}`);
    this.committed = new Map(
      this.disk.entries.slice(0, boot.commitHeight).map(({ block }) => [block.header.height, block.blockHash]),
    );
    checkers.onBoot(this, boot);
    this.replica = new Replica(this.config(), boot, {
      signer: fakeSigner(this.disk.identity.keys.block),
      verifier: fakeVerifier,
    });
    const { boot: current } = this;
    scheduler.after(random.between(0, timing.tickMs), () => this.tickFor(current));
    // Recovery brought the projection up to the commit height before the node began.
    this.handle({ kind: "projected", treeSize: this.disk.projectedThrough });
  }

  private config(): ReplicaConfig {
    const { random, timing, configured, admitsNewKeys } = this.around;
    const priority = configured.find((member) => member.id === this.id)?.priority ?? 0;
    const { storeId, identity } = this.disk;
    return {
      self: { id: this.id, address: `http://${this.id}.test`, priority, storeId, keys: identity.keys },
      configured,
      heartbeatMs: timing.heartbeatMs,
      electionTimeoutMs: timing.electionTimeoutMs,
      requestTimeoutMs: timing.requestTimeoutMs,
      takeoverCooldownMs: timing.takeoverCooldownMs,
      admitsNewKeys,
      formedClusterId: identity.formedClusterId,
      seed: random.uint32(),
      genesisNonce: random.hex(16),
      nextJoinNonce: random.hex(16),
    };
  }

  /** Loses everything volatile. The operation being written may or may not have reached the disk. */
  crash(): void {
    if (this.replica === null) return;
    this.replica = null;
    this.boot += 1;
    const { hasLanded } = this.store.lose();
    this.around.trace.add(`${this.id} crash${hasLanded ? " (the write landed)" : ""}`);
    this.isPaused = false;
    this.inbox = [];
    this.gateway.reset();
    this.around.onProcessEnd(this);
  }

  /** Stops the process without ending it; what arrives waits. */
  pause(): void {
    this.around.trace.add(`${this.id} pause`);
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    const { trace, random } = this.around;
    trace.add(`${this.id} resume, ${this.inbox.length} inputs waiting`);
    this.isPaused = false;
    const waiting = this.inbox;
    this.inbox = [];
    // The overdue timer may fire before the sockets are read, or after.
    if (random.chance(0.5)) waiting.unshift({ kind: "tick" });
    else waiting.push({ kind: "tick" });
    for (const input of waiting) this.input(input);
    this.store.next();
  }

  /** A message arrives; the reference given to the replica names the connection that it came over. */
  receive(message: PeerMessage): void {
    this.lastRef += 1;
    const ref = this.around.random.chance(0.7) ? this.lastRef : undefined;
    this.input({ kind: "message", message, ...(ref === undefined ? {} : { ref }) });
  }

  input(input: BareInput): void {
    if (this.replica === null) return;
    if (this.isPaused) this.inbox.push(input);
    else this.handle(input);
  }

  private handle(bare: BareInput): void {
    const { replica } = this;
    if (replica === null) return;
    const { trace, checkers } = this.around;
    const input = { ...bare, now: this.now, wall: this.wall } as Input;
    if (input.kind !== "tick") trace.add(`${this.id} ${describeInput(input)}`);
    const effects = replica.step(input);
    checkers.onStep(this, input, effects);
    for (const effect of effects) {
      // A crash inside the list is a crash of the driver between two effects.
      if (this.replica !== replica) return;
      trace.add(`${this.id} ${describeEffect(effect)}`);
      checkers.onEffect(this, effect);
      this.onEffect?.(effect);
      this.perform(effect);
    }
    if (this.replica !== replica) return;
    checkers.onView(this, this.view, this.store.waiting);
    this.wakeWhenDue(replica);
  }

  /** A tick out of turn, where the replica asks for one. */
  private wakeWhenDue(replica: Replica): void {
    const due = replica.wakeAt;
    if (due === null || due === this.wakesAt) return;
    this.wakesAt = due;
    this.around.scheduler.after((due - this.now) / this.clockRate, () => {
      if (this.replica === replica && !this.isPaused) this.handle({ kind: "tick" });
    });
  }

  private perform(effect: Effect): void {
    switch (effect.kind) {
      case "save_state":
      case "store_block":
      case "truncate":
        return this.store.push(effect);
      case "send":
        this.around.transmit(effect.message);
        return;
      case "read_blocks":
        this.later(() =>
          this.input({
            kind: "blocks_read",
            readId: effect.readId,
            blocks: this.disk.readBlocks(effect.from, effect.bytesMax),
          }),
        );
        return;
      case "look_up_key":
        this.later(() => {
          const found = this.disk.findByKey(effect.sourceAppId, effect.idempotencyKey);
          this.input({ kind: "key_looked_up", proposalId: effect.proposalId, found });
        });
        return;
      case "committed":
        this.commit(effect);
        return;
      case "sealed":
      case "duplicate":
      case "in_progress":
      case "refused":
      case "head_differs":
        return this.gateway.onVerdict(effect);
      case "read_confirmed":
      case "read_refused":
        return this.gateway.onRead(effect);
      case "alert":
      case "role_changed":
      case "log":
        return;
    }
  }

  private commit(effect: Extract<Effect, { kind: "committed" }>): void {
    for (const { block } of effect.blocks) {
      this.committed.set(block.header.height, block.blockHash);
      if (block.header.height === 1) this.disk.identity.formedClusterId = block.blockHash;
    }
    this.gateway.onCommitted();
    this.markLater();
    const { size } = effect.blocks.at(-1)?.next.range ?? { size: 0 };
    if (size <= this.disk.projectedThrough) return;
    this.later(() => {
      if (size <= this.disk.projectedThrough) return;
      this.disk.projectedThrough = size;
      this.input({ kind: "projected", treeSize: size });
    });
  }

  /** The mark in the identity file follows the commit height, at most once a while. */
  private markLater(): void {
    if (this.isMarking) return;
    this.isMarking = true;
    const { boot } = this;
    this.around.scheduler.after(MARK_EVERY_MS, () => {
      if (this.boot !== boot) return;
      this.isMarking = false;
      const { commitHeight } = this.view;
      const hash = this.committed.get(commitHeight);
      if (hash !== undefined) this.disk.identity.mark = { height: commitHeight, hash };
    });
  }

  /** Something that this boot waits for, after one store latency. */
  private later(action: () => void): void {
    const { boot } = this;
    this.around.scheduler.after(this.store.latency(), () => {
      if (this.boot === boot) action();
    });
  }

  private onStored(opId: number): void {
    const { scheduler, random, timing } = this.around;
    if (!random.chance(timing.crashAfterWrite)) return this.input({ kind: "stored", opId });
    // The write is durable, and the process dies before it hears of it.
    this.crash();
    scheduler.after(random.between(20, 2 * timing.electionTimeoutMs), () => {
      if (!this.isUp) this.start();
    });
  }

  private tickFor(boot: number): void {
    if (this.boot !== boot) return;
    const { scheduler, timing, random } = this.around;
    if (!this.isPaused) this.handle({ kind: "tick" });
    scheduler.after(timing.tickMs + random.between(0, timing.tickJitterMs), () => this.tickFor(boot));
  }
}

const MARK_EVERY_MS = 500;
/** Where the nodes' wall clocks begin: 2030-01-01. */
const WALL_EPOCH_MS = 1_893_456_000_000;
