import { COMMAND_MS_DEFAULT } from "../../node/storage/mongo/options.js";
import { StoreError } from "../../node/storage/port.js";
import { height } from "../../shared/ids.js";
import { MemoryChanges } from "../doubles/memory-changes.js";
import { MemoryDatabase } from "../doubles/memory-database.js";
import type { SimNode } from "./node.js";
import type { SimProcess } from "./process.js";
import { forgetting } from "./promises.js";
import type { Random } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import { Tampered } from "./tampered.js";
import type { SimTiming } from "./timing.js";

export type OperationKind =
  | "read"
  | "save_state"
  | "store_block"
  | "truncate"
  | "open"
  | "index"
  | "anchors"
  | "alerts";

/** Clients of their own: for clients' reads, for look-ups that writes wait for, and for watch and scrub. */
export type Reader = "reads" | "keys" | "integrity";

interface Operation {
  readonly kind: OperationKind;
  /** Whose connections it came over: the log's own unless said. */
  readonly by: Reader | null;
  readonly process: SimProcess;
  /** Does it to the data; false if there was nothing to do any more. */
  readonly land: () => void;
  readonly answer: () => void;
  readonly fail: (error: StoreError) => void;
  isUnderWay: boolean;
  /** Its caller believes that its outcome is unknown. */
  isGivenUp: boolean;
  /** A reader waits no longer than this for one that hangs. */
  isLimited: boolean;
}

/** How one node's mongod and disk behave at present; faults change it. */
export interface DiskBehaviour {
  latencyMinMs: number;
  latencyMaxMs: number;
  /** Operations stay unanswered, while the process and its network go on. */
  isStalled: boolean;
  /** Writes are refused. */
  isFull: boolean;
  /** No process answers. */
  isDown: boolean;
  /** The probability that an operation fails, one way or another. */
  errors: number;
  /** The next operation that would succeed fails, and this is told; null when none is to. */
  failsNext: (() => void) | null;
  /** Keys cannot be looked up now and then, or the index is not whole. */
  lookUps: "answered" | "failing" | "rebuilding";
  /** Operations that stay unanswered, for scenarios. */
  held: (operation: { readonly kind: OperationKind; readonly by: Reader | null }) => boolean;
}

const REFUSED_AFTER_MS = 5;
const LATE_MS = 3_000;
const LATE_BLOCK_MS = 200;
/** A store is opened again in about this time after an error. */
const REOPENED_MS = 25;

/** Nothing more waits for these than for a read: whoever asked for them tries again. */
const isBeside = (kind: OperationKind): boolean => kind === "index" || kind === "anchors" || kind === "alerts";

/** The data of one mongod: what is here survives a crash. */
export class SimDatabase extends MemoryDatabase {
  /** What the next write is for: said by the store right before it. */
  kind: OperationKind = "open";
  /** And who asks for it. */
  asker: SimProcess | null = null;
  /** A write that is landing breaks off: of several blocks only the first ones are stored. */
  breaksOff = false;
  /** Blocks that nobody was told of: they can be read, and are in the journal once something is written after them. */
  readonly unjournaled = new Set<number>();
  /** Blocks that arrived after the tail they continue had been replaced: above a hole, or beside another history. */
  readonly stranded = new Set<number>();
  /** Heights at which something arrived later than its writer waited for it: until the next opening nobody looks there. */
  readonly arrivedLate = new Set<number>();
  /** What lands just now does so later than its writer waited for it. */
  landsLate = false;
  readonly tampered = new Tampered();
  /** Counts openings: what one before has asked for may land in the middle of the next. */
  openings = 0;
  /** The tail as the last write left it. */
  private knownTail = 0;

  constructor(
    storeId: string,
    private readonly server: Mongod,
  ) {
    super(storeId, server.node.around.isWatched ? new MemoryChanges(() => server.node.wallText) : null);
  }

  /** Where blocks were stored since the last call; above the tail if none were. Above what arrived late nobody looks. */
  newBlocks(tail: number): number {
    const from = Math.min(this.knownTail, tail) + 1;
    this.knownTail = tail;
    if (!this.landsLate) return from;
    for (let at = from; at <= tail; at++) this.arrivedLate.add(at);
    for (const at of this.entries.keys()) if (at > tail) this.arrivedLate.add(at);
    return tail + 1;
  }

  override reach(count: number): number {
    return this.breaksOff && count > 1 ? this.server.partOf(count) : count;
  }

  override write<T>(operation: () => T): Promise<T> {
    return this.server.perform(this.kind, operation, null, this.asker?.isAlive === true ? this.asker : undefined);
  }

