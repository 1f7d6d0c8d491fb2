import { expect, it } from "vitest";
import type { AlertView, ClusterView, NodeView } from "../api/types.js";
import { coverageOf, runsOfLog, runsOfPicture } from "./runs.js";

const node = (id: string, verifiedThrough: number, lastSequence: number, role = "follower"): NodeView =>
  ({ id, verifiedThrough, lastSequence, role }) as NodeView;
const status = (...nodes: NodeView[]): ClusterView => ({ nodes }) as unknown as ClusterView;
const alert = (accused: string, ...sequences: [number, number][]): AlertView =>
  ({ accused, sequences, severity: "critical" }) as unknown as AlertView;
const wordsOf = (rows: ReturnType<typeof runsOfLog>): string[] =>
  rows.map(({ node: id, runs }) => `${id} ${runs.map(({ from, to, state }) => `${from}-${to} ${state}`).join(", ")}`);

it("the whole log is what passes have verified, what is held, and what is not there yet", () => {
  expect(wordsOf(runsOfLog(status(node("n1", 4, 7), node("n2", -1, -1, "unknown")), [], 10))).toEqual([
    "n1 0-4 verified, 5-7 held, 8-9 missing",
    "n2 0-9 unknown",
  ]);
});

it("what an alert names is altered on that node only, in the middle and over an edge", () => {
  const nodes = status(node("n1", 4, 9), node("n2", 9, 9));
  expect(wordsOf(runsOfLog(nodes, [alert("n1", [2, 2], [4, 6])], 10))).toEqual([
    "n1 0-1 verified, 2-2 altered, 3-3 verified, 4-6 altered, 7-9 held",
    "n2 0-9 verified",
  ]);
});

it("cells that stand alike are one run; kinds of break do not stand alike", () => {
  const cells = ["equal", "equal", "altered", "equal"].map((state) => ({ state }) as never);
  expect(wordsOf(runsOfPicture({ sequences: [5, 6, 7, 8], rows: [{ node: "n1", cells }] }))).toEqual([
    "n1 5-6 equal, 7-7 altered, 8-8 equal",
  ]);
  const alerts = [
    { ...alert("n1", [2, 3]), kind: "missing" },
    { ...alert("n1", [3, 5]), kind: "payload_modified" },
  ];
  const [row] = runsOfLog(status(node("n1", 9, 9)), alerts, 10);
  expect(row?.runs.map(({ from, to, kind }) => [from, to, kind])).toEqual([
    [0, 1, undefined],
    [2, 3, "missing"],
    [4, 5, "payload_modified"],
    [6, 9, undefined],
  ]);
});

it("counts what is verified everywhere, names the first that is not, and counts no altered event twice", () => {
  const nodes = status(node("n1", 9, 9), node("n2", 6, 9), node("n3", -1, -1, "unknown"));
  expect(coverageOf(nodes, [], 10)).toEqual({
    ...{ verified: 7, altered: 0, open: 3 },
    first: { sequence: 7, node: "n2" },
  });
  expect(coverageOf(nodes, [alert("n1", [5, 7]), alert("n2", [6, 6])], 10)).toMatchObject({
    ...{ verified: 5, altered: 3, open: 2 },
  });
  expect(coverageOf(status(node("n1", 9, 9)), [], 10).first).toBeNull();
  expect(coverageOf(status(node("n1", -1, -1)), [], 0)).toEqual({ verified: 0, altered: 0, open: 0, first: null });
});
