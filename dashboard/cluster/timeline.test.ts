import { describe, expect, it } from "vitest";
import type { ChaosState } from "../../shared/protocol/chaos.js";
import type { ElectionMessage } from "../../shared/protocol/requests.js";
import type { ElectionView } from "../api/types.js";
import { downtimesOf, ticksOf, timelineOf } from "./timeline.js";
import { Witness } from "./witness.js";

const at = (seconds: number): string => new Date(seconds * 1_000).toISOString();
const election = (fields: Partial<ElectionView>): ElectionView => ({
  ...{ term: 1, leaderId: "n3", height: 1, at: at(10), reason: "genesis", previousLeader: null },
  ...{ votes: [], tookMs: null, writesRefused: {} },
  ...fields,
});
const ELECTIONS: readonly ElectionView[] = [
  election({ term: 3, at: at(40), reason: "take_over", previousLeader: "n2", tookMs: 500, votes: ["n3", "n1"] }),
  election({
    ...{ term: 2, leaderId: "n2", at: at(22), reason: "no_leader", previousLeader: "n3", tookMs: 2_000 },
    ...{ votes: ["n2", "n1"], writesRefused: { n1: 3 } },
  }),
  election({}),
];
const NODES = ["n1", "n2", "n3"];
const MESSAGES: readonly ElectionMessage[] = [
  { at: at(21), kind: "alive", from: "n2", to: "n1" },
  { at: at(20), kind: "election", from: "n1", to: "n2" },
];
const parts = {
  ...{ nodes: NODES, elections: ELECTIONS, messages: MESSAGES, downtimes: [], record: [] },
  ...{ leaderId: "n3", now: 60_000 },
};

describe("the lanes", () => {
  const { lanes, arrows, gaps } = timelineOf(parts);
  const spans = (node: string): unknown[] =>
    (lanes.find((lane) => lane.node === node)?.spans ?? []).map(({ kind, from, to }) => [kind, from, to]);

  it("a leader leads until its last sign, its successor campaigns from there on, and leads from its first block on", () => {
    expect(spans("n3")).toEqual([
      ["follows", 22_000, 39_500],
      ["leads", 10_000, 20_000],
      ["leads", 40_000, 60_000],
      ["transfer", 39_500, 40_000],
    ]);
    expect(spans("n2")).toEqual([
      ["follows", 10_000, 20_000],
      ["follows", 40_000, 60_000],
      ["leads", 22_000, 39_500],
      ["campaign", 20_000, 22_000],
    ]);
    expect(spans("n1")).toEqual([
      ["follows", 10_000, 20_000],
      ["follows", 22_000, 39_500],
      ["follows", 40_000, 60_000],
    ]);
  });

  it("nobody follows while it is down, or tries to lead itself", () => {
    const down = { node: "n1", kind: "down", from: 12_000, to: 41_000, label: "killed" } as const;
    const cut = { node: "n1", kind: "cut", from: 50_000, to: 55_000, label: "cut off" } as const;
    const [lane] = timelineOf({ ...parts, downtimes: [down, cut] }).lanes;
    const followed = lane?.spans.filter(({ kind }) => kind === "follows").map(({ from, to }) => [from, to]);
    expect(followed).toEqual([
      [10_000, 12_000],
      [41_000, 50_000],
      [55_000, 60_000],
    ]);
  });

  it("messages, votes and transfers go from node to node, and nobody's own vote", () => {
    expect(arrows.map(({ from, label, at: when }) => [from, label, when])).toEqual([
      ["n1", "voted for n2", 22_000],
      ["n1", "voted for n3", 40_000],
      ["n2", "handed over to n3", 40_000],
      ["n2", "answered n1: ALIVE", 21_000],
      ["n1", "asked n2: ELECTION", 20_000],
    ]);
    expect(gaps).toEqual([{ term: 2, from: 20_000, to: 22_000 }]);
  });

  it("what was refused stands on the node that refused it", () => {
    expect(lanes[0]?.marks).toEqual([{ kind: "refused", at: 22_000, label: "3 refused" }]);
  });

  it("a leader that went and was not followed led until it went", () => {
    const downtimes = [{ node: "n3", kind: "down", from: 50_000, to: 60_000, label: "down" }] as const;
    const lane = timelineOf({ ...parts, downtimes, leaderId: null }).lanes[2];
    expect(lane?.spans.findLast(({ kind }) => kind === "leads")).toMatchObject({ kind: "leads", to: 50_000 });
  });
});

it("downtimes end with what ends them, and those that did not end last until now", () => {
  const record: ChaosState["record"] = [
    { at: at(1), node: "n1", what: "kill" },
    { at: at(2), node: "n2", what: "cut" },
    { at: at(3), node: "n1", what: "restart" },
    { at: at(5), node: "n1", what: "up" },
    { at: at(6), node: "n2", what: "tamper", detail: "event 4" },
    { at: at(7), node: "n2", what: "join" },
    { at: at(8), node: "n3", what: "died", detail: "it was ended" },
    { at: at(9), node: "n1", what: "pause" },
  ];
  expect(downtimesOf(record, 20_000).map(({ node, kind, from, to }) => [node, kind, from, to])).toEqual([
    ["n1", "down", 1_000, 5_000],
    ["n2", "cut", 2_000, 7_000],
    ["n3", "down", 8_000, 20_000],
    ["n1", "paused", 9_000, 20_000],
  ]);
});

it("the page remembers when a node gave no answer, and how long it caught up after", () => {
  const witness = new Witness();
  const note = (now: number, more: Record<string, object> = {}): void =>
    witness.note(
      { nodes: NODES.map((id) => ({ id, role: "follower", lagEvents: 0, ...more[id] })) } as unknown as Parameters<
        Witness["note"]
      >[0],
      now,
    );
  const seen = (): unknown[] => witness.seen().map(({ node, kind, from, to }) => [node, kind, from, to]);
  const silent = { role: "unknown" };
  const never = Number.POSITIVE_INFINITY;
  // Every follower is behind for moments.
  note(1_000, { n1: { lagEvents: 3 } });
  expect(seen()).toEqual([]);
  note(2_000, { n2: silent });
  note(3_000, { n2: silent });
  expect(seen()).toEqual([["n2", "silent", 2_000, never]]);
  note(4_000, { n2: { lagEvents: 9 } });
  note(5_000, { n2: { lagEvents: 2 } });
  const caughtUp = [
    ["n2", "silent", 2_000, 4_000],
    ["n2", "behind", 4_000, 6_000],
  ];
  note(6_000);
  expect(seen()).toEqual(caughtUp);
  note(7_000, { n2: silent, n3: { role: "learner", lagEvents: 5 } });
  note(8_000);
  expect(seen()).toEqual([...caughtUp, ["n2", "silent", 7_000, 8_000], ["n3", "behind", 7_000, 8_000]]);
});

it("ticks are round, and never more than fit", () => {
  expect(ticksOf(1_400, 5_200, 5)).toEqual([2_000, 3_000, 4_000, 5_000]);
  for (const width of [900, 60_000, 3_600_000, 86_400_000, 30 * 86_400_000])
    expect(ticksOf(123_456, 123_456 + width, 6).length).toBeLessThanOrEqual(7);
});
