import { definitionOf, type FaultName, isMadeOn } from "./faults/catalogue.js";
import { Draw } from "./faults/draw.js";
import type { Settings } from "./faults/fault.js";

const OVERLAP_WITHIN_MS = 1_500;
const CALM_MS = [300, 2_500] as const;

export interface PlannedFault {
  readonly name: FaultName;
  readonly ranks: readonly number[];
  readonly settings: Settings;
  /** From the start of its episode. */
  readonly startsAfterMs: number;
  readonly lastsMs: number;
}

/** One fault, or two or three that overlap; then all is healed. */
export interface Episode {
  readonly faults: readonly PlannedFault[];
  /** From the moment when all has healed to the next episode. */
  readonly calmMs: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly names: readonly FaultName[];
  /** These come first, one at a time and in this order. */
  readonly alone?: readonly FaultName[];
  /** Otherwise half of the episodes overlap. */
  readonly isOneAtATime?: boolean;
}

/** Draws episodes: each fault once, in shuffled order, and anew. */
export class Schedule {
  readonly #names: readonly FaultName[];
  readonly #draw: Draw;
  #deck: FaultName[] = [];
  readonly #alone: FaultName[];
  readonly #sizes: readonly number[];

  constructor({ seed, nodes, names, alone = [], isOneAtATime = false }: ScheduleOptions) {
    this.#names = names.filter((name) => isMadeOn(name, nodes));
    this.#draw = new Draw(seed, nodes);
    this.#alone = alone.filter((name) => isMadeOn(name, nodes));
    this.#sizes = isOneAtATime ? [1] : [1, 1, 2, 3];
  }

  next(): Episode {
    const first = this.#alone.shift();
    const faults = (first === undefined ? this.#nextNames() : [first]).map((name, index) => this.#plan(name, index));
    return { faults, calmMs: this.#draw.between(...CALM_MS) };
  }

  /** Never the same one twice: two nodes of three that lose their memory are more than the promise covers. */
  #nextNames(): FaultName[] {
    if (this.#deck.length === 0) this.#deck = this.#draw.shuffled(this.#names);
    return this.#deck.splice(0, this.#draw.pick(this.#sizes));
  }

  #plan(name: FaultName, index: number): PlannedFault {
    const { draw, lastsMs } = definitionOf(name);
    const { ranks, settings = {} } = draw(this.#draw);
    const startsAfterMs = index === 0 ? 0 : this.#draw.between(0, OVERLAP_WITHIN_MS);
    return { name, ranks, settings, startsAfterMs, lastsMs: this.#draw.between(...lastsMs) };
  }
}
