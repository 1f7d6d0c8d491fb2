import { useSyncExternalStore } from "react";
import type { ClusterView, NodeView } from "../api/types.js";
import type { Downtime } from "./timeline.js";

const KEPT_MAX = 200;

type Seen = "silent" | "behind";
const WORDS: Readonly<Record<Seen, string>> = { silent: "no answer", behind: "catches up" };
const isOpen = ({ to }: Downtime): boolean => to === Number.POSITIVE_INFINITY;

/** What this page itself has seen since it was opened: when a node gave the serving node no answer, and caught up after. */
export class Witness {
  private spans: readonly Downtime[] = [];
  private readonly listeners = new Set<() => void>();

  /** Times are this page's own. */
  note({ nodes }: Pick<ClusterView, "nodes">, now: number): void {
    const changes = nodes.flatMap((node) => {
      const open = this.spans.find((one) => one.node === node.id && isOpen(one));
      const kind = standingOf(node, open !== undefined);
      return kind === (open?.kind ?? null) ? [] : [{ node: node.id, kind }];
    });
    if (changes.length === 0) return;
    const changed = new Set(changes.map(({ node }) => node));
    this.spans = [
      ...this.spans.map((one) => (isOpen(one) && changed.has(one.node) ? { ...one, to: now } : one)),
      ...changes.flatMap(({ node, kind }): Downtime[] =>
        kind === null ? [] : [{ node, kind, from: now, to: Number.POSITIVE_INFINITY, label: WORDS[kind] }],
      ),
    ].slice(-KEPT_MAX);
    for (const listener of this.listeners) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly seen = (): readonly Downtime[] => this.spans;
}

/** Every follower is behind for moments: that counts only of one that was not there before. */
function standingOf({ role, lagEvents }: NodeView, wasAway: boolean): Seen | null {
  if (role === "unknown") return "silent";
  return role === "learner" || (wasAway && lagEvents > 0) ? "behind" : null;
}

export const witness = new Witness();
export const useWitness = (): readonly Downtime[] => useSyncExternalStore(witness.subscribe, witness.seen);
