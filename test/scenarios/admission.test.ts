import { describe, expect, it } from "vitest";
import type { NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { fakeKeys } from "../sim/fake-crypto.js";
import type { SimNode } from "../sim/node.js";
import { Random } from "../sim/random.js";
import { Lab } from "./lab.js";

const random = new Random(11);

/** The node's database is lost; with `newKeys` its identity file as well. */
function loseDisk(lab: Lab, id: NodeId, { newKeys = false } = {}): void {
  const node = lab.node(id);
  node.crash();
  lab.checkers.commits.onDiskLoss(node);
  node.disk.wipe(random.hex(16), newKeys ? fakeKeys(random) : null);
}

describe("a node that lost its disk", () => {
  it("is admitted by itself when it kept its keys, and counts from then on", () => {
    const lab = new Lab().form();
    lab.writeTo("n2");
    loseDisk(lab, "n3");
    lab.node("n3").start();
    expect(lab.node("n3").view.isLearner).toBe(true);
    lab.until("n3 is admitted", () => !lab.node("n3").view.isLearner);
    const records = lab.checkers.history.committed.filter(
      ({ block }) => block.block.header.control?.kind === "node_admitted",
    );
    expect(records.map(({ block }) => block.block.header.control)).toMatchObject([
      { node: "n3", joinNonce: lab.node("n3").disk.hardState?.joinNonce, storeId: lab.node("n3").disk.storeId },
    ]);
    // Its acknowledgement is needed now, and its vote next.
    lab.node("n2").crash();
    lab.writeTo("n1");
    lab.node("n2").start();
    lab.until("all are level", () => lab.isLevel());
    lab.node("n1").crash();
    lab.until("another leads", () => lab.leader !== undefined);
    lab.finish();
  });

  it("makes no majority with the leader before that", () => {
    const lab = new Lab().form();
    lab.node("n2").crash();
    loseDisk(lab, "n3");
    lab.node("n3").start();
    const { commitHeight } = lab.node("n1").view;
    const { outcome } = lab.begin("n1");
    lab.timeouts(2);
    expect(lab.node("n1").view.commitHeight).toBe(commitHeight);
    expect(outcome()).toBeNull();
    lab.node("n2").start();
    lab.finish();
  });

  it("is still a learner after another restart", () => {
    const lab = new Lab().form();
    lab.node("n1").crash();
    loseDisk(lab, "n3");
    for (let i = 0; i < 3; i++) {
      lab.node("n3").start();
      lab.timeouts(4);
      expect(lab.node("n3").view.isLearner).toBe(true);
      lab.node("n3").crash();
    }
    expect(lab.leaderChanges()).toEqual([]);
    lab.node("n1").start();
    lab.finish();
  });

  it("waits for a person when its keys are new", () => {
    const lab = new Lab({ admitsNewKeys: false }).form();
    loseDisk(lab, "n3", { newKeys: true });
    lab.node("n3").start();
    lab.timeouts(10);
    expect(lab.node("n3").view).toMatchObject({ isLearner: true, commitHeight: lab.node("n1").view.commitHeight });
    const seen = lab.node("n1").view.peers.find((peer) => peer.id === "n3");
    expect(seen).toMatchObject({ isVoter: false, wantsAdmission: true });

    lab.node("n1").input({ kind: "admit", node: "n3", actor: "ada", reason: "the machine was replaced" });
    lab.until("n3 is admitted", () => !lab.node("n3").view.isLearner);
    const record = lab.checkers.history.committed.findLast((entry) => entry.block.block.header.control !== undefined);
    expect(record?.block.block.header.control).toMatchObject({ kind: "node_admitted", node: "n3", actor: "ada" });
    // Its new key signs blocks that the others believe.
    lab.until("all are level", () => lab.isLevel());
    lab.node("n2").crash();
    lab.writeTo("n1");
    lab.node("n2").start();
    lab.until("all are level", () => lab.isLevel());
    lab.node("n1").crash();
    lab.elect("n3");
    lab.writeTo("n2");
    lab.finish();
  });

  it("counts for a new leader that does not know yet that the record of its admission is committed", () => {
    const lab = new Lab().form();
    loseDisk(lab, "n3");
    const admittedAt = lab.tailOf("n1") + 1;
    const keepsN2Behind = ({ to, body }: PeerMessage): boolean =>
      to === "n2" && body.kind === "append" && body.commitHeight >= admittedAt;
    const stop = lab.drop(keepsN2Behind);
    lab.node("n3").start();
    lab.until("n3 is admitted", () => !lab.node("n3").view.isLearner);
    expect(lab.node("n2").view).toMatchObject({ tailHeight: admittedAt, commitHeight: admittedAt - 1 });

    // Now n1 loses its disk: n2 and n3 are the majority, and n2 has only n3 to commit with.
    loseDisk(lab, "n1");
    stop();
    lab.node("n1").start();
    lab.elect("n2");
    lab.writeTo("n2");
    lab.until("n1 is admitted", () => !lab.node("n1").view.isLearner);
    lab.finish();
  });
});

it("votes after the power went a moment after it was admitted", () => {
  const lab = new Lab().form();
  const [, n2, n3] = lab.nodes as [SimNode, SimNode, SimNode];
  const lose = (node: SimNode): void => {
    node.crash();
    lab.checkers.commits.onDiskLoss(node);
    node.disk.wipe(lab.random.hex(16), fakeKeys(lab.random));
  };
  lose(n3);
  n3.start();
  const says = (): boolean =>
    lab
      .sentBy("n3", "append_answer")
      .some(({ body }) => body.isVoter && body.joinNonce === n3.disk.hardState?.joinNonce);
  lab.until("n3 says that it is a voter", says);
  for (const node of lab.nodes) node.crash();
  // Two of three have their disks.
  lose(n2);
  for (const node of lab.nodes) node.start();
  lab.until("somebody leads", () => lab.leader !== undefined);
  lab.writeTo(lab.leader?.id ?? "");
  lab.finish();
});
