import { describe, expect, it } from "vitest";
import type { ProposalRefusal } from "../../cluster/types.js";
import { inMacrotask } from "./drain.js";
import { SITUATIONS, type Situation } from "./faults/fault.js";
import { FAULT_NAMES, TAMPER_NAMES } from "./nemesis.js";
import type { ProfileName } from "./profiles.js";
import { type RunResult, simulate } from "./simulation.js";
import { TraceDigest } from "./trace.js";

const REFUSALS = [
  "cannot_tell",
  "look_up_failed",
  "index_rebuilding",
  "queue_full",
  "expired",
  "not_leader",
] as const satisfies ProposalRefusal[];

const run = (seed: number, profile: ProfileName = "mixed"): Promise<RunResult> =>
  inMacrotask(() => simulate({ seed, profile }));

async function digestOf(seed: number): Promise<string> {
  const digest = new TraceDigest();
  await inMacrotask(() => simulate({ seed, print: (line) => digest.add(line) }));
  return digest.toString();
}

describe("the simulator itself", () => {
  it("replays a seed byte for byte", async () => {
    for (const seed of [1, 2, 3, 4, 5]) expect(await digestOf(seed)).toBe(await digestOf(seed));
    expect(await digestOf(1)).not.toBe(await digestOf(2));
  });

  it("works while it is tested: the runs elect leaders, acknowledge writes and confirm reads", async () => {
    const results: RunResult[] = [];
    for (let seed = 1; seed <= 20; seed++) results.push(await run(seed));
    const sum = (of: (result: RunResult) => number): number => results.reduce((total, result) => total + of(result), 0);
    expect(sum((result) => result.acknowledged)).toBeGreaterThan(1_000);
    expect(sum((result) => result.elections)).toBeGreaterThan(100);
    expect(sum((result) => result.reads)).toBeGreaterThan(150);
    expect(results.filter((result) => result.hasForgotten).length).toBeGreaterThan(10);
    expect(sum(({ together }) => together.sent)).toBeGreaterThan(20);
    expect(sum(({ together }) => together.broken)).toBeGreaterThan(0);
  });

  it("works while it is tested: leaders that lie are found out", async () => {
    let forgeriesFound = 0;
    for (let seed = 1; seed <= 5; seed++) {
      const result = await inMacrotask(() => simulate({ seed, profile: "lies" }));
      expect(result.failure).toBeNull();
      forgeriesFound += result.forgeriesFound;
    }
    expect(forgeriesFound).toBeGreaterThan(0);
  });

  it("works while it is tested: what somebody alters is told of in time, and who has missed changes verifies its log", async () => {
    const results: RunResult[] = [];
    for (let seed = 1; seed <= 10; seed++) results.push(await run(seed, "tamper"));
    for (const { failure } of results) expect(failure).toBeNull();
    expect(results.reduce((sum, { toldInTime }) => sum + toldInTime, 0)).toBeGreaterThan(10);
    expect(results.reduce((sum, { verified }) => sum + verified, 0)).toBeGreaterThan(5);
  });

  // A fault can strike a thousand times and never get where it was meant to.
  it("brings about what each fault is there for", async () => {
    const arisen = new Map<Situation, number>();
    const struck = new Set<string>();
    const refusals = new Map<ProposalRefusal, number>();
    for (const profile of ["storm", "losses", "network", "disks", "lies", "swarm", "tamper"] as const)
      for (let seed = 1; seed <= 40; seed++) {
        const { situations, faults, refused } = await run(seed, profile);
        for (const why of REFUSALS) refusals.set(why, (refusals.get(why) ?? 0) + (refused[why] ?? 0));
        for (const name of Object.keys(faults)) struck.add(name);
        for (const what of SITUATIONS) arisen.set(what, (arisen.get(what) ?? 0) + (situations[what] ?? 0));
      }
    expect([...struck].sort()).toEqual([...FAULT_NAMES, ...TAMPER_NAMES].sort());
    for (const what of SITUATIONS) expect(arisen.get(what), what).toBeGreaterThan(0);
    for (const why of REFUSALS) expect(refusals.get(why), why).toBeGreaterThan(0);
  });
});