  /** A change of the server is noticed by a process that runs, and by a paused one later. */
  override watch(listener: () => void): () => void {
    const process = this.server.node.process;
    return super.watch(() => process?.run(listener));
  }
}

/** One node's mongod: answers after a while, in order for writes of one kind, or not, as its faults say. */
export class Mongod {
  readonly behaviour: DiskBehaviour;
  private readonly operations = new Set<Operation>();

  constructor(
    readonly node: SimNode,
    private readonly around: { scheduler: Scheduler; random: Random; timing: SimTiming },
  ) {
    const [latencyMinMs, latencyMaxMs] = around.timing.diskLatencyMs;
    this.behaviour = {
      latencyMinMs,
      latencyMaxMs,
      isStalled: false,
      isFull: false,
      isDown: false,
      errors: 0,
      failsNext: null,
      lookUps: "answered",
      held: () => false,
    };
  }

  get waiting(): number {
    return this.operations.size;
  }

  partOf(count: number): number {
    return this.around.random.between(0, count);
  }

  latency(): number {
    return this.around.random.between(this.behaviour.latencyMinMs, this.behaviour.latencyMaxMs);
  }

  /** Asks the server to do `operation`; resolves when its answer reaches the process, which may be never. */
  perform<T>(kind: OperationKind, operation: () => T, by: Reader | null = null, asker = this.node.process): Promise<T> {
    const process = asker;
    if (process === null || !process.isAlive) return forgetting();
    const { scheduler, random, timing } = this.around;
    const isWrite = kind !== "read";
    if (process.recoversAtOnce && !this.behaviour.isStalled) return Promise.resolve(operation());
    if (isWrite && random.chance(timing.crashBeforeWrite) && this.node.dieSoon()) return forgetting();
    const { database } = this.node.disk;
    const { openings } = database;
    return new Promise((resolve, reject) => {
      let outcome: { value: T } | { error: unknown } | null = null;
      const waiting: Operation = {
        kind,
        by,
        process,
        land: () => {
          const { landsLate } = database;
          database.landsLate = landsLate || (kind === "store_block" && openings !== database.openings);
          try {
            outcome = { value: operation() };
          } catch (error) {
            outcome = { error };
          }
          this.node.onLanded(kind);
          database.landsLate = landsLate;
        },
        answer: () =>
          process.run(() => {
            if (outcome !== null && "value" in outcome) resolve(outcome.value);
            else reject(outcome?.error);
          }),
        fail: (error) => process.run(() => reject(error)),
        isUnderWay: false,
        isGivenUp: false,
        isLimited: false,
      };
      this.operations.add(waiting);
      if (isWrite && !isBeside(kind)) scheduler.after(timing.stallMs, () => this.giveUp(waiting));
      this.begin(waiting);
    });
  }

  /** Begins what waits, if it may. */
  next(): void {
    for (const operation of [...this.operations]) if (!operation.isUnderWay) this.begin(operation);
  }

  private begin(operation: Operation): void {
    const { behaviour } = this;
    if (operation.isGivenUp) return this.finishLate(operation);
    if (!behaviour.isDown && (behaviour.isStalled || behaviour.held(operation))) return this.hang(operation);
    operation.isUnderWay = true;
    const after = behaviour.isDown ? REFUSED_AFTER_MS : this.latency();
    this.around.scheduler.after(after, () => this.finish(operation));
  }

  private finish(operation: Operation): void {
    if (!this.operations.has(operation)) return;
    const { behaviour } = this;
    if (behaviour.isDown) return this.refuse(operation, "The server cannot be reached.");
    operation.isUnderWay = false;
    // A stall caught it under way: it begins anew when the disk answers again.
    if (behaviour.isStalled || behaviour.held(operation) || operation.isGivenUp) return this.hang(operation);
    const { random, timing } = this.around;
    if (operation.kind !== "read" && behaviour.isFull) return this.refuse(operation, "The disk is full.");
    const { failsNext } = behaviour;
    if (failsNext !== null) {
      behaviour.failsNext = null;
      failsNext();
      return this.breakOff(operation);
    }
    if (random.chance(behaviour.errors)) return this.breakOff(operation);
    this.operations.delete(operation);
    operation.land();
    if (operation.kind !== "read") this.node.disk.database.unjournaled.clear();
    if (operation.kind !== "read" && random.chance(timing.crashAfterWrite) && this.node.dieSoon()) return;
    operation.answer();
  }

