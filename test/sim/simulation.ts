import type { Checkers } from "./checkers/checkers.js";
import { Clients } from "./clients.js";
import { withoutAmbientInputs } from "./determinism.js";
import { fakeKeys } from "./fake-crypto.js";
import type { Situation } from "./faults/fault.js";
import { Liveness } from "./liveness.js";
import { type FaultName, Nemesis } from "./nemesis.js";
import type { SimNode } from "./node.js";
import { type ProfileName, planOf } from "./profiles.js";
import { Random } from "./random.js";
import { Readers } from "./readers.js";
import { check, Violation } from "./violation.js";
import { World } from "./world.js";

export interface Failure {
  /** An invariant's name, or `exception`. */
  readonly property: string;
  readonly message: string;
  readonly atMs: number;
}

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  /** Null when every property held. */
  readonly failure: Failure | null;
  readonly simulatedMs: number;
  readonly steps: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly elections: number;
  readonly blocks: number;
  readonly forgeriesFound: number;
  readonly alterationsFound: number;
  /** Places that somebody altered, and that were told of in time. */
  readonly toldInTime: number;
  /** How often a node that had missed changes had looked at all of its log. */
  readonly verified: number;
  readonly hasForgotten: boolean;
  /** Requests in which several writes were forwarded, and those of them that broke. */
  readonly together: World["together"];
  /** Reads of events that were answered. */
  readonly shown: number;
  readonly refused: Checkers["refused"];
  /** Reads of events that were not, by why. */
  readonly unanswered: Readonly<Record<string, number>>;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** How often came about what faults are there for. */
  readonly situations: Readonly<Partial<Record<Situation, number>>>;
  readonly strikes: number;
  /** From the last fault until one leader led all nodes. */
  readonly recoveryMs: number;
}

export interface RunOptions {
  readonly seed: number;
  readonly profile?: ProfileName;
  /** Everything that happens, line by line. */
  readonly print?: (line: string) => void;
  /** Blows of the nemesis that are left out, by number. */
  readonly without?: ReadonlySet<number>;
  /** Ends the run here, without what follows. */
  readonly stopAtMs?: number;
}

/** A run ends no earlier. */
export const RUN_MS_MIN = 60_000;
const NOT_FORMED_MS = 6_000;
const SAFETY_MS: readonly [number, number] = [44_000, 48_000];

/**
 * One run: a cluster forms, works and is broken for most of a minute of virtual time; then faults end for a majority,
 * and at last for all, and it must lead, acknowledge and agree within a bound. The same seed gives the same run, byte
 * for byte. To be called in a task of its own (`inMacrotask`).
 */
export function simulate(options: RunOptions): RunResult {
  return withoutAmbientInputs(() => new Run(options).play());
}

class Run {
  private readonly world: World;
  private readonly nemesis: Nemesis;
  private readonly random: Random;
  private readonly clients: Clients;
  private readonly readers: Readers;
  private readonly liveness: Liveness;
  /** Nodes whose data a person is about to move away. */
  private readonly replaced = new Set<SimNode>();

  constructor(private readonly options: RunOptions) {
    this.random = new Random(options.seed);
    const { random } = this;
    const plan = planOf(random, options.profile ?? "mixed", new Random(~options.seed));
    this.world = new World({
      seed: random.uint32(),
      nodes: plan.nodes,
      priorities: random.shuffled([1, 2, 3, 4, 5].slice(0, plan.nodes)),
      timing: plan.timing,
      checksWire: plan.checksWire,
      recoversAtOnce: false,
      verifiedTail: plan.verifiedTail,
      timingOf: plan.timingOf,
      limits: plan.limits,
      limitsOf: plan.limitsOf,
      memory: plan.memory,
      isWatched: plan.isWatched,
      indexedPaths: plan.indexedPaths,
      onExit: (node, error) => this.onExit(node, error.message),
      ...(options.print === undefined ? {} : { print: options.print }),
    });
    this.setClocks();
    this.nemesis = new Nemesis(this.world, random.fork(), plan.faults, options.without ?? new Set());
    this.clients = new Clients(this.world, random.fork(), plan.clients);
    this.readers = new Readers(this.world, random.fork(), plan.clients.thinkMaxMs);
    this.liveness = new Liveness(
      this.world,
      random.fork(),
      { clients: this.clients, readers: this.readers },
      this.nemesis,
    );
  }

