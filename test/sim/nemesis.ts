import { bridge } from "./faults/bridge.js";
import { diskFaults } from "./faults/disk.js";
import { equivocating } from "./faults/equivocation.js";
import { farTerm } from "./faults/far-term.js";
import type { Fault, Situation, Strike, Undo } from "./faults/fault.js";
import { fedByDeposed } from "./faults/fed-by-deposed.js";
import { heldBack } from "./faults/held-back.js";
import { indexFaults } from "./faults/index.js";
import { interruptedTruncation } from "./faults/interrupted-truncation.js";
import { lateAnswers } from "./faults/late-answers.js";
import { lateInsert } from "./faults/late-insert.js";
import { lies } from "./faults/lies.js";
import { networkFaults } from "./faults/network.js";
import { processFaults } from "./faults/process.js";
import { tamperFaults } from "./faults/tamper.js";
import { toldReplaced } from "./faults/told-replaced.js";
import { CALM_LINKS, type LinkProfile } from "./network.js";
import type { SimNode } from "./node.js";
import type { Random } from "./random.js";
import type { World } from "./world.js";

const FAULTS = {
  ...networkFaults,
  ...processFaults,
  ...diskFaults,
  ...lies,
  ...indexFaults,
  bridge,
  "late-answers": lateAnswers,
  "interrupted-truncation": interruptedTruncation,
  "late-insert": lateInsert,
  "held-back": heldBack,
  "far-term": farTerm,
  "equivocating-leader": equivocating,
  "fed-by-deposed": fedByDeposed,
  "told-replaced": toldReplaced,
};
/** Of runs in which each database is looked after. */
export const TAMPER_NAMES = Object.keys(tamperFaults) as (keyof typeof tamperFaults)[];
export type FaultName = keyof typeof FAULTS | (typeof TAMPER_NAMES)[number];
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export interface FaultProfile {
  readonly enabled: readonly FaultName[];
  readonly gapMinMs: number;
  readonly gapMaxMs: number;
  readonly durationMaxMs: number;
  /** How often a fault picks the leader rather than any node. */
  readonly aimsAtLeader: number;
  /** The links outside of `bad-network`. */
  readonly links: LinkProfile;
}

/** Breaks things at random moments and mends them after a while. */
export class Nemesis {
  private isOver = false;
  private readonly open = new Set<Undo>();
  readonly counts = new Map<FaultName, number>();
  /** How often came about what faults are there for. */
  readonly situations = new Map<Situation, number>();
  /** How many blows there were, struck or left out. */
  strikes = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly profile: FaultProfile,
    /** Blows that are left out, by number: for shrinking a failure. */
    private readonly without: ReadonlySet<number>,
  ) {
    world.network.profile = profile.links;
    this.schedule();
  }

  private schedule(): void {
    const { random, profile } = this;
    this.world.scheduler.after(random.between(profile.gapMinMs, profile.gapMaxMs), () => {
      if (this.isOver) return;
      const name = random.pick(profile.enabled);
      const own = random.fork();
      const number = this.strikes++;
      if (!this.without.has(number)) this.strike(name, own, number);
      this.schedule();
    });
  }

  private strike(name: FaultName, random: Random, number: number): void {
    const { world, profile } = this;
    const arisen = new Set<Situation>();
    const strike: Strike = {
      world,
      random,
      links: profile.links,
      durationMaxMs: profile.durationMaxMs,
      victim: () => this.victim(random),
      lasts: (undo, maxMs) => this.lasts(undo, random, maxMs),
      lastsFor: (undo, ms) => this.lastsFor(undo, ms),
      arises: (what) => {
        if (!arisen.has(what)) this.arises(what);
        arisen.add(what);
      },
      isOpen: () => !this.isOver,
    };
    const fault: Fault = { ...FAULTS, ...tamperFaults }[name];
    world.trace.add(`FAULT ${number} ${name}`);
    const undo = fault(strike);
    if (undo === null) return;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.lasts(undo, random, profile.durationMaxMs);
  }

  arises(what: Situation): void {
    this.situations.set(what, (this.situations.get(what) ?? 0) + 1);
  }

  private lasts(undo: Undo | null, random: Random, maxMs: number): void {
    if (undo !== null) this.lastsFor(undo, random.between(20, Math.max(20, maxMs)));
  }

  private lastsFor(undo: Undo | null, ms: number): void {
    if (undo === null) return;
    this.open.add(undo);
    this.world.scheduler.after(ms, () => this.end(undo));
  }

  private end(undo: Undo): void {
    if (this.open.delete(undo)) undo();
  }

  private victim(random: Random): SimNode {
    const { leader, nodes } = this.world;
    return leader !== undefined && random.chance(this.profile.aimsAtLeader) ? leader : random.pick(nodes);
  }

  /** Ends every fault for good. */
  healAll(): void {
    const { world } = this;
    this.isOver = true;
    for (const undo of this.open) this.end(undo);
    world.network.mendAll();
    world.network.profile = CALM_LINKS;
    world.timing.crashBeforeWrite = 0;
    world.timing.crashAfterWrite = 0;
    for (const node of world.nodes) node.start();
    world.trace.add("FAULTS END");
  }
}
