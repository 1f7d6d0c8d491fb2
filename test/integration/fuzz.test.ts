import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { projectRoot } from "../../scripts/lib/project.js";
import { reapWithUs } from "../../scripts/mongod/reaper.js";

it("broken, pipelined, cut and foreign requests end no node, lose no place, and are answered with the truth", {
  timeout: 600_000,
}, async () => {
  // Another seed each time: what it finds, it finds again with the seed that it names.
  const args = [join(projectRoot(), "dist/scripts/fuzz.js"), "--seconds", "60"];
  // Rejects, with what it found, unless it ends with exit code 0.
  const run = promisify(execFile)(process.execPath, args);
  reapWithUs(run.child);
  const { stdout } = await run;
  expect(stdout).toMatch(/\d{3,} requests, answered .*\d+ × 201/);
  expect(stdout).toContain("No anomaly.");
});
