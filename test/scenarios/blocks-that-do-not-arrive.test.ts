import { expect, it } from "vitest";
import { Lab } from "./lab.js";

it("elects another leader when heartbeats pass and blocks do not, and stays with it", () => {
  const lab = new Lab().form();
  lab.drop(({ from, blocks }) => from === "n1" && blocks.length > 0);
  const { outcome } = lab.begin("n2");
  lab.timeouts(3);
  // It may yet arrive.
  expect(lab.leader?.id).toBe("n1");
  lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1", 5_000);
  expect(lab.leaderChanges()).toHaveLength(1);
  lab.until("the client is answered", () => outcome() !== null, 3_000);
  lab.writeTo("n3");
  // n1 is preferred: it would take over after its cool-down, and stop all writes again.
  lab.effects.length = 0;
  lab.timeouts(9);
  expect(lab.leaderChanges()).toEqual([]);
  expect(lab.node("n1").view.leaderId).toBe(lab.leader?.id);
  lab.finish();
});

it("stays the leader where nobody could do better: the only other voter's disk hangs", () => {
  const lab = new Lab({ timing: { stallMs: 600_000 } }).form();
  lab.node("n3").crash();
  lab.node("n2").store.behaviour.held = ({ kind }) => kind !== "read";
  lab.begin("n1");
  lab.timeouts(20);
  expect(lab.leader?.id).toBe("n1");
  expect(lab.leaderChanges()).toEqual([]);
  lab.finish();
});

it("waits while a follower that is far behind catches up", () => {
  const lab = new Lab({ limits: { messageBlocksMax: 1 } }).form();
  lab.node("n3").crash();
  lab.network.profile = { ...lab.network.profile, delayMinMs: 300, delayMaxMs: 300 };
  for (let i = 0; i < 12; i++) lab.writeTo("n1");
  lab.node("n2").crash();
  lab.node("n3").start();
  lab.begin("n1");
  // Each block takes more than half a timeout: together more than the four that a leader has.
  lab.timeouts(7);
  expect(lab.leader?.id).toBe("n1");
  expect(lab.node("n3").view.commitHeight).toBeGreaterThan(6);
  lab.finish();
});
