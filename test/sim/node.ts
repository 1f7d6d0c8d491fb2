import type { ReplicaLimits } from "../../cluster/limits.js";
import type { Input, ReplicaConfig, ReplicaView } from "../../cluster/types.js";
import type { ToldEffect } from "../../node/replica/driver-ports.js";
import type { IndexFinding, LogMemory } from "../../node/replica/held-log.js";
import type { VerifiedTail } from "../../node/replica/verified-tail.js";
import type { NodeLogService } from "../../node/service/log-service.js";
import type { StartFinding } from "../../node/storage/identity.js";
import type { StoredBlock, StoreError } from "../../node/storage/port.js";
import type { Height, NodeId } from "../../shared/ids.js";
import type { NodeKeys } from "../../shared/log/control.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { Checkers } from "./checkers/checkers.js";
import { Disk } from "./disk.js";
import { drainMicrotasks } from "./drain.js";
import { Mongod, type OperationKind } from "./mongod.js";
import type { Exchange } from "./peers.js";
import { SimProcess } from "./process.js";
import type { Random } from "./random.js";
import { type Answer, askForHandOver, post, readNewest, type Write } from "./requests.js";
import type { Scheduler } from "./scheduler.js";
import type { NodeTiming, SimTiming } from "./timing.js";
import { describeEffect, type Trace } from "./trace.js";
import { check, noteError } from "./violation.js";

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
  /** Where a node is configured otherwise. */
  readonly timingOf: (id: NodeId) => Partial<NodeTiming>;
  readonly configured: ReplicaConfig["configured"];
  readonly admitsNewKeys: boolean;
  /** Recoveries take no time, so that a scenario goes on with the node there. */
  readonly recoversAtOnce: boolean;
  readonly verifiedTail: VerifiedTail;
  readonly limits: ReplicaLimits;
  readonly memory: LogMemory;
  /** Followers compare their heads with each other. */
  readonly comparesHeads: boolean;
  /** Nodes look after their databases, as the product does. */
  readonly isWatched: boolean;
  /** Payload paths that a process may be told to index. */
  readonly indexedPaths: readonly (readonly string[])[];
  readonly transmit: (message: PeerMessage) => void;
  readonly exchange: (exchange: Exchange) => void;
  /** Nobody waits for its answer any more, and the one who answers may learn of it. */
  readonly close: (exchange: Exchange) => void;
  readonly onProcessEnd: (node: SimNode, process: SimProcess) => void;
  /** The process ended by itself: what a person does then. */
  readonly onExit: (node: SimNode, error: StoreError) => void;
}

export type Standing = Pick<ReplicaView, "role" | "term" | "leaderId">;

/** One simulated machine: a disk with its mongod, and a process of the node, if it is up. */
export class SimNode {
  readonly store: Mongod;
  readonly disk: Disk;
  process: SimProcess | null = null;
  /** Counts lives of replicas: what was begun by an earlier one is nothing to a later one. */
  boot = 0;
  /** Its store changed or failed under it, and the replica has not been made anew from it. */
  isDoubtful = true;
  /** What its replica announced last; a view costs more than most steps. */
  standing: Standing = NOBODY;
  /** When its core said that it stops sealing for a successor. */
  handsOverSince = 0;
  /** How fast this machine's clock runs, and how far its wall clock is off. */
  clockRate = 1;
  /** The present one last. */
  wallOffsetsMs = [0];
  /** Sees every effect before it is done; a scenario's way to interfere. */
  onEffect: ((effect: ToldEffect) => void) | null = null;
  /** How long its identity file takes to be written, if not as usual. */
  identityWriteMs: readonly [number, number] | null = null;
  /** Sees that the file is to be written because a tail is to be replaced. */
  onMarkBeforeTruncation: (() => void) | null = null;
  /** Sees up to where its replica has read its log for a follower. */
  onReadThrough: ((last: number) => void) | null = null;
  private lastRef = 0;

  constructor(
    readonly id: NodeId,
    identity: { storeId: string; keys: NodeKeys },
    readonly around: NodeSurroundings,
  ) {
    this.store = new Mongod(this, around);
    this.disk = new Disk(this, identity.storeId, identity.keys);
  }

