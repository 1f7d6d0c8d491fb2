import { describe, expect, it } from "vitest";
import { FAULT_KINDS, type Fault, FaultDeck } from "./faults.js";
import { FAULT_NAMES, type FaultName } from "./mix/catalogue.js";
import { type Episode, isMadeOn, Schedule } from "./mix/schedule.js";
import { parseChaosOptions } from "./options.js";
import { median, pauseTable } from "./summary.js";
import { describeElections } from "./watch.js";

const draw = (seed: number, nodes: number, count: number): Fault[] => {
  const deck = new FaultDeck(seed, nodes, FAULT_KINDS);
  return Array.from({ length: count }, () => deck.next());
};

describe("the deck of faults", () => {
  it("is replayed by its seed, begins with the leader and holds every kind as often", () => {
    const faults = draw(7, 5, 55);
    expect(draw(7, 5, 55)).toEqual(faults);
    expect(draw(8, 5, 55)).not.toEqual(faults);
    expect(faults[0]?.kind).toBe("kill-leader");
    for (const kind of FAULT_KINDS) expect(faults.filter((fault) => fault.kind === kind)).toHaveLength(5);
  });

  it.each([1, 3, 5])("strikes nodes that %i nodes have, each once, and a minority where it says so", (nodes) => {
    for (const { kind, blows, lastsMs } of draw(1, nodes, 500)) {
      const ranks = blows.map(({ rank }) => rank);
      expect(ranks.length).toBeGreaterThan(0);
      expect(new Set(ranks).size).toBe(ranks.length);
      for (const rank of ranks) expect(rank).toBeLessThan(nodes);
      expect(lastsMs).toBeLessThanOrEqual(3_000);
      if (nodes > 1 && !["kill-majority", "kill-all", "mixed"].includes(kind))
        expect(ranks.length).toBeLessThan(nodes / 2);
    }
  });
});

describe("the schedule of a run of minutes", () => {
  const plan = (seed: number, nodes: number, count: number, alone: FaultName[] = []) => {
    const schedule = new Schedule(seed, nodes, FAULT_NAMES, alone);
    return Array.from({ length: count }, () => schedule.next());
  };
  const namesOf = (episodes: Episode[]) => episodes.map(({ faults }) => faults.map(({ name }) => name));

  it("is replayed by its seed, makes every fault as often, alone and overlapping", () => {
    const episodes = plan(7, 3, 300);
    expect(plan(7, 3, 300)).toEqual(episodes);
    expect(plan(8, 3, 300)).not.toEqual(episodes);
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
    expect(namesOf(plan(1, 3, 3, list)).slice(0, 2)).toEqual([["one-way"], ["all-kill"]]);
  });

  it.each([3, 5])("strikes nodes that %i nodes have, each once", (nodes) => {
    for (const { name, ranks, lastsMs } of plan(1, nodes, 500).flatMap(({ faults }) => faults)) {
      expect(ranks.length).toBeGreaterThan(0);
      expect(new Set(ranks).size).toBe(ranks.length);
      for (const rank of ranks) expect([rank, rank >= 0 && rank < nodes]).toEqual([rank, true]);
      expect(lastsMs).toBeLessThanOrEqual(name === "long-isolation" ? 105_000 : 8_000);
    }
  });
});

describe("the options of npm run chaos", () => {
  it("reads a run of rounds", () => {
    const options = parseChaosOptions(["--only", "kill-all,hand-over", "--seed", "5"], {});
    expect(options).toMatchObject({ mode: "rounds", rounds: 50, nodes: 3, kinds: ["kill-all", "hand-over"], seed: 5 });
  });

  it("reads a run of minutes, and what to judge", () => {
    expect(parseChaosOptions(["--minutes", "0.5", "--faults", "one-way,delay"], {})).toMatchObject({
      ...{
        mode: "mix",
        minutes: 0.5,
        nodes: 3,
        names: ["one-way", "delay"],
        alone: ["one-way", "delay"],
        out: undefined,
      },
    });
    expect(parseChaosOptions(["--minutes", "1"], {})).toMatchObject({ names: FAULT_NAMES, alone: [] });
    expect(parseChaosOptions(["judge", "a", "b"], {})).toEqual({ mode: "judge", paths: ["a", "b"] });
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
    [["--only", "flood"], "is none of kill-leader"],
    [["--nodes", "4"], "odd"],
    [["--minutes", "1", "--nodes", "1"], "three nodes"],
    [["--minutes", "soon"], "number of minutes"],
    [["--faults", "flood"], "is none of node-kill"],
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

it("an election is told as it was seen and as the log records it, also when nobody saw it", () => {
  const recorded = [
    { term: 4, leaderId: "n2", reason: "no_leader", votes: ["n1", "n2"], tookMs: 120 },
    { term: 5, leaderId: "n3", reason: "take_over", votes: ["n1", "n3"], tookMs: null },
  ];
  expect(describeElections([{ term: 5, leaderId: "n3", afterMs: 6_010 }], recorded)).toBe(
    "n2 leads in term 4 unseen (no_leader, 120 ms, votes of n1 n2), " +
      "n3 leads in term 5 after 6.01 s (take_over, votes of n1 n3)",
  );
  expect(describeElections([], [])).toBe("no election");
});
