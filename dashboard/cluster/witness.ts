import { useSyncExternalStore } from "react";
import type { ClusterView } from "../api/types.js";
import type { Downtime } from "./timeline.js";

const KEPT_MAX = 200;

/** What this page itself has seen since it was opened: when a node gave the serving node no answer. */
export class Witness {
  private silences: readonly Downtime[] = [];
  private readonly listeners = new Set<() => void>();

  /** Times are this page's own. */
  note({ nodes }: Pick<ClusterView, "nodes">, now: number): void {
    const open = new Set(this.silences.filter(({ to }) => to === Number.POSITIVE_INFINITY).map(({ node }) => node));
    const silent = nodes.filter(({ role }) => role === "unknown").map(({ id }) => id);
    const begun = silent.filter((id) => !open.has(id));
    const ended = [...open].filter((id) => !silent.includes(id));
    if (begun.length + ended.length === 0) return;
    this.silences = [
      ...this.silences.map((one) =>
        one.to === Number.POSITIVE_INFINITY && ended.includes(one.node) ? { ...one, to: now } : one,
      ),
      ...begun.map(
        (node): Downtime => ({ node, kind: "silent", from: now, to: Number.POSITIVE_INFINITY, label: "no answer" }),
      ),
    ].slice(-KEPT_MAX);
    for (const listener of this.listeners) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly seen = (): readonly Downtime[] => this.silences;
}

export const witness = new Witness();
export const useWitness = (): readonly Downtime[] => useSyncExternalStore(witness.subscribe, witness.seen);