  /** Its process runs, whether or not it has recovered. */
  get isUp(): boolean {
    return this.process !== null;
  }
  get isPaused(): boolean {
    return this.process?.isPaused ?? false;
  }
  get wallOffsetMs(): number {
    return this.wallOffsetsMs.at(-1) as number;
  }
  /** As it knows itself. */
  get isClockOff(): boolean {
    return this.isUp && this.view.clocksOff.some(({ node }) => node === this.id);
  }
  get wallMs(): number {
    return WALL_EPOCH_MS + this.around.scheduler.now + this.wallOffsetMs;
  }
  get wallText(): string {
    return new Date(this.wallMs).toISOString();
  }
  /** Somebody sets it while the node may be running. */
  shiftWall(byMs: number): void {
    this.wallOffsetsMs.push(this.wallOffsetMs + byMs);
  }
  get electionTimeoutMs(): number {
    const { timing, timingOf } = this.around;
    return timingOf(this.id).electionTimeoutMs ?? timing.electionTimeoutMs;
  }
  get requestTimeoutMs(): number {
    const { timing, timingOf } = this.around;
    return timingOf(this.id).requestTimeoutMs ?? timing.requestTimeoutMs;
  }
  get now(): number {
    return this.living.now();
  }
  get service(): NodeLogService {
    return this.living.service;
  }
  /** A client's write, which the process may die of, or be paused over. */
  write(write: Write, answer: Answer): void {
    post(this.living, write, answer);
  }
  read(answer: (at: Height | null) => void): void {
    readNewest(this.living, answer);
  }
  stepDown(target: NodeId | null): void {
    const { process } = this;
    process?.run(() => askForHandOver(process, target));
  }
  /** What its replica says; while there is none, that it knows nothing. */
  get view(): ReplicaView {
    return this.living.driver.view() ?? NOTHING;
  }
  /** Of its log, as its replica has it; 0 while there is none. */
  get commitHeight(): Height {
    return this.living.driver.footing()?.commitHeight ?? NOTHING.commitHeight;
  }
  get tailHeight(): Height {
    return this.living.driver.footing()?.tail.height ?? NOTHING.tailHeight;
  }
  private get living(): SimProcess {
    if (this.process === null) throw new Error(`${this.id} is down`);
    return this.process;
  }

  start(): void {
    if (this.process !== null) return;
    const { trace } = this.around;
    if (trace.isOn) trace.add(`${this.id} start: tail ${this.disk.tailHeight}`);
    // Only the process of before could tell that what arrived late is all that is amiss.
    if (this.disk.database.stranded.size > 0) this.disk.lostSomething = true;
    const process = new SimProcess(this);
    this.process = process;
    process.start().catch(noteError);
    drainMicrotasks();
  }

  /** It joins anew, and somebody must have written to its database. */
  onStartFinding({ kind, detail }: StartFinding): void {
    const { disk } = this;
    if (this.around.trace.isOn) this.around.trace.add(`${this.id} ALERT ${kind}: ${detail}`);
    check(disk.isTampered || disk.isDeceived, "alert", () => `${this.id} calls its sound copy altered: ${detail}`);
    if (kind === "state_altered") disk.mustBeFound = false;
  }

  onRecovered(commitHeight: Height): void {
    const { trace, checkers, configured } = this.around;
    const { disk } = this;
    // One that was noted by a start that died is told once.
    const isSaid = disk.identity.file?.found.some(({ kind }) => kind === "state_altered") === true;
    const isRight = !disk.mustBeFound || isSaid || configured.length === 1;
    check(isRight, "I8", () => `${this.id} goes on with another state, and says nothing`);
    disk.mustBeFound = false;
    disk.isTampered = false;
    if (!this.around.isWatched) disk.identity.raise();
    this.boot += 1;
    this.isDoubtful = false;
    this.disk.isDoubtful = false;
    this.disk.isRememberedOnly = false;
    if (trace.isOn) trace.add(`${this.id} recovered: tail ${this.disk.tailHeight} commit ${commitHeight}`);
    checkers.onBoot(this, commitHeight);
  }

  /** Loses everything volatile. What its mongod was asked for may or may not have been done. */
  crash(): void {
    const { process } = this;
    if (process === null || (process.isAlive && this.disk.isRememberedOnly)) return;
    this.end(process);
    const hasLanded = this.store.abandon(process);
    if (this.around.trace.isOn) this.around.trace.add(`${this.id} crash${hasLanded ? " (a write landed)" : ""}`);
    this.around.onProcessEnd(this, process);
  }

  /** At a boundary of a write: once the step that asked for it is over; somebody starts it again. False if it must live. */
  dieSoon(): boolean {
    const { scheduler, random, timing } = this.around;
    const { process } = this;
    if (process === null || !process.isAlive || this.disk.isRememberedOnly) return false;
    process.isAlive = false;
    scheduler.after(0, () => {
      if (this.process === process) this.crash();
    });
    scheduler.after(random.between(20, 2 * timing.electionTimeoutMs), () => this.start());
    return true;
  }

  exit(process: SimProcess, error: StoreError): void {
    if (!process.isAlive) return;
    if (this.around.trace.isOn) this.around.trace.add(`${this.id} exits: ${error.message}`);
    process.isAlive = false;
    if (process !== this.process) return;
    this.disk.isRememberedOnly = false;
    this.around.scheduler.after(0, () => {
      if (this.process !== process) return;
      this.crash();
      this.around.onExit(this, error);
    });
  }

  private end(process: SimProcess): void {
    process.isAlive = false;
    this.process = null;
    this.loseReplica();
  }

  /** Another process begins on the disk of one that is stopped; that one is returned, and may go on. */
  startBeside(): SimProcess | null {
    const first = this.process;
    if (first === null || !first.isPaused) return null;
    this.process = null;
    this.loseReplica();
    this.start();
    return first;
  }

