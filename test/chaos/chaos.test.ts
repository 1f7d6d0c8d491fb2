import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { reapWithUs } from "../../scripts/mongod/reaper.js";
import { projectRoot } from "../../scripts/project.js";

it("seven faults under load lose, double and reorder no acknowledged event", { timeout: 180_000 }, async () => {
  const kinds = "kill-leader,pause-leader,kill-mongod,pause-node,hand-over,kill-all,mixed";
  const args = [join(projectRoot(), "dist/scripts/chaos.js"), "--rounds", "7", "--only", kinds];
  // Rejects, with what the script said (its seed, too), unless it ends with exit code 0.
  const run = promisify(execFile)(process.execPath, args);
  reapWithUs(run.child);
  const { stdout } = await run;
  expect(stdout).toMatch(/7 rounds; \d+ events acknowledged/);
  expect(stdout).toMatch(/All 3 nodes hold the same \d+ events/);
});
