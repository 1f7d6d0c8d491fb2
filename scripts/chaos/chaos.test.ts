import { describe, expect, it } from "vitest";
import { FAULT_NAMES, type FaultName, isMadeOn, isOnLinks, ROUND_FAULTS } from "./faults/catalogue.js";
import { parseChaosOptions, USAGE } from "./options.js";
import { median, pauseTable } from "./report/summary.js";
import { type Episode, Schedule, type ScheduleOptions } from "./schedule.js";

describe("the schedule of a run", () => {
  const plan = (options: Partial<ScheduleOptions>, count: number) => {
    const schedule = new Schedule({ seed: 7, nodes: 3, names: FAULT_NAMES, ...options });
    return Array.from({ length: count }, () => schedule.next());
  };
  const namesOf = (episodes: Episode[]) => episodes.map(({ faults }) => faults.map(({ name }) => name));

  it("is replayed by its seed, makes every fault as often, alone and overlapping", () => {
    const episodes = plan({}, 300);
    expect(plan({}, 300)).toEqual(episodes);
    expect(plan({ seed: 8 }, 300)).not.toEqual(episodes);
    const names = namesOf(episodes).flat();
    const made = FAULT_NAMES.filter((name) => isMadeOn(name, 3));
    expect(FAULT_NAMES.filter((name) => !made.includes(name))).toEqual(["staggered"]);
    for (let start = 0; start + made.length <= names.length; start += made.length)
      expect(names.slice(start, start + made.length).sort()).toEqual([...made].sort());
    for (const together of namesOf(episodes)) expect(new Set(together).size).toBe(together.length);
    expect([...new Set(episodes.map(({ faults }) => faults.length))].sort()).toEqual([1, 2, 3]);
  });

  it("makes the faults of a list one at a time first", () => {
    const list: FaultName[] = ["one-way", "all-kill"];
    expect(namesOf(plan({ names: list, alone: list }, 3)).slice(0, 2)).toEqual([["one-way"], ["all-kill"]]);
  });

  it("makes rounds of one fault each, as often as every other", () => {
    const rounds = namesOf(plan({ names: ROUND_FAULTS, isOneAtATime: true }, 10 * ROUND_FAULTS.length));
    for (const round of rounds) expect(round).toHaveLength(1);
    const made = ROUND_FAULTS.filter((name) => isMadeOn(name, 3));
    expect(rounds.slice(0, made.length).flat().sort()).toEqual([...made].sort());
  });

  it.each([1, 3, 5])("strikes nodes that %i nodes have, each once", (nodes) => {
    for (const { name, ranks, lastsMs } of plan({ nodes }, 500).flatMap(({ faults }) => faults)) {
      expect(ranks.length).toBeGreaterThan(0);
      expect(new Set(ranks).size).toBe(ranks.length);
      for (const rank of ranks) expect([rank, rank >= 0 && rank < nodes]).toEqual([rank, true]);
      expect(lastsMs).toBeLessThanOrEqual(name === "long-isolation" ? 105_000 : 8_000);
    }
  });
});

describe("the options of npm run chaos", () => {
  it("reads a run of rounds", () => {
    const asked: FaultName[] = ["all-kill", "hand-over"];
    expect(parseChaosOptions(["--rounds", "7", "--faults", asked.join(","), "--seed", "5"], {})).toMatchObject({
      ...{ mode: "run", rounds: 7, minutes: undefined, nodes: 3, names: asked, alone: asked, seed: 5, out: undefined },
    });
    expect(parseChaosOptions([], {})).toMatchObject({ rounds: 50, minutes: undefined, names: ROUND_FAULTS });
    // Behind proxies a dead process refuses no connection, and a pause would be longer.
    expect(ROUND_FAULTS.filter(isOnLinks)).toEqual([]);
  });

  it("reads a run of minutes, and what to judge", () => {
    const asked: FaultName[] = ["one-way", "delay"];
    expect(parseChaosOptions(["--minutes", "0.5", "--faults", asked.join(",")], {})).toMatchObject({
      ...{ mode: "run", minutes: 0.5, rounds: undefined, nodes: 3, names: asked, alone: asked },
    });
    expect(parseChaosOptions(["--faults", "delay"], {})).toMatchObject({ minutes: 5, rounds: undefined });
    expect(parseChaosOptions(["--minutes", "1"], {})).toMatchObject({ names: FAULT_NAMES, alone: [] });
    expect(parseChaosOptions(["tamper", "--only", "payload"], {})).toEqual({
      ...{ mode: "tamper", events: 60_000, writers: 16, only: "payload" },
    });
    expect(parseChaosOptions(["no-alarm", "--minutes", "120"], {})).toEqual({
      ...{ mode: "no-alarm", minutes: 120, writers: 256 },
    });
    expect(parseChaosOptions(["judge", "a", "b"], {})).toEqual({ mode: "judge", paths: ["a", "b"] });
  });

  it("takes the last of several, so that a preset can be changed", () => {
    const preset = ["--rounds", "20", "--faults", "leader-kill"];
    expect(parseChaosOptions([...preset, "--rounds", "2", "--faults", "all-kill"], {})).toMatchObject({
      ...{ rounds: 2, names: ["all-kill"] },
    });
  });

  it("names every fault in its help, in lines that fit", () => {
    for (const name of FAULT_NAMES) expect(USAGE).toContain(name);
    for (const line of USAGE.split("\n")) expect(line.length).toBeLessThanOrEqual(125);
  });

  it("reads what to do to a running cluster", () => {
    expect(parseChaosOptions(["pause", "n2", "10s"], { PORT: "4000" })).toEqual({
      ...{ mode: "live", signal: "SIGSTOP", program: "node", node: "n2", pauseMs: 10_000 },
      ...{ dataDir: "data", url: "http://127.0.0.1:4000" },
    });
    expect(parseChaosOptions(["kill-leader", "--data", "d"], {})).toMatchObject({ node: undefined, dataDir: "d" });
  });

  it.each([
    [["kill"], "needs a node"],
    [["kill", "../x"], "needs a node"],
    [["pause", "n2"], "needs a time"],
    [["explode"], "is none of kill-leader"],
    [["--nodes", "4"], "odd"],
    [["--faults", "delay", "--nodes", "1"], "is not made on 1 nodes"],
    [["--minutes", "soon"], "number of minutes"],
    [["--faults", "flood"], "is none of leader-kill"],
    [["--faults", "clock-step"], "the simulator has it"],
    [["judge"], "needs a folder"],
  ])("refuses %j", (args, sentence) => {
    expect(() => parseChaosOptions(args, {})).toThrow(sentence);
  });
});

it("the table of pauses gives median and worst by kind", () => {
  expect(median([3, 1, 2, 10])).toBe(2.5);
  const [, row] = pauseTable([1, 2, 9].map((gapMs) => ({ kind: "kill-leader", gapMs, stallMs: 2 * gapMs })));
  expect(row).toMatch(/kill-leader +3 +2 ms +9 ms +4 ms +18 ms/);
});
