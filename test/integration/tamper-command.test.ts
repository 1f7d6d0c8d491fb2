import { expect, it, onTestFinished } from "vitest";
import { tamperWith } from "../../scripts/chaos/tamper/run.js";
import { startSteadyCluster } from "../support/cluster.js";

it("npm run chaos -- tamper finds what it changes on follower, leader and two of three nodes, recent and oldest, and says so in a table", async () => {
  const cluster = await startSteadyCluster();
  onTestFinished(() => cluster.stop());
  const lines: string[] = [];
  const options = { events: 5_000, writers: 4, only: "a payload that is edited", foundWithinMs: 300_000 };
  const outcomes = await tamperWith(cluster, options, (line) => lines.push(line));
  expect(outcomes.all.map(({ role, where, kind }) => `${kind} ${where} ${role}`)).toEqual([
    "payload_modified recent follower",
    "payload_modified recent leader",
    "payload_modified recent two",
    "payload_modified oldest follower",
    "payload_modified oldest leader",
    "payload_modified oldest two",
  ]);
  expect(outcomes.all.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(outcomes.isSound).toBe(true);
  expect(outcomes.lines().join("\n")).toMatch(/payload_modified +6 +\d.*6 of 6/);
}, 1_800_000);
