import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outputOf } from "../test/support/command.js";
import { projectRoot } from "./lib/project.js";

const { scripts } = JSON.parse(readFileSync(join(projectRoot(), "package.json"), "utf8")) as {
  scripts: { "kill-leader": string };
};
/** Few: what the faults do to them is what is tested, and more of them make a longer log to judge. */
const CLIENTS = ["--writers", "6", "--readers", "3"];
/** What `npm run kill-leader` runs once all is built, with its own options. */
const [, , program = "", ...preset] = scripts["kill-leader"].split(" ");

describe("npm run kill-leader, in short", () => {
  it.each([
    [["--rounds", "3"], "leader-kill", 3],
    [["--rounds", "2", "--faults", "all-kill"], "all-kill", 2],
  ])(
    "finds every acknowledged event once on equal nodes after %j",
    { timeout: 1_200_000 },
    async (args, fault, times) => {
      const stdout = await outputOf([join(projectRoot(), program), ...preset, ...args, ...CLIENTS]);
      expect(stdout).toMatch(new RegExp(`^ +${fault} +${times} +\\d+ ms`, "m"));
      expect(stdout).toMatch(/The logs of n1, n2, n3: \d+ events, head/);
      expect(stdout).toContain("No anomaly.");
    },
  );
});
