import { describe, expect, it } from "vitest";
import { type RunResult, simulate } from "./simulation.js";

/** `SIM_SEEDS=5000 SIM_FIRST_SEED=1 npx vitest run --project sim` runs more, or others. */
const seeds = Number(process.env.SIM_SEEDS ?? 500);
const firstSeed = Number(process.env.SIM_FIRST_SEED ?? 1);
/** A test a batch, so that a long run shows how far it is. */
const BATCH = 50;

describe("the replicated log under faults", () => {
  for (let from = firstSeed; from < firstSeed + seeds; from += BATCH) {
    const to = Math.min(from + BATCH, firstSeed + seeds) - 1;
    it(`keeps every promise with seeds ${from} to ${to}`, () => {
      for (let seed = from; seed <= to; seed++) {
        const result = simulate({ seed });
        expect(result.failure === null, report(result)).toBe(true);
      }
    });
  }

  it("replays a seed byte for byte", () => {
    for (const seed of [firstSeed, firstSeed + 1, firstSeed + 2]) {
      expect(simulate({ seed }).traceHash).toBe(simulate({ seed }).traceHash);
    }
    expect(simulate({ seed: firstSeed }).traceHash).not.toBe(simulate({ seed: firstSeed + 1 }).traceHash);
  });

  it("works while it is tested: the runs elect leaders, acknowledge writes and confirm reads", () => {
    const results = Array.from({ length: 20 }, (_, i) => simulate({ seed: i + 1 }));
    const sum = (of: (result: RunResult) => number): number => results.reduce((total, result) => total + of(result), 0);
    expect(sum((result) => result.acknowledged)).toBeGreaterThan(1_000);
    expect(sum((result) => result.elections)).toBeGreaterThan(60);
    expect(sum((result) => result.reads)).toBeGreaterThan(200);
  });
});

function report({ seed, failure }: RunResult): string {
  if (failure === null) return "";
  return [
    `seed ${seed} fails at ${failure.atMs} ms: ${failure.message}`,
    `replay it with:  npm run simulate -- --seed ${seed} --trace`,
    ...failure.lastLines.slice(-15),
  ].join("\n");
}
