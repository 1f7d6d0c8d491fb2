import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { reapWithUs } from "./mongod/reaper.js";
import { projectRoot } from "./project.js";

describe("the kill script, in short", () => {
  it.each([
    [["--kills", "3"], /Killed the leader 3 times under load/],
    [["--kill-all", "2"], /Killed everything 2 times under load/],
  ])("finds every acknowledged event once on equal nodes after %j", { timeout: 300_000 }, async (args, summary) => {
    // Rejects, with what the script said, unless it ends with exit code 0.
    const run = promisify(execFile)(process.execPath, [join(projectRoot(), "dist/scripts/kill-leader.js"), ...args]);
    reapWithUs(run.child);
    const { stdout } = await run;
    expect(stdout).toMatch(summary);
    expect(stdout).toMatch(/All 3 nodes hold the same \d+ events/);
  });
});
