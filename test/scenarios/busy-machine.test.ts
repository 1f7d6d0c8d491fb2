import { describe, expect, it } from "vitest";
import type { NodeId } from "../../shared/ids.js";
import { Random } from "../sim/random.js";
import { Lab } from "./lab.js";

/** All in election timeouts. */
interface Stutter {
  readonly still: () => number;
  readonly runs: () => number;
}

/** As of a machine with too much to do: a node's process stands still again and again, and runs in between. */
function stutter(lab: Lab, id: NodeId, { still, runs }: Stutter): () => void {
  const node = lab.node(id);
  const after = (timeouts: number, action: () => void): void =>
    lab.scheduler.after(timeouts * lab.timing.electionTimeoutMs, action);
  let isOver = false;
  const stop = (): void => {
    if (isOver) return;
    node.pause();
    after(still(), () => {
      node.resume();
      after(runs(), stop);
    });
  };
  stop();
  return () => {
    isOver = true;
    node.resume();
  };
}

/** How many election timeouts n2 and n3 take to elect a leader after n1 is gone; null: more than a hundred. */
function electionOf(stutterOf: (id: NodeId) => Stutter, { isAltered }: { isAltered: boolean }): number | null {
  const lab = new Lab().form();
  const { electionTimeoutMs } = lab.timing;
  lab.node("n2").input({ kind: "campaigns_late", isLate: isAltered });
  lab.node("n1").crash();
  const ends: (() => void)[] = [];
  for (const id of ["n2", "n3"]) {
    ends.push(stutter(lab, id, stutterOf(id)));
    lab.run(0.2 * electionTimeoutMs);
  }
  const at = lab.scheduler.now;
  const isLed = lab.runUntil(() => lab.leader !== undefined, 100 * electionTimeoutMs);
  const took = (lab.scheduler.now - at) / electionTimeoutMs;
  for (const end of ends) end();
  lab.node("n2").input({ kind: "campaigns_late", isLate: false });
  lab.finish();
  return isLed ? took : null;
}

describe("nodes that stand still for more than half an election timeout, again and again", () => {
  it.each([
    [0.9, false],
    [0.9, true],
    [0.45, false],
    [0.45, true],
  ])(
    "elect a leader between two of these pauses, which are %f timeouts apart (one of them altered: %s)",
    (runs, isAltered) => {
      const took = electionOf(() => ({ still: () => 0.6, runs: () => runs }), { isAltered });
      expect(took).toBeLessThan(20);
    },
  );

  it.each([false, true])("elect one soon, as a rule and at worst (one of them altered: %s)", (isAltered) => {
    const all = Array.from({ length: 20 }, (_, seed) => {
      const random = new Random(seed + 1);
      const part = (): number => random.between(1, 1_000) / 1_000;
      return electionOf(() => ({ still: part, runs: () => part() / 2 }), { isAltered }) ?? Number.POSITIVE_INFINITY;
    });
    const sorted = all.sort((a, b) => a - b);
    expect(sorted[10]).toBeLessThan(6);
    expect(sorted.at(-1)).toBeLessThan(25);
  });
});
