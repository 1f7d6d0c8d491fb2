import { parentPort, workerData } from "node:worker_threads";
import { inMacrotask } from "./drain.js";
import { PROFILE_NAMES } from "./profiles.js";
import { type RunResult, simulate } from "./simulation.js";
import { noteError } from "./violation.js";

declare global {
  /** The source is changed so that each of its guards asks here how it is to come out. */
  var watchGuard: ((name: string, is: unknown) => unknown) | undefined;
}

/** A run of the product as it is. */
export interface SoundRun {
  readonly seed: number;
  /** A number for each line of its trace and, at the end, for its result. */
  readonly lines: Uint32Array;
  /** How the guards came out: that each held, and that it did not, as bits. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** How often any of them was asked. */
  readonly asked: number;
}

/** A seed to run as it is; or a guard to invert, in runs until one differs. */
export type Job = { readonly seed: number } | { readonly guard: string; readonly seeds: readonly number[] };

/** The seed whose run was another one. */
export interface Difference {
  readonly seed: number | null;
}

process.on("unhandledRejection", noteError);

const { runs } = workerData as { readonly runs: readonly Pick<SoundRun, "seed" | "lines" | "asked">[] };
const soundRuns = new Map(runs.map((run) => [run.seed, run]));

/** Seeds go through all profiles. */
const run = (seed: number, print: (line: string) => void): Promise<RunResult> =>
  inMacrotask(() => simulate({ seed, profile: PROFILE_NAMES[seed % PROFILE_NAMES.length] ?? "mixed", print }));

/** FNV-1a. */
function numberOf(line: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

async function runSound(seed: number): Promise<SoundRun> {
  const outcomes = new Map<string, number>();
  const numbers: number[] = [];
  let asked = 0;
  globalThis.watchGuard = (name, is) => {
    asked += 1;
    outcomes.set(name, (outcomes.get(name) ?? 0) | (is ? 1 : 2));
    return is;
  };
  const result = await run(seed, (line) => numbers.push(numberOf(line)));
  if (result.failure !== null) throw new Error(`seed ${seed} fails as it is: ${result.failure.message}`);
  const lines = new Uint32Array(new SharedArrayBuffer(4 * (numbers.length + 1)));
  lines.set([...numbers, numberOf(JSON.stringify(result))]);
  return { seed, lines, outcomes, asked };
}

/** Whether a run with the guard inverted is another one; it is ended as soon as it is, or when it does far too much. */
async function differs(guard: string, seed: number): Promise<boolean> {
  const sound = soundRuns.get(seed);
  if (sound === undefined) throw new Error(`seed ${seed} was not run as it is`);
  const askedMax = 4 * sound.asked + 1_000_000;
  let at = 0;
  let asked = 0;
  let isOther = false;
  const end = (): Error => {
    isOther = true;
    const error = new Error("the run is another one");
    noteError(error);
    return error;
  };
  globalThis.watchGuard = (name, is) => {
    asked += 1;
    if (isOther || asked > askedMax) throw end();
    return name === guard ? !is : is;
  };
  const result = await run(seed, (line) => {
    if (!isOther && numberOf(line) !== sound.lines[at++]) end();
  });
  return isOther || numberOf(JSON.stringify(result)) !== sound.lines[at] || at + 1 !== sound.lines.length;
}

async function runInverted(guard: string, seeds: readonly number[]): Promise<Difference> {
  for (const seed of seeds) {
    if (await differs(guard, seed)) return { seed };
    parentPort?.postMessage("alive");
  }
  return { seed: null };
}

parentPort?.on("message", (job: Job) => {
  const answer = "seed" in job ? runSound(job.seed) : runInverted(job.guard, job.seeds);
  answer.then(
    (done) => parentPort?.postMessage(done),
    // A rejection that nobody handles is taken for one of the product's.
    (error) =>
      setImmediate(() => {
        throw error;
      }),
  );
});
