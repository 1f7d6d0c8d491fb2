import { describe, expect, it } from "vitest";
import { Lab } from "../scenarios/lab.js";

const LINKS = [
  ["n1", "n2"],
  ["n2", "n1"],
  ["n1", "n3"],
  ["n3", "n1"],
  ["n2", "n3"],
  ["n3", "n2"],
] as const;
const PAIRS = [
  ["n1", "n2"],
  ["n1", "n3"],
  ["n2", "n3"],
] as const;

/** Every set of one-way cuts between three nodes, from the first link (bit 0) to the last. */
const SETS = Array.from({ length: 64 }, (_, bits) => LINKS.filter((_, i) => ((bits >> i) & 1) === 1));
const name = (cuts: (typeof SETS)[number]): string => cuts.map((link) => link.join(">")).join(" ") || "none";

describe("three nodes with every set of directed cuts", () => {
  it.each(SETS.map((cuts) => [name(cuts), cuts] as const))("cut: %s", (_, cuts) => {
    const lab = new Lab().form();
    const isCut = (from: string, to: string): boolean => cuts.some((link) => link[0] === from && link[1] === to);
    for (const [from, to] of cuts) lab.network.cut(from, to);
    lab.timeouts(8);
    lab.effects.length = 0;
    const before = lab.node("n1").view.term;
    lab.timeouts(12);

    // I11: two that hear each other are a majority, and one of them, or the third in their hearing, leads.
    const connected = PAIRS.filter(([a, b]) => !isCut(a, b) && !isCut(b, a));
    if (connected.length > 0) {
      const { leader } = lab;
      expect(leader, "a leader").toBeDefined();
      lab.writeTo(leader?.id ?? "");
    }
    // I12: whatever the cuts, the cluster has settled: nobody is elected any more, and no term moves.
    expect(lab.leaderChanges()).toEqual([]);
    const terms = lab.nodes.map((node) => node.view.term);
    if (connected.length === 0) expect(Math.max(...terms)).toBeLessThanOrEqual(before + 1);
    lab.finish();
  });
});
