import { expect, it } from "vitest";
import type { AppendLine, HistoryLine } from "../../judge/format.js";
import { htmlReport } from "./html.js";
import { textReport } from "./report.js";
import { Timeline } from "./timeline.js";

function append(start: number, end: number, outcome: AppendLine["outcome"] = "ok"): AppendLine {
  const events = [{ eventType: "t", sourceAppId: "s", dataPayload: { write: "w" } }];
  return { type: "append", client: "c", node: "n1", start, end, status: 201, events, outcome };
}

/** Writes every 100 ms, but none acknowledged from 2,000 to 3,500; one begun before the fault is answered at 3,400. */
const HISTORY: HistoryLine[] = [
  {
    type: "run",
    format: 1,
    seed: 9,
    nodes: ["n1", "n2", "n3"],
    startedAt: "2026-01-01T00:00:00Z",
    faults: ["one-way"],
  },
  { type: "leader", at: 0, node: "n1", term: 1 },
  ...Array.from({ length: 19 }, (_, index) => append(100 * index, 100 * index + 90)),
  { type: "leader", at: 3_200, node: "n2", term: 2 },
  append(1_900, 3_400),
  append(2_050, 3_000, "refused"),
  append(2_060, 3_050, "unknown"),
  { type: "fault", name: "one-way", nodes: ["n1"], settings: { cut: "<hold>" }, start: 2_000, end: 3_000 },
  append(2_100, 3_500),
  append(3_600, 3_700),
  { type: "episode", number: 1, start: 2_000, end: 4_000 },
  append(4_100, 4_200),
];

function timeline(): Timeline {
  const result = new Timeline();
  for (const line of HISTORY) result.add(line);
  return result;
}

const OUTCOME = {
  verdict: ["No anomaly."],
  isSound: true,
  links: { connections: 7, resets: 0, lostReplies: 1, replays: { "401": 3 } },
};

it("measures a pause to the first new write that is acknowledged, and a stall to any", () => {
  expect(timeline().pauses()).toEqual([{ gapMs: 1_500, stallMs: 1_400 }]);
});

it("counts by the second what clients were told", () => {
  const { seconds } = timeline();
  expect(seconds[0]).toMatchObject({ acknowledged: 10, refused: 0, unknown: 0 });
  expect(seconds[3]).toMatchObject({ acknowledged: 3, refused: 1, unknown: 1 });
});

it("the text has the figures, what was not asked for, and what cannot be made", () => {
  const text = textReport(timeline(), OUTCOME).join("\n");
  expect(text).toMatch(/1 faults in 1 episodes; 2 changes of leader seen, up to term 2/);
  expect(text).toMatch(/one-way +1 +1500 ms/);
  expect(text).toMatch(/Asked for: one-way\.\nNot made on real processes, covered by the simulator:\n +power-loss/);
  expect(text).toContain("3 × 401");
});

it("the page needs nothing else, shows every fault and leader, and escapes what it shows", () => {
  const page = htmlReport(timeline(), textReport(timeline(), OUTCOME), true);
  expect(page).not.toMatch(/<script|<link|src=|url\(|https?:/);
  expect(page).toContain("one-way of n1, cut &lt;hold&gt;");
  expect(page).not.toContain("<hold>");
  expect(page.match(/leads in term/g)).toHaveLength(2);
  expect(page).toContain("No anomaly");
  expect(htmlReport(timeline(), [], false)).toContain("ANOMALIES");
});
