import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { ProposalRefusal } from "../../cluster/types.js";
import { inMacrotask } from "./drain.js";
import { SITUATIONS, type Situation } from "./faults/fault.js";
import { FAULT_NAMES } from "./nemesis.js";
import type { ProfileName } from "./profiles.js";
import { type RunResult, simulate } from "./simulation.js";
import { TraceDigest } from "./trace.js";

/** `SIM_SEEDS=10000 SIM_FIRST_SEED=1 npx vitest run --project sim` runs more, or others. */
const seeds = process.env.SIM_SEEDS ?? "300";
const firstSeed = process.env.SIM_FIRST_SEED ?? "1";
const cli = fileURLToPath(new URL("../../dist/test/sim/cli.js", import.meta.url));

/** Seeds of known faults that are not mended, with the promise that each breaks: docs/reliability.md tells of them. */
const OPEN: Readonly<Record<number, string>> = {};

/** Ranges of seeds, as first and count. */
function withoutOpen(from: number, count: number): [number, number][] {
  const ranges: [number, number][] = [];
  const open = Object.keys(OPEN).map(Number);
  let first = from;
  for (const next of [...open.filter((seed) => seed >= from && seed < from + count), from + count]) {
    if (next > first) ranges.push([first, next - first]);
    first = next + 1;
  }
  return ranges;
}

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

describe("the replicated log under faults", () => {
  // The compiled simulator, on all cores; it prints what fails, and how to replay it.
  it(`keeps every promise with ${seeds} seeds from ${firstSeed}`, () => {
    for (const [first, count] of withoutOpen(Number(firstSeed), Number(seeds))) {
      const args = [cli, "--seed", `${first}`, "--seeds", `${count}`];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: "utf8",
        maxBuffer: 64 * 1024 * 1024,
      });
      process.stdout.write(`${stdout.trimEnd().split("\n").at(-1)}\n`);
      expect(status, `${stdout}${stderr}`).toBe(0);
    }
  });

  it.each(Object.entries(OPEN))("seed %s breaks %s, as docs/reliability.md says", async (seed, property) => {
    // Once it holds, or breaks another promise, it belongs among the others, or is a new fault.
    const { failure } = await run(Number(seed));
    expect(failure).toMatchObject({ property });
  });

  it.each([
    [["--seed", "x"], '--seed must be a whole number from 0 to 1000000000, not "x".'],
    [["--sed", "1"], "Unknown option '--sed'"],
  ])("told %s, says what is wrong with it and how to ask, and ends with code 2", (args, why) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.startsWith(`${why}\n\nUsage: npm run simulate`), stderr).toBe(true);
  });

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

  // A fault can strike a thousand times and never get where it was meant to.
  it("brings about what each fault is there for", async () => {
    const arisen = new Map<Situation, number>();
    const struck = new Set<string>();
    const refusals = new Map<ProposalRefusal, number>();
    for (const profile of ["storm", "losses", "network", "disks", "lies", "swarm"] as const)
      for (let seed = 1; seed <= 40; seed++) {
        const { situations, faults, refused } = await run(seed, profile);
        for (const why of REFUSALS) refusals.set(why, (refusals.get(why) ?? 0) + (refused[why] ?? 0));
        for (const name of Object.keys(faults)) struck.add(name);
        for (const what of SITUATIONS) arisen.set(what, (arisen.get(what) ?? 0) + (situations[what] ?? 0));
      }
    expect([...struck].sort()).toEqual([...FAULT_NAMES].sort());
    for (const what of SITUATIONS) expect(arisen.get(what), what).toBeGreaterThan(0);
    for (const why of REFUSALS) expect(refusals.get(why), why).toBeGreaterThan(0);
  });
});
