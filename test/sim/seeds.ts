import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ProfileName } from "./profiles.js";
import type { RunResult } from "./simulation.js";

export interface SeedsOptions {
  readonly first: number;
  readonly count: number;
  /** Seeds of the range that are left out. */
  readonly except: ReadonlySet<number>;
  readonly profile: ProfileName;
  readonly workers: number;
  readonly forMs: number;
  readonly isFailFast: boolean;
}

export interface Summary {
  seeds: number;
  wallMs: number;
  simulatedMs: number;
  steps: number;
  acknowledged: number;
  reads: number;
  elections: number;
  blocks: number;
  strikes: number;
  forgeriesFound: number;
  alterationsFound: number;
  recoveryMsMax: number;
  failed: RunResult[];
}

/** What a worker is asked for; it answers with one result a seed. */
export interface Batch {
  readonly seeds: readonly number[];
  readonly profile: ProfileName;
}
/** Few: some seeds take ten times the time of most, and no worker is to wait long for the last one. */
const BATCH_SEEDS = 3;
/**
 * A run makes much and keeps little; and every core has its worker, with which other threads of a collector would take
 * turns. It passes through much code, most of it not often enough to be worth more than the compiler that is always quick.
 */
const WORKER_FLAGS = ["--max-semi-space-size=64", "--single-threaded-gc", "--always-sparkplug"];

/** Runs seeds in several processes. */
export async function runSeeds(options: SeedsOptions): Promise<Summary> {
  const startedAt = performance.now();
  const summary: Summary = {
    seeds: 0,
    wallMs: 0,
    simulatedMs: 0,
    steps: 0,
    acknowledged: 0,
    reads: 0,
    elections: 0,
    blocks: 0,
    strikes: 0,
    forgeriesFound: 0,
    alterationsFound: 0,
    recoveryMsMax: 0,
    failed: [],
  };
  let next = options.first;
  const end = options.first + options.count;
  const isOver = (): boolean =>
    next >= end || performance.now() - startedAt >= options.forMs || (options.isFailFast && summary.failed.length > 0);
  const take = (): Batch | null => {
    if (isOver()) return null;
    const seeds: number[] = [];
    for (; seeds.length < BATCH_SEEDS && next < end; next++) if (!options.except.has(next)) seeds.push(next);
    return { seeds, profile: options.profile };
  };
  const onResults = (results: readonly RunResult[]): void => {
    for (const result of results) add(summary, result);
  };
  await Promise.all(Array.from({ length: options.workers }, () => drive(take, onResults)));
  summary.wallMs = performance.now() - startedAt;
  summary.failed.sort((a, b) => a.seed - b.seed);
  return summary;
}

function drive(take: () => Batch | null, onResults: (results: RunResult[]) => void): Promise<void> {
  const worker = fork(fileURLToPath(new URL("./seeds-worker.js", import.meta.url)), { execArgv: WORKER_FLAGS });
  return new Promise((resolve, reject) => {
    const ask = (): void => {
      const batch = take();
      if (batch === null) worker.disconnect();
      else worker.send(batch);
    };
    worker.on("message", (results: RunResult[]) => {
      onResults(results);
      ask();
    });
    worker.on("error", reject);
    worker.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`a worker of the simulator ended with ${signal ?? code}`));
    });
    ask();
  });
}

function add(summary: Summary, result: RunResult): void {
  summary.seeds += 1;
  for (const key of [
    "simulatedMs",
    "steps",
    "acknowledged",
    "reads",
    "elections",
    "blocks",
    "strikes",
    "forgeriesFound",
    "alterationsFound",
  ] as const)
    summary[key] += result[key];
  summary.recoveryMsMax = Math.max(summary.recoveryMsMax, result.recoveryMs);
  if (result.failure !== null) summary.failed.push(result);
}