  /** A reader's connection is closed when its command takes too long, and another one can be made. */
  private hang(operation: Operation): void {
    if (operation.by === null || operation.isLimited) return;
    operation.isLimited = true;
    this.around.scheduler.after(COMMAND_MS_DEFAULT, () => {
      if (this.operations.has(operation)) this.refuse(operation, "It took longer than the limit.");
    });
  }

  private refuse(operation: Operation, why: string): void {
    this.operations.delete(operation);
    operation.fail(new StoreError("not_stored", why));
  }

  /** An error in one of its three forms: refused, lost on the way there, or done and the answer lost. */
  private breakOff(operation: Operation): void {
    const { random } = this.around;
    if (operation.kind === "read" || random.chance(0.3)) return this.refuse(operation, "The database refused it.");
    this.operations.delete(operation);
    if (operation.kind === "store_block" && random.chance(0.4)) this.arriveLate(operation, REOPENED_MS);
    else if (random.chance(0.5)) this.landPartly(operation);
    operation.fail(new StoreError("unknown", "The answer was lost."));
  }

  private landPartly(operation: Operation): void {
    const { disk } = this.node;
    const { database } = disk;
    const before: number = disk.tailHeight;
    database.breaksOff = true;
    operation.land();
    database.breaksOff = false;
    for (let at = before + 1; at <= disk.tailHeight; at++) database.unjournaled.add(at);
  }

  /** Some time after the store was opened again, or in the middle of it. */
  private arriveLate(operation: Operation, withinMs: number): void {
    const { random, scheduler } = this.around;
    const { database } = this.node.disk;
    const { serverRun } = database;
    scheduler.after(random.between(1, withinMs), () => {
      const isSame = this.node.disk.database === database && database.serverRun === serverRun;
      if (!isSame) return;
      const before = new Set(database.blocks.keys());
      database.landsLate = true;
      this.landPartly(operation);
      database.landsLate = false;
      this.node.disk.noteStranded([...database.blocks.keys()].filter((at) => !before.has(at)));
    });
  }

  /** What was not in the journal is gone, from some block on. */
  private loseUnjournaled(): void {
    const { database } = this.node.disk;
    const unjournaled = [...database.unjournaled].sort((a, b) => a - b);
    const kept = unjournaled.length === 0 ? 0 : this.around.random.between(0, unjournaled.length);
    const lost = unjournaled.slice(kept);
    const lose = (): void => {
      for (const at of lost) database.blocks.delete(height(at));
    };
    if (database.changes === null) lose();
    else database.changes.untold(lose);
    database.unjournaled.clear();
  }

  private giveUp(operation: Operation): void {
    if (!this.operations.has(operation) || operation.isGivenUp) return;
    operation.isGivenUp = true;
    operation.fail(new StoreError("unknown", "It took longer than the limit."));
    if (!this.behaviour.isStalled && !this.behaviour.held(operation)) this.finishLate(operation);
  }

  /** Nobody waits for it any more, and it may still be done: before whatever is asked for later. */
  private finishLate(operation: Operation): void {
    if (this.behaviour.isStalled) return;
    this.operations.delete(operation);
    const { random, scheduler } = this.around;
    if (random.chance(0.5)) return;
    if (operation.kind === "store_block" && random.chance(0.5)) return this.arriveLate(operation, LATE_BLOCK_MS);
    // A state is written over a version: whenever it arrives, it must not overtake what was written since.
    if (operation.kind === "save_state" && random.chance(0.7))
      scheduler.after(random.between(1, LATE_MS), () => operation.land());
    else this.landPartly(operation);
  }

  /** Its client died: what it had asked for is done or not. Returns whether anything was. */
  abandon(process: SimProcess): boolean {
    let hasLanded = false;
    for (const operation of [...this.operations]) {
      if (operation.process !== process) continue;
      this.operations.delete(operation);
      if (!operation.isUnderWay || operation.kind === "read" || !this.around.random.chance(0.5)) continue;
      this.landPartly(operation);
      hasLanded = true;
    }
    return hasLanded;
  }

  /** Killed and started again under a living node, or with the whole machine; what is under way is done or not. */
  restart({ landsPending = true } = {}): void {
    const { database } = this.node.disk;
    for (const operation of [...this.operations]) {
      this.operations.delete(operation);
      if (landsPending && operation.isUnderWay && operation.kind !== "read" && this.around.random.chance(0.5))
        this.landPartly(operation);
      operation.fail(new StoreError("unknown", "The server went away."));
    }
    this.loseUnjournaled();
    database.restartServer();
  }
}