  loseReplica(): void {
    this.isDoubtful = true;
    this.standing = NOBODY;
  }

  /** Stops the process without ending it; what arrives waits. */
  pause(): void {
    if (this.process === null) return;
    this.around.trace.add(`${this.id} pause`);
    this.process.isPaused = true;
  }

  /** Stops the whole machine, with its clocks. */
  suspend(): void {
    if (this.process === null || this.process.isPaused) return;
    this.around.trace.add(`${this.id} suspended`);
    this.process.suspend();
  }

  resume(): void {
    if (this.process === null || !this.process.isPaused) return;
    this.around.trace.add(`${this.id} resume`);
    this.process.resume();
  }

  /** A message arrives; the reference given to the replica names the connection that it came over. */
  receive(message: PeerMessage): void {
    this.lastRef += 1;
    const ref = this.around.random.chance(0.7) ? this.lastRef : undefined;
    const { process } = this;
    process?.run(() => {
      if (process.isReplaced) return process.served.onMessage(message, ref);
      this.around.checkers.onReceive(this, message, ref);
      process.served.onMessage(message, ref);
      this.around.checkers.onReceived(this);
      drainMicrotasks();
    });
  }

  input(input: BareInput): void {
    const { process } = this;
    process?.run(() => {
      process.input(input);
      drainMicrotasks();
    });
  }

  /** Its core stops sealing for a successor. */
  onHandsOver(): void {
    this.handsOverSince = this.now;
    this.around.checkers.takeOvers.onHandsOver(this);
  }

  note(effect: ToldEffect): void {
    const { trace } = this.around;
    // What it notes of itself is in the trace by its logger.
    if (trace.isOn && effect.kind !== "note") trace.add(`${this.id} ${describeEffect(effect)}`);
    this.onEffect?.(effect);
  }

  // --- What its store does -----------------------------------------------------------------------------------------------

  /** A write reached the data. */
  onLanded(kind: OperationKind): void {
    if (kind === "read" || kind === "anchors" || kind === "alerts") return;
    if (this.disk.altered.size > 0) this.disk.settleAltered(kind);
    if (this.disk.database.stranded.size > 0) this.disk.noteStranded();
    const { trace, checkers } = this.around;
    if (trace.isOn) trace.add(`${this.id} durable: ${kind}, tail ${this.disk.tailHeight}`);
    checkers.onDurable(this);
    const { database, tailHeight } = this.disk;
    const from = database.newBlocks(tailHeight);
    // While a tail is taken away, each block that is still there has its entry.
    checkers.index.onBlocks(this, kind === "truncate" ? tailHeight : from);
  }

  onRead(from: Height, bytesMax: number, blocks: readonly StoredBlock[]): void {
    if (this.isDoubtful) return;
    if (bytesMax > 0) this.note({ kind: "read_blocks", readId: 0, from, bytesMax });
    this.onReadThrough?.(from + blocks.length - 1);
    // Nothing is said of what comes after the first that fails, as the one above another block than its own may.
    // One that hangs together is found by its place, which may have to be looked up: what matters is that it does not leave.
    const { disk } = this;
    const first = blocks.findIndex((_, i) => disk.isAlteredAt(from + i) && !disk.planted.has(from + i));
    const at = from + first;
    if (first !== -1 && disk.altered.has(at) && !disk.copied.has(at)) this.around.checkers.alerts.mustFind(this, at);
  }

  onIndexFinding(finding: IndexFinding): void {
    if (this.around.trace.isOn) this.around.trace.add(`${this.id} ALERT ${finding.kind}: ${finding.detail}`);
    this.around.checkers.index.onFinding(this, finding);
  }

  onInvalidBlock(at: Height, detail: string): void {
    if (this.around.trace.isOn) this.around.trace.add(`${this.id} ALERT stored block ${at}: ${detail}`);
    const { disk } = this;
    // A write that was under way when an older copy took the database's place leaves a hole.
    const isHole = disk.wentBack && disk.at(at) === undefined;
    check(disk.isAlteredAt(at) || isHole, "alert", () => `${this.id} calls its sound block ${at} invalid: ${detail}`);
    this.around.checkers.alerts.found(this, at);
  }
}

/** What a right wall clock shows when the simulation begins. */
const WALL_EPOCH_MS = 1_893_456_000_000;

const NOBODY: Standing = { role: "follower", term: 0 as Standing["term"], leaderId: null };
const NOTHING: ReplicaView = {
  role: "follower",
  term: 0 as ReplicaView["term"],
  leaderId: null,
  clusterId: "",
  isLearner: true,
  isStalled: false,
  isForming: false,
  missing: [],
  tailHeight: 0 as Height,
  durableHeight: 0 as Height,
  commitHeight: 0 as Height,
  knownCommitHeight: 0 as Height,
  committedSize: 0,
  headHash: "",
  members: [],
  hasQuorum: false,
  lastLeaderContact: 0,
  electionWait: null,
  peers: [],
  clocksOff: [],
};
