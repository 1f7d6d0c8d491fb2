import type { Cluster } from "../../cluster/cluster.js";
import type { Network } from "../../proxy/network.js";
import type { Draw } from "./draw.js";
import type { FailPoints } from "./fail-points.js";

/** What a fault can lay hands on. */
export interface Field {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly failPoints: FailPoints;
  /** Nodes that are started with more free space demanded than any disk has. */
  readonly shortOfSpace: Set<string>;
  /** Nodes whose term or vote was changed behind their backs: each rightly says so. */
  readonly otherState: Set<string>;
}

export type Settings = Readonly<Record<string, number | string>>;

/** Ends the fault; resolves when what it struck runs again. */
export type Heal = () => void | Promise<void>;

export interface FaultDefinition {
  /** One line for the report. */
  readonly about: string;
  /** How many nodes it takes; 3 unless given. */
  readonly nodesMin?: number;
  /** How long it lasts, at least and at most. */
  readonly lastsMs: readonly [number, number];
  /** Whom it strikes, by rank (`Draw.ranks`), and how. */
  draw(draw: Draw): { ranks: number[]; settings?: Settings };
  strike(field: Field, ids: readonly string[], settings: Settings): Heal | Promise<Heal>;
}

/** Heals in the order given, one after another. */
export function healAll(heals: readonly Heal[]): Heal {
  return async () => {
    for (const heal of heals) await heal();
  };
}
