import { Clients } from "./clients.js";
import { withoutAmbientInputs } from "./determinism.js";
import { FAULT_NAMES, type FaultName, type FaultProfile, Nemesis } from "./faults.js";
import { CALM_LINKS } from "./network.js";
import type { SimNode } from "./node.js";
import { Random } from "./random.js";
import { check, Violation } from "./violation.js";
import { World } from "./world.js";

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  readonly traceHash: string;
  /** Null when every property held. */
  readonly failure: { property: string; message: string; atMs: number; lastLines: readonly string[] } | null;
  readonly acknowledged: number;
  readonly reads: number;
  readonly elections: number;
  readonly blocks: number;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** From the last fault until one leader led all nodes. */
  readonly recoveryMs: number;
}

export interface RunOptions {
  readonly seed: number;
  readonly print?: (line: string) => void;
  /** Ends the run here, without the calm after it: for looking at a trace. */
  readonly stopAtMs?: number;
}

/**
 * One run: a cluster forms, works and is broken for half a minute of virtual time; then all faults end, and it must
 * lead, acknowledge and agree within a bound. The same seed gives the same run, byte for byte.
 */
export function simulate(options: RunOptions): RunResult {
  return withoutAmbientInputs(() => {
    const run = new Run(options);
    const failure = run.play();
    const { world } = run;
    return {
      seed: options.seed,
      nodes: world.nodes.length,
      traceHash: world.trace.digest(),
      failure,
      acknowledged: world.checkers.ledger.acknowledged,
      reads: world.checkers.ledger.confirmedReads,
      elections: world.checkers.elections.elections,
      blocks: world.checkers.history.committed.length,
      faults: Object.fromEntries(run.nemesis.counts),
      recoveryMs: run.recoveryMs,
    };
  });
}

class Run {
  readonly world: World;
  readonly nemesis: Nemesis;
  recoveryMs = 0;
  private readonly random: Random;
  private readonly clients: Clients;

  constructor(private readonly options: RunOptions) {
    this.random = new Random(options.seed);
    const { random } = this;
    // Mostly three nodes; one and five now and then.
    const nodes = random.pick([3, 3, 3, 3, 3, 3, 3, 5, 5, 1]);
    this.world = new World({
      seed: random.uint32(),
      nodes,
      priorities: random.shuffled([1, 2, 3, 4, 5].slice(0, nodes)),
      timing: {
        crashAfterWrite: random.pick([0, 0, 0.002, 0.01]),
        takeoverCooldownMs: random.pick([600, 2_500, 100_000]),
      },
      checksWire: random.chance(0.1),
      ...(options.print === undefined ? {} : { print: options.print }),
    });
    this.setClocks();
    this.nemesis = new Nemesis(this.world, random.fork(), faultProfile(random));
    this.clients = new Clients(this.world, random.fork(), {
      // An idle cluster is a case of its own: what the last block decided is known to nobody for long.
      clients: random.pick([0, 1, 2, 3, 4]),
      thinkMaxMs: random.pick([20, 100, 400, 4_000]),
      keyed: random.pick([0, 0.3, 0.9]),
      batches: random.pick([0, 0.2]),
      conditional: random.pick([0, 0.1]),
      doubled: random.pick([0, 0.4]),
    });
  }

  /** On half of the runs the clocks drift by up to a tenth and show another hour. */
  private setClocks(): void {
    const { random } = this;
    if (random.chance(0.5)) return;
    for (const node of this.world.nodes) {
      node.clockRate = 0.9 + random.unit() * 0.2;
      node.wallOffsetMs = random.between(-3_600_000, 3_600_000);
    }
  }

  play(): RunResult["failure"] {
    try {
      const { world, random } = this;
      for (const node of world.nodes)
        world.scheduler.after(random.between(0, 1_000), () => {
          if (!node.isUp) node.start();
        });
      world.run(Math.min(random.between(15_000, 25_000), this.options.stopAtMs ?? Number.POSITIVE_INFINITY));
      if (this.options.stopAtMs === undefined) this.calm();
      return null;
    } catch (error) {
      return {
        property: error instanceof Violation ? error.property : "exception",
        message: error instanceof Violation ? error.message : String((error as Error).stack),
        atMs: this.world.scheduler.now,
        lastLines: this.world.trace.tail(),
      };
    }
  }

