import { rmSync } from "node:fs";
import type { Difference, Job, SoundRun } from "../sim/guard-runs.js";
import { copyWith, root } from "./copy.js";
import { doJobs } from "./guard-workers.js";
import { FAILED, type Guard, guardedFiles, guardsOf, HELD, type Mistake, mistakeIn, withWatch } from "./guards.js";
import { fails } from "./named-test.js";
import { OPEN } from "./open-guards.js";
import { TESTED } from "./tested-guards.js";

export interface GuardOptions {
  readonly seeds: number;
  /** In so many runs at most a guard is inverted. */
  readonly runsMax: number;
  /** Of the names of those that are looked at. */
  readonly containing: string;
  readonly workers: number;
}

/** A guard without which the runs would have been the same. */
interface Unseen {
  readonly guard: Guard;
  readonly how: string;
  /** What no run sees; a test has to. */
  readonly mistake: Mistake;
}

type Verdict = "killed" | "open" | "missed";

/**
 * Inverts each guard, and looks for a run that is another one then. Where none is, or all runs come out one way, or none comes
 * to it, a mistake there is seen by no run: it has to name a test, which is run with the mistake, and must fail. True if all do.
 */
export async function checkGuards(options: GuardOptions): Promise<boolean> {
  const startedAt = performance.now();
  const files = guardedFiles(root);
  const guards = files.flatMap((file) => guardsOf(root, file)).filter(({ name }) => name.includes(options.containing));
  const folder = copyWith("guards", new Map(files.map((file) => [file, withWatch(root, file)])));
  const runs = await soundRuns(folder, options);
  const unchanged = await invert(folder, guards, runs, options);
  rmSync(folder, { recursive: true, force: true });
  const unseen = guards.flatMap((guard) => unseenOf(guard, runs, unchanged));
  const told = `${guards.length} guards inverted in ${runs.length} seeds: ${unchanged.size} change no run, `;
  console.log(`${told}${unseen.length} are unseen, with those that come out one way; ${secondsSince(startedAt)} s`);
  const verdicts = await judge(unseen, options.workers);
  const count = (verdict: Verdict): number => verdicts.filter((one) => one === verdict).length;
  const tests = `the named tests notice ${count("killed")} of these`;
  console.log(`${tests}, ${count("open")} are open, ${count("missed")} missed; ${secondsSince(startedAt)} s`);
  return count("missed") === 0;
}

const secondsSince = (startedAt: number): string => ((performance.now() - startedAt) / 1_000).toFixed(0);

async function soundRuns(folder: string, { seeds, workers }: GuardOptions): Promise<SoundRun[]> {
  const jobs = Array.from({ length: seeds }, (_, i) => ({ seed: i + 1 }));
  const runs = await doJobs<SoundRun>({ folder, count: workers, runs: [] }, jobs);
  return runs.map((run, i) => {
    if (run === null) throw new Error(`seed ${i + 1} does not end as it should`);
    return run;
  });
}

/** Those that changed no run, each with the number of the runs that came to it. */
async function invert(
  folder: string,
  guards: readonly Guard[],
  runs: readonly SoundRun[],
  { runsMax, workers }: GuardOptions,
): Promise<Map<string, number>> {
  const jobs = guards.map(({ name }) => ({ guard: name, seeds: seedsFor(name, runs).slice(0, runsMax) }));
  // Whether one run leaves something behind that changes the next is seen here: nothing is inverted.
  const nothing: Job = { guard: "", seeds: runs.slice(-3).map(({ seed }) => seed) };
  const differences = await doJobs<Difference>({ folder, count: workers, runs }, [...jobs, nothing]);
  if (differences.pop()?.seed !== null) throw new Error("a run differs with nothing inverted");
  const isUnchanged = (i: number): boolean => differences[i]?.seed === null;
  return new Map(guards.flatMap(({ name }, i) => (isUnchanged(i) ? [[name, jobs[i]?.seeds.length ?? 0]] : [])));
}

/** The seeds that come to a guard: first those in which it comes out both ways. */
function seedsFor(name: string, runs: readonly SoundRun[]): number[] {
  const bothWays = ({ outcomes }: SoundRun): number => (outcomes.get(name) === (HELD | FAILED) ? 0 : 1);
  return runs
    .filter(({ outcomes }) => outcomes.has(name))
    .sort((a, b) => bothWays(a) - bothWays(b))
    .map(({ seed }) => seed);
}

function unseenOf(guard: Guard, runs: readonly SoundRun[], unchanged: ReadonlyMap<string, number>): Unseen[] {
  const outcome = runs.reduce((all, { outcomes }) => all | (outcomes.get(guard.name) ?? 0), 0);
  if (outcome === 0) return [{ guard, how: "in no run", mistake: "inverted" }];
  // A test that fails with it stuck sees it come out the other way, which is more than to fail with it inverted.
  if (outcome === HELD) return [{ guard, how: "always true", mistake: "always true" }];
  if (outcome === FAILED) return [{ guard, how: "always false", mistake: "always false" }];
  if (!unchanged.has(guard.name)) return [];
  return [{ guard, how: `changes none of ${unchanged.get(guard.name)} runs`, mistake: "inverted" }];
}

async function judge(unseen: readonly Unseen[], workers: number): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  // What needs no run of a test is told first.
  const waiting = [...unseen].sort((a, b) => Number(hasTest(a)) - Number(hasTest(b)));
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let one = waiting[next++]; one !== undefined; one = waiting[next++]) {
      const { verdict, why } = await verdictOn(one);
      verdicts.push(verdict);
      const { name, file, line } = one.guard;
      console.log(`${file}:${line}  ${name.slice(file.length + 2)}: ${one.how}; ${why}`);
    }
  };
  await Promise.all(Array.from({ length: workers }, lane));
  return verdicts;
}

const hasTest = ({ guard }: Unseen): boolean => TESTED[guard.name] !== undefined;

async function verdictOn({ guard, mistake }: Unseen): Promise<{ verdict: Verdict; why: string }> {
  const test = TESTED[guard.name];
  const why = OPEN[guard.name];
  if (why !== undefined) return { verdict: "open", why: `OPEN: ${why}` };
  if (test === undefined) return { verdict: "missed", why: "IN NO TEST" };
  const named = `${test.file}, "${test.test}"`;
  if (await fails([mistakeIn(root, guard, mistake)], test)) return { verdict: "killed", why: named };
  return { verdict: "missed", why: `PASSES WITH IT: ${named}` };
}
