import { describe, expect, it } from "vitest";
import { term } from "../../shared/ids.js";
import { Lab } from "./lab.js";

const matchOf = (lab: Lab, follower: string): number | undefined =>
  lab.leader?.view.peers.find((peer) => peer.id === follower)?.matchHeight;

describe("replication", () => {
  it("an acknowledgement of an earlier term moves nothing", () => {
    const lab = new Lab().form();
    lab.node("n1").crash();
    lab.elect("n2");
    lab.drop(({ from, body }) => from === "n3" && body.kind === "append_answer");
    lab.begin("n2");
    lab.run(50);
    const { commitHeight, tailHeight, term: present } = lab.node("n2").view;
    const before = matchOf(lab, "n3");
    const late = {
      kind: "append_answer",
      round: 99_999,
      result: "ok",
      matchHeight: tailHeight,
      tailHeight,
      commitHeight,
      joinNonce: lab.node("n3").disk.hardState?.joinNonce ?? "",
      isVoter: true,
      isStoreHealthy: true,
    } as const;
    lab.deliver({ ...lab.message("n3", "n2", late), term: term(present - 1) });
    // A refusal says nothing about what is equal, whatever heights it names.
    lab.deliver(lab.message("n3", "n2", { ...late, round: 2, result: "mismatch" }));
    lab.deliver(lab.message("n3", "n2", { ...late, round: 3, result: "stale" }));
    lab.deliver(lab.message("n3", "n2", { ...late, round: 4, result: "rejected" }));
    expect(matchOf(lab, "n3")).toBe(before);
    expect(lab.node("n2").view.commitHeight).toBe(commitHeight);
    lab.finish();
  });

  it("a follower acknowledges what the message covered, not where its own log ends", () => {
    const lab = new Lab({ nodes: 5 }).form();
    const height = lab.tailOf("n1");
    // n5 alone holds a block of n1 that the next leader knows nothing of.
    const stop = lab.drop(({ from, to, blocks }) => from === "n1" && to !== "n5" && blocks.length > 0);
    lab.begin("n1");
    lab.until("n5 holds it", () => lab.tailOf("n5") === height + 1);
    lab.node("n1").crash();
    stop();
    const noBlocks = lab.drop(({ to, blocks }) => to === "n5" && blocks.length > 0);
    lab.elect("n2");
    lab.sent.length = 0;
    lab.timeouts(2);
    const answers = lab.sentBy("n5", "append_answer").filter(({ to, body }) => to === "n2" && body.result === "ok");
    expect(answers.length).toBeGreaterThan(0);
    for (const { body } of answers) expect(body).toMatchObject({ matchHeight: height, tailHeight: height + 1 });
    noBlocks();
    lab.finish();
  });

  it("an uncommitted tail that lost is kept as evidence and replaced, without an alert; its write is logged once", () => {
    const lab = new Lab().form();
    const height = lab.tailOf("n1");
    lab.split(["n1"], ["n2", "n3"]);
    const { write, outcome } = lab.begin("n1");
    lab.until("n1 stores it alone", () => lab.tailOf("n1") === height + 1);
    const lost = lab.node("n1").disk.at(height + 1)?.block.blockHash;
    lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1");
    lab.writeTo("n2");
    lab.network.mendAll();
    lab.until("n1 follows", () => lab.isLevel());
    expect(lab.node("n1").disk.quarantined).toBe(1);
    expect(lab.node("n1").disk.at(height + 1)?.block.blockHash).not.toBe(lost);
    // The node that took the write forwards it to the new leader, with the same id.
    lab.until("the client is answered", () => outcome() !== null);
    expect(outcome()?.kind).toBe("written");
    expect(lab.checkers.history.sequenceOf(write.events[0]?.id ?? "")).toBeDefined();
    lab.finish();
  });

  it("one key posted to all nodes at once, and again after a change of leader, is one event", () => {
    const lab = new Lab().form();
    const posts = ["n1", "n2", "n3", "n3", "n1"].map((id) => lab.begin(id, { key: "order-17" }));
    lab.until("all are answered", () => posts.every(({ outcome }) => outcome() !== null));
    lab.node("n1").crash();
    lab.until("another leads", () => lab.leader !== undefined);
    const again = lab.begin("n2", { key: "order-17" });
    lab.until("it is answered", () => again.outcome() !== null);
    const sequences = [...posts, again].map(({ outcome }) => {
      const result = outcome();
      return result?.kind === "written" ? result.events[0]?.sequence : result?.kind;
    });
    expect(new Set(sequences).size, JSON.stringify(sequences)).toBe(1);
    lab.finish();
  });

  it("a follower that was away is brought level from the leader's disk, block by verified block", () => {
    const lab = new Lab().form();
    lab.node("n3").crash();
    for (let i = 0; i < 150; i++) lab.writeTo("n1");
    // The leader restarts: what it has in memory begins at its commit height.
    lab.node("n1").crash();
    lab.node("n1").start();
    lab.until("a leader leads", () => lab.leader !== undefined);
    lab.node("n3").start();
    lab.until("n3 is level", () => lab.isLevel(), 4 * lab.timing.electionTimeoutMs);
    expect(lab.effects.some(({ effect }) => effect.kind === "read_blocks")).toBe(true);
    lab.finish();
  });
});
