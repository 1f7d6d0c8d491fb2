import { expect, it } from "vitest";
import { term } from "../../shared/ids.js";
import { Lab } from "../scenarios/lab.js";
import { isolate } from "./faults/fault.js";

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
  lab.node("n1").read((height) => answers.push(height));
  const { joinNonce = "" } = lab.node("n3").disk.hardState ?? {};
  const stale = lab.message("n3", "n1", {
    kind: "append_answer",
    // A round of an earlier term, which had more of them.
    round: 5_000,
    result: "stale",
    matchHeight: lab.node("n3").view.commitHeight,
    commitHeight: lab.node("n3").view.commitHeight,
    tailHeight: lab.node("n3").view.tailHeight,
    joinNonce,
    isVoter: true,
    isStoreHealthy: true,
  });
  lab.deliver({ ...stale, term: present });
  lab.run(50);
  expect(answers).toEqual([]);
  lab.finish();
});

it("knows after a truncation and a restart what it knew to be committed, though it recovered in between", () => {
  const lab = new Lab().form();
  const n3 = lab.node("n3");
  lab.run(1_500);
  // A block whose header alone says that the one before it is committed.
  lab.writeTo("n1");
  lab.writeTo("n1");
  lab.until("all are level", () => lab.isLevel());
  n3.crash();
  lab.split(["n3"], ["n1", "n2"]);
  n3.start();
  lab.run(20);
  const { commitHeight, tailHeight } = n3.view;
  expect(tailHeight).toBe(commitHeight + 1);
  // Its mark is written meanwhile, as it is before any truncation.
  lab.run(1_200);
  void n3.process?.storage.log.truncate(tailHeight, { term: term(9), leaderId: "n2" });
  lab.until("its tail is gone", () => n3.disk.tailHeight === commitHeight);
  n3.crash();
  expect(n3.disk.knownCommitHeight).toBe(commitHeight);
});

it("mends nothing that was cut after all faults had ended", () => {
  const lab = new Lab();
  const n1 = lab.node("n1");
  const mendFirst = isolate(lab, n1);
  lab.network.mendAll();
  const mendSecond = isolate(lab, n1);
  mendFirst?.();
  expect(lab.network.isCut("n1", "n2")).toBe(true);
  mendSecond?.();
  expect(lab.network.isCut("n1", "n2")).toBe(false);
});
