import { describe, expect, it } from "vitest";
import type { Outcome } from "../sim/requests.js";
import { Lab } from "./lab.js";

/** n1 died, n2 leads, n1 is back: priority asks, the leader decides, the log loses nothing. */
function returned(options: ConstructorParameters<typeof Lab>[0] = {}): Lab {
  const lab = new Lab(options).form();
  lab.node("n1").crash();
  lab.elect("n2");
  lab.writeTo("n2");
  lab.effects.length = 0;
  lab.sent.length = 0;
  return lab;
}

describe("takeover by a preferred node", () => {
  it("catches up first, is handed the lead once, and nothing that was acknowledged is lost", () => {
    const lab = returned();
    for (let i = 0; i < 30; i++) lab.writeTo("n3");
    lab.node("n1").start();
    // Under load: a write every few milliseconds, at every node.
    const outcomes: (() => Outcome | null)[] = [];
    for (let i = 0; i < 400; i++) {
      outcomes.push(lab.begin(`n${(i % 3) + 1}`).outcome);
      lab.run(20);
    }
    expect(lab.leader?.id).toBe("n1");
    expect(lab.leaderChanges()).toHaveLength(1);
    lab.until("all are answered", () => outcomes.every((outcome) => outcome() !== null));
    expect(new Set(outcomes.map((outcome) => outcome()?.kind))).toEqual(new Set(["written"]));
    lab.finish();
  });

  it("a leader that kept its role after a failed hand-over takes writes again, and waits longer each time", () => {
    const lab = returned({ timing: { takeoverCooldownMs: 500 } });
    lab.node("n1").start();
    lab.drop(({ body }) => body.kind === "run_now");
    lab.run(20_000);
    const times = lab.sentBy("n2", "run_now").length;
    expect(times).toBeGreaterThan(1);
    // 20 s hold 40 cool-downs; doubled each time, they hold five or six.
    expect(times).toBeLessThanOrEqual(6);
    lab.writeTo("n3");
    lab.finish();
  });
});

it("waits for a leader by the leader's own timeout, and names both: nodes configured differently do not move the lead to and fro", () => {
  const slow = { heartbeatMs: 3_000, electionTimeoutMs: 9_000 };
  const lab = new Lab({ timingOf: { n1: slow } });
  lab.startAll();
  lab.until("n1 leads", () => lab.leader?.id === "n1", 120_000);
  lab.writeTo("n1");
  const changes = lab.leaderChanges();
  lab.run(70_000);
  expect(lab.leaderChanges()).toEqual(changes);
  const warning = { code: "timeouts_differ", node: "n1", theirMs: 9_000, ownMs: 1_000 };
  const warnings = new Map(lab.notes("timeouts_differ").map(({ node, note }) => [node, note]));
  expect(Object.fromEntries(warnings)).toEqual({ n2: warning, n3: warning });
  lab.finish();
});

it("waits for its leader by that one's timeout, and for votes without one by its own", () => {
  const lab = new Lab({ timingOf: { n1: { heartbeatMs: 3_000, electionTimeoutMs: 9_000 } } });
  lab.startAll();
  lab.until("n1 leads", () => lab.leader?.id === "n1", 120_000);
  lab.writeTo("n1");
  lab.split(["n2"], ["n1", "n3"]);
  lab.sent.length = 0;
  lab.run(5_000);
  expect(lab.sentBy("n2", "pre_vote")).toEqual([]);
  lab.until("n2 runs", () => lab.node("n2").view.role === "pre_candidate");
  lab.sent.length = 0;
  lab.run(6_000);
  // Each time it asks two, about once a second.
  expect(lab.sentBy("n2", "pre_vote").length).toBeGreaterThanOrEqual(10);
  lab.finish();
});
