import { type ChildProcess, spawn } from "node:child_process";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { root } from "./copy.js";
import type { Patch, Scenario } from "./mutant.js";

/** A test that never ends notices the mistake as well. */
const TEST_MS_MAX = 180_000;
const SCENARIOS = "test/scenarios/scenarios.test.ts";

interface Report {
  readonly numFailedTests: number;
  readonly numPassedTests: number;
  readonly success: boolean;
}

// Ctrl-C does not reach them: they are groups of their own.
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) endGroup(child);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** Runs one test on a source with mistakes in it, which vitest.config.ts puts there. */
export async function fails(patches: readonly Patch[], { file, test }: Scenario): Promise<boolean> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const project = /^test\/(sim|scenarios)\//.test(file) ? "sim" : "unit";
  const [path, name] = file.endsWith(".txt") ? [SCENARIOS, basename(file)] : [file, test];
  const args = [vitest, "run", "--project", project, "--reporter", "json", path, "-t", patternOf(name)];
  const env = { ...process.env, MUTANT_PATCHES: JSON.stringify(patches) };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"], detached: true });
  running.add(child);
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    endGroup(child);
  }, TEST_MS_MAX);
  const output = await text(child.stdout);
  clearTimeout(timer);
  running.delete(child);
  if (isOver) return true;
  const report = JSON.parse(output) as Report;
  if (report.numFailedTests + report.numPassedTests > 0) return report.numFailedTests > 0;
  // The mistake keeps the file from being loaded.
  if (!report.success) return true;
  throw new Error(`${file}: no test is called "${test}"`);
}

/** The test's name as a regular expression; of one with places to fill, what stands before the first. */
const patternOf = (test: string): string => test.replace(/[%$].*$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** With the processes in which vitest runs tests. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
