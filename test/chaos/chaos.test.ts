import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { HISTORY_FILE } from "../../scripts/judge/cli.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { temporaryFolder } from "../../scripts/mongod/reaper.js";
import { outputOf } from "../support/command.js";

/** Few: what the faults do to them is what is tested, and more of them make a longer log to judge. */
const CLIENTS = ["--writers", "6", "--readers", "3"];

it("five faults, one at a time, lose, double and reorder no acknowledged event", { timeout: 1_200_000 }, async () => {
  const faults = "leader-pause,mongod-kill,node-pause,hand-over,majority-kill";
  const args = [join(projectRoot(), "dist/scripts/chaos.js"), "--rounds", "5", "--faults", faults, ...CLIENTS];
  const stdout = await outputOf(args);
  expect(stdout).toContain("5 faults in 5 episodes");
  expect(stdout).toMatch(/\d+ appends: \d{2,} events acknowledged/);
  expect(stdout).toMatch(/The logs of n1, n2, n3: \d+ events, head/);
  expect(stdout).toContain("No anomaly.");
});

it("a partition, a one-way cut and lost replies leave a history that the outside judge finds sound", {
  timeout: 1_200_000,
}, async () => {
  const folder = temporaryFolder("chaos-results");
  const faults = "leader-isolated,one-way,store-reply-lost,replay";
  const args = [
    join(projectRoot(), "dist/scripts/chaos.js"),
    "--minutes",
    "0.3",
    "--faults",
    faults,
    "--out",
    folder,
    ...CLIENTS,
  ];
  const stdout = await outputOf(args);
  expect(stdout).toContain("leader-isolated");
  expect(stdout).toContain("No anomaly.");
  expect(readFileSync(join(folder, "report.html"), "utf8")).toMatch(/<svg .*<rect .*leader-isolated of n\d/s);
  expect(existsSync(join(folder, "n1", "mongod.log"))).toBe(true);

  // The same history, with one acknowledgement that the log does not keep: the judge is no rubber stamp.
  const file = join(folder, HISTORY_FILE);
  const lines = readFileSync(file, "utf8").split("\n");
  const place = lines.findIndex((line) => line.startsWith('{"type":"append"') && line.includes('"outcome":"ok"'));
  lines[place] = (lines[place] as string).replaceAll(/"write":"[^"]+"/g, '"write":"never stored"');
  writeFileSync(file, lines.join("\n"));
  const again = promisify(execFile)(process.execPath, [join(projectRoot(), "dist/scripts/chaos.js"), "judge", folder]);
  await expect(again).rejects.toMatchObject({ code: 3, stdout: expect.stringMatching(/× lost.*never stored/s) });
});
