import { expect, it } from "vitest";
import type { AlertList, AlertView, ClusterView, NodeView } from "../api/types.js";
import { intactnessOf } from "./intact.js";

const NOW = Date.parse("2026-11-29T12:00:00Z");
const node = (id: string, more: Partial<NodeView> = {}): NodeView =>
  ({
    ...{ id, role: "follower", lastSequence: 9, headHash: "aa", verifiedThrough: 9, watch: "live" },
    ...{ lastPassAt: "2026-11-29T11:59:00Z", ...more },
  }) as NodeView;
const status = (...nodes: NodeView[]): ClusterView => ({ nodes }) as unknown as ClusterView;
const sound = status(node("n1"), node("n2"), node("n3"));
const told = (more: Partial<AlertList> = {}): AlertList => ({ alerts: [], more: 0, unreachable: [], ...more });
const critical = { accused: "n2", severity: "critical", sequences: [[4, 4]] } as unknown as AlertView;

it("says yes only where every node has answered and told no alert", () => {
  expect(intactnessOf(sound, told(), NOW)).toMatchObject({
    tone: "ok",
    answer: "Yes: nothing differs on 3 of 3 nodes",
  });
  expect(intactnessOf(sound, undefined, NOW)).toMatchObject({ tone: "unknown", answer: "Not known yet" });
  expect(intactnessOf(sound, told({ unreachable: ["n3"] }), NOW)).toMatchObject({
    ...{ tone: "unknown", answer: "No alert on 2 of 3 nodes" },
  });
  const silent = status(node("n1"), node("n2"), node("n3", { role: "unknown" }));
  expect(intactnessOf(silent, told(), NOW).tone).toBe("unknown");
});

it("says no, and on which node", () => {
  const { tone, answer } = intactnessOf(sound, told({ alerts: [critical] }), NOW);
  expect({ tone, answer }).toEqual({ tone: "bad", answer: "No: 1 critical alert on n2" });
});

it("tells what passes have read again apart from what was verified when it was stored", () => {
  const all = intactnessOf(sound, told(), NOW).facts.join(" ");
  expect(all).toContain("Passes over the log have read all of it again");
  expect(all).toContain("ended 1 min ago");
  const some = status(node("n1"), node("n2", { verifiedThrough: 6 }), node("n3", { watch: "down" }));
  const facts = intactnessOf(some, told(), NOW).facts.join(" ");
  expect(facts).toContain("7 of 10 events were read again by passes");
  expect(facts).toContain("2 of 3 nodes see a change of their database at once");
});
