import { describe, expect, it } from "vitest";
import type { Outcome } from "../sim/gateway.js";
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

  it("does not happen before the cool-down is over", () => {
    const lab = returned();
    lab.node("n1").start();
    lab.run(lab.timing.takeoverCooldownMs - lab.timing.electionTimeoutMs);
    expect(lab.leaderChanges()).toEqual([]);
    lab.finish();
  });

  it("is not granted to a node that lags or is a learner", () => {
    const lab = returned({ timing: { takeoverCooldownMs: 500 } });
    lab.drop(({ to, blocks }) => to === "n1" && blocks.length > 0);
    lab.node("n1").start();
    for (let i = 0; i < 10; i++) {
      lab.writeTo("n2");
      lab.timeouts(1);
    }
    expect(lab.leaderChanges()).toEqual([]);
    expect(lab.sentBy("n2", "run_now")).toEqual([]);
    lab.finish();
  });

  it("a target that dies after it was told to run stops writes for one election timeout at most", () => {
    const lab = returned({ timing: { takeoverCooldownMs: 500 } });
    lab.node("n1").start();
    lab.drop(({ body }) => body.kind === "run_now");
    lab.until("n1 is told to run", () => lab.sentBy("n2", "run_now").length > 0);
    lab.node("n1").crash();
    const { outcome } = lab.begin("n3");
    lab.until("the write is acknowledged", () => outcome() !== null, 2 * lab.timing.electionTimeoutMs);
    expect(outcome()?.kind).toBe("written");
    expect(lab.leader?.id).toBe("n2");
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

  it("hands over when a person asks, to whom he names", () => {
    const lab = new Lab().form();
    lab.node("n1").input({ kind: "hand_over", target: "n3" });
    lab.until("n3 leads", () => lab.leader?.id === "n3", lab.timing.electionTimeoutMs);
    lab.writeTo("n2");
    lab.finish();
  });
});

describe("confirmed reads", () => {
  it("a leader that is cut off confirms no read, and one that is not confirms what it acknowledged", () => {
    const lab = new Lab().form();
    const written = lab.writeTo("n2");
    const answers: (number | null)[] = [];
    lab.node("n1").gateway.read((height) => answers.push(height));
    lab.until("the read is confirmed", () => answers.length > 0);
    expect(answers[0]).toBeGreaterThanOrEqual(written.height);

    lab.split(["n1"], ["n2", "n3"]);
    lab.node("n1").gateway.read((height) => answers.push(height));
    lab.until("n1 leads no longer", () => lab.node("n1").view.role !== "leader");
    expect(answers.slice(1)).toEqual([null]);
    lab.finish();
  });

  it("a paused leader confirms nothing on the strength of what it knew before", () => {
    const lab = new Lab().form();
    lab.node("n1").pause();
    lab.until("another leads", () => lab.node("n2").view.role === "leader");
    lab.writeTo("n3");
    const answer = lab.checkers.ledger.beginRead("n1");
    const answers: (number | null)[] = [];
    lab.node("n1").gateway.read((height) => {
      answers.push(height);
      answer(height);
    });
    lab.node("n1").resume();
    lab.timeouts(3);
    expect(answers.every((height) => height === null)).toBe(true);
    lab.finish();
  });
});
