import { expect, it } from "vitest";
import type { AlertList, AlertView, ClusterView, NodeView } from "../api/types.js";
import { type Heard, intactnessOf } from "./intact.js";

const NOW = Date.parse("2026-11-29T12:00:00Z");
const node = (id: string, more: Partial<NodeView> = {}): NodeView =>
  ({
    ...{ id, role: "follower", lastSequence: 9, headHash: "aa", verifiedThrough: 9, watch: "live" },
    ...{ lastPassAt: "2026-11-29T11:59:00Z", ...more },
  }) as NodeView;
const status = (...nodes: NodeView[]): ClusterView => ({ state: "available", nodes }) as unknown as ClusterView;
const sound = status(node("n1"), node("n2"), node("n3"));
const told = (more: Partial<AlertList> = {}): AlertList => ({ alerts: [], more: 0, unreachable: [], ...more });
/** Answered just now, and not refused since. */
const heard = <T>(body: T, more: Partial<Heard<T>> = {}): Heard<T> => ({ body, at: NOW, hasFailed: false, ...more });
const judged = (cluster: ClusterView, list: AlertList | undefined) => intactnessOf(heard(cluster), heard(list), NOW);
const critical = { accused: "n2", severity: "critical", sequences: [[4, 4]] } as unknown as AlertView;

it("says yes only where every node has answered and told no alert", () => {
  expect(judged(sound, told())).toMatchObject({
    tone: "ok",
    answer: "Yes: nothing differs on 3 of 3 nodes",
  });
  expect(judged(sound, undefined)).toMatchObject({ tone: "unknown", answer: "Not known yet" });
  expect(judged(sound, told({ unreachable: ["n3"] }))).toMatchObject({
    ...{ tone: "unknown", answer: "No alert on 2 of 3 nodes" },
  });
  const silent = status(node("n1"), node("n2"), node("n3", { role: "unknown" }));
  expect(judged(silent, told()).tone).toBe("unknown");
});

it("says no, and on which node", () => {
  const { tone, answer } = judged(sound, told({ alerts: [critical] }));
  expect({ tone, answer }).toEqual({ tone: "bad", answer: "No: 1 critical alert on n2" });
});

it("tells what passes have read again apart from what was verified when it was stored", () => {
  const all = judged(sound, told()).facts.join(" ");
  expect(all).toContain("Passes over the log have read all of it again");
  expect(all).toContain("ended 1 min ago");
  const some = status(node("n1"), node("n2", { verifiedThrough: 6 }), node("n3", { watch: "down" }));
  const facts = judged(some, told()).facts.join(" ");
  expect(facts).toContain("7 of 10 events were read again by passes");
  expect(facts).toContain("2 of 3 nodes see a change of their database at once");
});

it("does not go on saying yes where alerts are told no more, and says how old the last are", () => {
  const failed = intactnessOf(heard(sound), heard(told(), { at: NOW - 12_000, hasFailed: true }), NOW);
  expect(failed).toMatchObject({ tone: "unknown", answer: "Not known now: alerts were told last 12 s ago" });
  const never = intactnessOf(heard(sound), heard(undefined, { at: 0, hasFailed: true }), NOW);
  expect(never).toMatchObject({ tone: "unknown", answer: "Not known: alerts are not told" });
  const old = intactnessOf(heard(sound), heard(told(), { at: NOW - 60_000 }), NOW);
  expect(old).toMatchObject({ tone: "unknown", answer: "Not known now: alerts were told last 1 min ago" });
  const silent = intactnessOf(heard(sound, { at: NOW - 9_000, hasFailed: true }), heard(told()), NOW);
  expect(silent).toMatchObject({ tone: "unknown", answer: "Not known now: the cluster answered last 9 s ago" });
  const known = told({ alerts: [critical] });
  expect(intactnessOf(heard(sound), heard(known, { hasFailed: true }), NOW).tone).toBe("bad");
});

it("says when the older of its two answers came", () => {
  expect(intactnessOf(heard(sound), heard(told(), { at: NOW - 5_000 }), NOW).at).toBe(NOW - 5_000);
  expect(intactnessOf(heard(sound, { at: NOW - 7_000 }), heard(told()), NOW).at).toBe(NOW - 7_000);
  expect(intactnessOf(heard(sound), heard(undefined, { at: 0 }), NOW).at).toBe(NOW);
});

it("says no where nodes name different heads for one event, also behind the newest", () => {
  const split = status(node("n1"), node("n2", { headHash: "bb" }), node("n3"));
  expect(judged(split, told())).toMatchObject({ tone: "bad", answer: "No: nodes name different heads at event 9" });
  const behind = { lastSequence: 7, verifiedThrough: 7 };
  const late = status(node("n1"), node("n2", behind), node("n3", { ...behind, headHash: "bb" }));
  expect(judged(late, told())).toMatchObject({ tone: "bad", answer: "No: nodes name different heads at event 7" });
  const apart = status(node("n1"), node("n2", { ...behind, headHash: "cc" }), node("n3"));
  expect(judged(apart, told()).tone).toBe("ok");
});

it("says no where the cluster itself does, and nothing where not all alerts were told", () => {
  const alarmed = { ...sound, state: "integrity_alert" };
  expect(judged(alarmed, told())).toMatchObject({ tone: "bad", answer: "No: the cluster has an integrity alert" });
  expect(judged(sound, told({ more: 3 }))).toMatchObject({
    tone: "unknown",
    answer: "Not known: 3 more alerts are not shown",
  });
});
