import { rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { copyWith, root } from "./copy.js";
import { FAILED, type Guard, guardedFiles, guardsOf, HELD, withNotes } from "./guards.js";
import { TESTED } from "./tested-guards.js";

/**
 * Which guards no run of so many seeds comes to, and which always come out the same way: without these the runs would be
 * the same, and a mistake there is seen by nobody. Each has to name a test that sees it. True if all do.
 */
export async function checkGuards(seeds: number, workers: number): Promise<boolean> {
  const files = guardedFiles(root);
  const folder = copyWith("guards", new Map(files.map((file) => [file, withNotes(root, file)])));
  const each = Math.ceil(seeds / workers);
  const parts = Array.from({ length: workers }, (_, i) => ({ first: i * each + 1, count: each }));
  const found = new Map<string, number>();
  for (const seen of await Promise.all(parts.map((part) => runSeeds(folder, part))))
    for (const [name, outcome] of seen) found.set(name, (found.get(name) ?? 0) | outcome);
  rmSync(folder, { recursive: true, force: true });
  const guards = files.flatMap((file) => guardsOf(root, file));
  const oneWay = guards.filter(({ name }) => found.get(name) === HELD || found.get(name) === FAILED);
  const unreached = guards.filter(({ name }) => !found.has(name));
  const open = [...oneWay, ...unreached].filter(({ name }) => TESTED[name] === undefined);
  for (const guard of oneWay) tell(guard, `always ${found.get(guard.name) === HELD}`);
  for (const guard of unreached) tell(guard, "in no run");
  console.log(
    `${guards.length} guards in ${each * workers} seeds: ${oneWay.length} come out one way only, no run comes to ` +
      `${unreached.length}; ${open.length} of these name no test`,
  );
  return open.length === 0;
}

function tell(guard: Guard, how: string): void {
  const test = TESTED[guard.name];
  console.log(`${place(guard)}: ${how}; ${test === undefined ? "IN NO TEST" : `${test.file}, "${test.test}"`}`);
}

const place = ({ name, file, line }: Guard): string => `${file}:${line}  ${name.slice(file.length + 2)}`;

function runSeeds(
  folder: string,
  workerData: { readonly first: number; readonly count: number },
): Promise<Map<string, number>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(folder, "test/sim/guard-runs.js"), {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    worker.on("message", (seen: Map<string, number>) => {
      resolve(seen);
      void worker.terminate();
    });
    worker.on("error", reject);
  });
}