  /** On half of the runs the clocks drift by up to a tenth, and differ by less than what is named. */
  private setClocks(): void {
    const { random } = this;
    if (random.chance(0.5)) return;
    for (const node of this.world.nodes) {
      node.clockRate = 0.9 + random.unit() * 0.2;
      node.wallOffsetsMs = [random.between(-25_000, 25_000)];
    }
  }

  play(): RunResult {
    const { world, nemesis } = this;
    const failure = this.failureOf(() => this.phases());
    const { ledger, elections, history, alerts, bounds, refused, reads, tampering } = world.checkers;
    return {
      seed: this.options.seed,
      nodes: world.nodes.length,
      failure,
      simulatedMs: world.scheduler.now,
      steps: world.scheduler.steps,
      acknowledged: ledger.acknowledged,
      reads: ledger.confirmedReads,
      elections: elections.elections,
      blocks: history.committed.length,
      forgeriesFound: alerts.forgeriesFound,
      alterationsFound: alerts.alterationsFound,
      toldInTime: tampering.toldInTime,
      verified: tampering.verified,
      hasForgotten: bounds.hasForgotten,
      together: world.together,
      shown: reads.answered,
      refused,
      unanswered: Object.fromEntries(reads.refused),
      faults: Object.fromEntries(nemesis.counts),
      situations: Object.fromEntries(nemesis.situations),
      strikes: nemesis.strikes,
      recoveryMs: this.liveness.recoveryMs,
    };
  }

  private phases(): void {
    const { world, random } = this;
    for (const node of world.nodes) world.scheduler.after(random.between(0, 1_000), () => node.start());
    if (random.chance(0.1)) world.scheduler.after(random.between(200, 2_500), () => this.loseEarly());
    world.run(Math.min(random.between(...SAFETY_MS), this.options.stopAtMs ?? Number.POSITIVE_INFINITY));
    if (this.options.stopAtMs !== undefined) return;
    this.liveness.majority();
    this.liveness.all();
    world.checkers.bounds.finish(world.nodes);
    world.run(Math.max(0, RUN_MS_MIN - world.scheduler.now));
  }

  /** A disk is lost before the log has begun. */
  private loseEarly(): void {
    const { world, random } = this;
    if (world.checkers.history.committed.length > 0 || world.nodes.length === 1) return;
    const node = random.pick(world.nodes);
    node.crash();
    this.nemesis.arises("early-loss");
    this.replace(node, random.chance(0.5));
    world.scheduler.after(random.between(10, 500), () => node.start());
    this.beginAnewLater();
  }

  /** Where its list of founders was stored elsewhere, nothing can begin: a person starts all anew, as the nodes say. */
  private beginAnewLater(): void {
    const { world } = this;
    world.scheduler.after(NOT_FORMED_MS, () => {
      if (world.checkers.history.committed.length > 0) return;
      world.trace.add("all begin anew");
      for (const node of world.nodes) node.crash();
      world.checkers.history.beginAnew();
      world.checkers.elections.beginAnew();
      for (const node of world.nodes) {
        this.replace(node, true);
        node.start();
      }
      this.beginAnewLater();
    });
  }

  private replace(node: SimNode, withNewKeys: boolean): void {
    this.world.checkers.commits.onDiskLoss(node);
    node.disk.wipe(this.random.hex(16), withNewKeys ? fakeKeys(this.random) : null);
  }

  private failureOf(body: () => void): Failure | null {
    try {
      body();
      return null;
    } catch (error) {
      const isViolation = error instanceof Violation;
      return {
        property: isViolation ? error.property : "exception",
        message: isViolation ? error.message : String((error as Error).stack),
        atMs: this.world.scheduler.now,
      };
    }
  }

  /** A node whose log fails its check says so and ends; a person moves its data away and starts it anew. */
  private onExit(node: SimNode, why: string): void {
    const { world, random } = this;
    // The copy that was put in the database's place names an earlier process as its owner.
    if (node.disk.wentBack && /taken this database over/.test(why)) {
      world.scheduler.after(random.between(100, 2_000), () => node.start());
      return;
    }
    // A write that was under way when an older copy took the database's place has left a hole below its block.
    const hasHole = node.disk.wentBack && /is missing from the database, though later blocks are there/.test(why);
    check(node.disk.altered.size > 0 || hasHole, "exception", () => `${node.id} exits: ${why}`);
    world.checkers.alerts.foundAll(node);
    // Started in between it ends again: its data is moved away once, not for each of its ends.
    if (this.replaced.has(node)) return;
    this.replaced.add(node);
    world.scheduler.after(random.between(100, 2_000), () => {
      this.replaced.delete(node);
      if (node.isUp) return;
      this.replace(node, true);
      node.start();
    });
  }
}
