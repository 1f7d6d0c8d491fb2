import { expect, it } from "vitest";
import { Lab } from "../scenarios/lab.js";

// Seeds that failed once become other runs whenever the simulator changes: what they found is kept as a short test of its
// own, here, in test/scenarios or beside the code.
it("does not take a late answer to its earlier term for a sign that it leads", () => {
  const lab = new Lab().form();
  const { term } = lab.node("n1").view;
  lab.node("n1").input({ kind: "hand_over", target: "n2" });
  lab.until("n2 leads", () => lab.leader?.id === "n2");
  lab.node("n2").crash();
  lab.elect("n1");
  lab.node("n2").start();
  lab.until("all are level", () => lab.isLevel());
  const present = lab.node("n1").view.term;
  expect(present).toBeGreaterThan(term);
  lab.split(["n1"], ["n2", "n3"]);

  const answers: (number | null)[] = [];
  lab.node("n1").gateway.read((height) => answers.push(height));
  const { joinNonce = "" } = lab.node("n3").disk.hardState ?? {};
  const stale = lab.message("n3", "n1", {
    kind: "append_answer",
    // A round of an earlier term, which had more of them.
    round: 5_000,
    result: "stale",
    matchHeight: lab.node("n3").view.commitHeight,
    tailHeight: lab.node("n3").view.tailHeight,
    commitHeight: lab.node("n3").view.commitHeight,
    joinNonce,
    isVoter: true,
    isStoreHealthy: true,
  });
  lab.deliver({ ...stale, term: present });
  lab.run(50);
  expect(answers).toEqual([]);
  lab.finish();
});
