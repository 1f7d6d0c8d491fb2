import { majority } from "../../cluster/quorum.js";
import { Draw } from "./draw.js";

export const FAULT_KINDS = [
  "kill-leader",
  "pause-leader",
  "kill-node",
  "pause-node",
  "kill-mongod",
  "pause-mongod",
  "hand-over",
  "step-down",
  "kill-majority",
  "kill-all",
  "mixed",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Two to three election timeouts of the default configuration. */
const PAUSE_MS_MAX = 3_000;
const DOWN_MS_MAX = 2_000;

export interface Blow {
  /** 0 is whoever leads when the fault comes, 1 and up are the others by id: so that a seed replays the choice. */
  rank: number;
  act: "kill" | "pause" | "stop" | "step-down";
  programs: readonly ("node" | "mongod")[];
}

export interface Fault {
  /** One of the kinds, or the name of a series of its own. */
  kind: string;
  blows: Blow[];
  /** How long what was killed stays down, at least, and what was paused stays paused. */
  lastsMs: number;
}

/** Draws faults: first every kind once, in the order given, then the kinds shuffled anew each time. */
export class FaultDeck {
  readonly #draw: Draw;
  #deck: FaultKind[];

  constructor(
    seed: number,
    private readonly nodes: number,
    private readonly kinds: readonly FaultKind[],
  ) {
    this.#draw = new Draw(seed, nodes);
    this.#deck = [...kinds];
  }

  next(): Fault {
    if (this.#deck.length === 0) this.#deck = this.#draw.shuffled(this.kinds);
    const kind = this.#deck.shift() as FaultKind;
    const blows = this.#blows(kind);
    const isPause = blows.some(({ act }) => act === "pause");
    return { kind, blows, lastsMs: this.#draw.between(100, isPause ? PAUSE_MS_MAX : DOWN_MS_MAX) };
  }

  #blows(kind: FaultKind): Blow[] {
    const minority = Math.floor((this.nodes - 1) / 2);
    const someFollowers = () => this.#draw.ranks(this.#draw.between(1, Math.max(1, minority)), this.nodes > 1 ? 1 : 0);
    switch (kind) {
      case "kill-leader":
        return [{ rank: 0, act: "kill", programs: ["node"] }];
      case "pause-leader":
        return [{ rank: 0, act: "pause", programs: ["node"] }];
      case "hand-over":
        return [{ rank: 0, act: "stop", programs: ["node"] }];
      case "step-down":
        return [{ rank: 0, act: "step-down", programs: ["node"] }];
      case "kill-node":
        return someFollowers().map((rank) => this.#killOf(rank));
      case "pause-node":
        return someFollowers().map((rank) => ({ rank, act: "pause", programs: ["node"] }));
      case "kill-mongod":
        return this.#draw.minority().map((rank) => ({ rank, act: "kill", programs: ["mongod"] }));
      case "pause-mongod":
        return this.#draw.minority().map((rank) => ({ rank, act: "pause", programs: ["mongod"] }));
      case "kill-majority":
        return this.#draw.ranks(majority(this.nodes)).map((rank) => this.#killOf(rank));
      case "kill-all":
        return this.#draw.ranks(this.nodes).map((rank) => ({ rank, act: "kill", programs: ["node", "mongod"] }));
      case "mixed":
        return this.#draw.ranks(this.#draw.between(2, this.nodes)).map((rank) => this.#anyOf(rank));
    }
  }

  #killOf(rank: number): Blow {
    return { rank, act: "kill", programs: this.#draw.next() < 0.5 ? ["node"] : ["node", "mongod"] };
  }

  #anyOf(rank: number): Blow {
    const act = this.#draw.next() < 0.5 ? "kill" : "pause";
    const programs = [["node"], ["mongod"], ["node", "mongod"]] as const;
    return { rank, act, programs: programs[this.#draw.between(0, 2)] as Blow["programs"] };
  }
}