  /** The liveness phase: I11, I12, and the same log on every node. */
  private calm(): void {
    const { world } = this;
    const { electionTimeoutMs } = world.timing;
    const healedAt = world.scheduler.now;
    this.nemesis.healAll();
    // Late messages of the faulty time may still arrive, and stalled candidates run once more.
    const hasLeader = world.runUntil(() => this.isLed(), 12 * electionTimeoutMs);
    check(
      hasLeader,
      "liveness",
      () => `no leader that all nodes know, ${12 * electionTimeoutMs} ms after the last fault`,
    );
    this.recoveryMs = world.scheduler.now - healedAt;
    world.run(4 * electionTimeoutMs);
    // A takeover may be under way just now.
    const isStillLed = world.runUntil(() => this.isLed(), electionTimeoutMs);
    check(isStillLed, "liveness", () => "the leader was lost again in the calm");
    const earlier = world.leader;
    const elections = world.checkers.elections.elections;

    this.clients.isStopped = true;
    for (const node of world.nodes) this.clients.probe(node.id, 2 * electionTimeoutMs);
    const isLevel = world.runUntil(() => this.isLevel(), 10 * electionTimeoutMs);
    check(isLevel, "liveness", () => `the nodes are not level: ${this.standing()}`);
    this.checkSteadiness(earlier, world.checkers.elections.elections - elections);
    world.checkers.ledger.finish(world.nodes.map((node) => node.disk));
  }

  /** I12: in the calm nobody is elected, unless a preferred node took over; each can do so once. */
  private checkSteadiness(earlier: SimNode | undefined, elections: number): void {
    const { leader } = this.world;
    const isSteady =
      elections === 0
        ? leader === earlier
        : leader !== undefined && earlier !== undefined && this.rank(leader) > this.rank(earlier);
    check(
      isSteady && elections < this.world.nodes.length,
      "I12",
      () => `${elections} elections in the calm: ${earlier?.id} led, now ${leader?.id} does`,
    );
  }

  private rank(node: SimNode): number {
    return node.view.members.find((member) => member.id === node.id)?.priority ?? 0;
  }

  private isLed(): boolean {
    const { leader, nodes } = this.world;
    return leader !== undefined && nodes.every((node) => node.view.leaderId === leader.id);
  }

  private isLevel(): boolean {
    const { nodes, checkers } = this.world;
    const committed = checkers.history.committed.length;
    return nodes.every(
      ({ view }) => view.commitHeight === committed && view.tailHeight === committed && !view.isLearner,
    );
  }

  private standing(): string {
    return this.world.nodes
      .map(
        ({ id, view }) =>
          `${id} ${view.role} commit ${view.commitHeight} tail ${view.tailHeight}${view.isLearner ? " learner" : ""}`,
      )
      .join("; ");
  }
}

/** Swarm testing: each run has a few kinds of fault only, so that rare combinations get a run of their own. */
function faultProfile(random: Random): FaultProfile {
  // A third of the runs are storms around elections: short faults, close together, hardly a term that lasts.
  // A sixth lose one disk after another, as soon as the promise allows the next.
  const kind = random.unit();
  if (kind < 0.33) return stormProfile(random);
  if (kind < 0.5) return lossProfile(random);
  const some = random.some(FAULT_NAMES, random.pick([0.2, 0.4, 0.7]));
  const isRough = random.chance(0.5);
  return {
    enabled: some.length === 0 ? ["crash"] : some,
    gapMinMs: 50,
    gapMaxMs: random.pick([300, 800, 2_500]),
    durationMaxMs: random.pick([500, 1_500, 3_000]),
    aimsAtLeader: random.pick([0, 0.3, 0.7]),
    links: isRough
      ? {
          delayMinMs: 1,
          delayMaxMs: random.pick([5, 20, 60]),
          loss: random.pick([0, 0.02, 0.1]),
          duplication: random.pick([0, 0.05]),
          spike: random.pick([0, 0.01]),
          spikeMs: 2_000,
        }
      : CALM_LINKS,
  };
}

const STORM: readonly FaultName[] = [
  "crash",
  "pause",
  "isolate",
  "partition",
  "one-way-cut",
  "held-messages",
  "held-messages",
  "new-leader-dies",
  "slow-disk",
  "lost-disk",
  "hand-over",
  "false-alarm",
];

function stormProfile(random: Random): FaultProfile {
  const some = random.some(STORM, 0.6);
  return {
    enabled: some.length === 0 ? STORM : some,
    gapMinMs: 20,
    gapMaxMs: random.pick([200, 500]),
    durationMaxMs: random.pick([300, 900]),
    aimsAtLeader: random.pick([0.3, 0.8]),
    links: {
      delayMinMs: 1,
      delayMaxMs: random.pick([5, 30]),
      loss: random.pick([0, 0.05]),
      duplication: random.pick([0, 0.2]),
      spike: random.pick([0, 0.05]),
      spikeMs: random.pick([300, 1_500]),
    },
  };
}

const LOSSES: readonly FaultName[] = ["lost-disk", "lost-disk", "disk-went-back", "crash", "isolate", "held-messages"];

function lossProfile(random: Random): FaultProfile {
  return {
    enabled: [...LOSSES, ...random.some(FAULT_NAMES, 0.15)],
    gapMinMs: 50,
    gapMaxMs: random.pick([400, 1_500]),
    durationMaxMs: random.pick([300, 1_000]),
    aimsAtLeader: random.pick([0, 0.6]),
    links: { ...CALM_LINKS, delayMaxMs: random.pick([5, 40]), loss: random.pick([0, 0.05]) },
  };
}
