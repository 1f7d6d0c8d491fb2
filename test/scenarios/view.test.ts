import { expect, it } from "vitest";
import { Lab } from "./lab.js";

it("a node tells when it heard its leader last, which a leader does now, and how long it waits for one yet", () => {
  const lab = new Lab().form();
  lab.split(["n1"], ["n2", "n3"]);
  lab.run(500);
  const [n1, n2, n3] = [lab.node("n1"), lab.node("n2"), lab.node("n3")];
  expect(n1.view).toMatchObject({ role: "leader", lastLeaderContact: n1.now, electionWait: null });
  const { lastLeaderContact, electionWait } = n2.view;
  expect(n2.now - lastLeaderContact).toBeGreaterThanOrEqual(500 - lab.timing.heartbeatMs);
  expect(electionWait?.ofMs).toBe((electionWait?.leftMs ?? 0) + n2.now - lastLeaderContact);

  // A learner waits for no election.
  n3.crash();
  lab.checkers.commits.onDiskLoss(n3);
  n3.disk.wipe(lab.random.hex(16), null);
  lab.split(["n2"], ["n3"]);
  n3.start();
  expect(n3.view).toMatchObject({ isLearner: true, electionWait: null });
  lab.finish();
});

it("a node that founds a log tells whom it misses, and of nobody once there is a list", () => {
  const lab = new Lab();
  const [n1, n2, n3] = [lab.node("n1"), lab.node("n2"), lab.node("n3")];
  for (const node of [n1, n2]) node.start();
  lab.timeouts(1);
  expect(n1.view).toMatchObject({ isForming: true, missing: ["n3"] });
  n3.start();
  lab.until("somebody leads", () => lab.leader !== undefined);
  lab.writeTo("n1");
  // Nobody introduces itself any more.
  lab.timeouts(3);
  for (const { view } of lab.nodes) expect(view).toMatchObject({ isForming: false, missing: [] });
  lab.finish();
});
