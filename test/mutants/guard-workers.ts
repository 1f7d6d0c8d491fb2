import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Job, SoundRun } from "../sim/guard-runs.js";

/** A run takes half a second, on a busy machine some: one that takes so long does not end. */
const RUN_MS_MAX = 120_000;

export interface Workers {
  /** The product with guards that ask. */
  readonly folder: string;
  readonly count: number;
  readonly runs: readonly SoundRun[];
}

/** Has jobs done in several workers; null for one that does not end, or ends its worker. */
export async function doJobs<Answer>(workers: Workers, jobs: readonly Job[]): Promise<(Answer | null)[]> {
  const answers: (Answer | null)[] = jobs.map(() => null);
  let next = 0;
  const lane = async (): Promise<void> => {
    let worker: Worker | null = null;
    while (next < jobs.length) {
      const i = next++;
      worker ??= begin(workers);
      answers[i] = await ask<Answer>(worker, jobs[i] as Job);
      if (answers[i] !== null) continue;
      await worker.terminate();
      worker = null;
    }
    await worker?.terminate();
  };
  await Promise.all(Array.from({ length: workers.count }, lane));
  return answers;
}

function begin({ folder, runs }: Workers): Worker {
  return new Worker(join(folder, "test/sim/guard-runs.js"), {
    workerData: { runs: runs.map(({ seed, lines, asked }) => ({ seed, lines, asked })) },
    resourceLimits: { maxYoungGenerationSizeMb: 64, maxOldGenerationSizeMb: 1_024 },
  });
}

function ask<Answer>(worker: Worker, job: Job): Promise<Answer | null> {
  return new Promise((resolve) => {
    const end = (answer: Answer | null): void => {
      clearTimeout(timer);
      worker.off("message", onMessage);
      worker.off("error", onError);
      resolve(answer);
    };
    const timer = setTimeout(() => end(null), RUN_MS_MAX);
    const onMessage = (answer: Answer | "alive"): unknown => (answer === "alive" ? timer.refresh() : end(answer));
    const onError = (error: Error): void => {
      console.error(`${JSON.stringify(job).slice(0, 150)}: ${error.message}`);
      end(null);
    };
    worker.on("message", onMessage);
    worker.on("error", onError);
    worker.postMessage(job);
  });
}
