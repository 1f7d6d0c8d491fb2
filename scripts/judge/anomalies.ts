export const ANOMALY_KINDS = {
  lost: "an acknowledged event is not in the log",
  moved: "an acknowledged event stands at another sequence",
  changed: "an event differs from what was sent or acknowledged",
  doubled: "a write is in the log twice",
  key_doubled: "an idempotency key is in the log twice",
  invented: "an event that nobody sent",
  refused_present: "a write that was refused is in the log",
  key_refused: "a write was refused for its key, which no other write holds",
  torn_batch: "a batch is not whole, in the order sent, one event after the other",
  answers_differ: "two acknowledgements of one write differ",
  order: "an event stands before one that was acknowledged, or read, before it was sent",
  stale_linearizable: "a linearizable read misses what was acknowledged, or read, before it began",
  stale_own: "a node's read misses what this node acknowledged before the read began",
  denied: "a node's read misses what this node had shown before the read began",
  early: "an event was read before it was sent",
  read_differs: "a read shows another event than the log holds, or leaves some out",
  broken_chain: "a hash or a link in a log does not verify",
  logs_differ: "the nodes' logs are not equal",
  unexpected_answer: "a valid request was refused for good, or failed in the node",
} as const;
export type AnomalyKind = keyof typeof ANOMALY_KINDS;

export interface Anomaly {
  kind: AnomalyKind;
  detail: string;
}

const KEPT_MAX_OF_A_KIND = 100;

/** Counts all, keeps the first ones of each kind. */
export class Anomalies {
  readonly kept: Anomaly[] = [];
  readonly #counts = new Map<AnomalyKind, number>();

  add(kind: AnomalyKind, detail: string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count <= KEPT_MAX_OF_A_KIND) this.kept.push({ kind, detail });
  }

  get counts(): ReadonlyMap<AnomalyKind, number> {
    return this.#counts;
  }
}
