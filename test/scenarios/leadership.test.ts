import { describe, expect, it } from "vitest";
import type { Effect } from "../../cluster/types.js";
import { prepare } from "../sim/clients.js";
import { Random } from "../sim/random.js";
import { Lab } from "./lab.js";

describe("a leader that is stopped, slow or deposed", () => {
  it("acknowledges nothing of its old term when it resumes", () => {
    const lab = new Lab().form();
    const before = lab.node("n1").view;
    // A write is sealed, sent, and about to be acknowledged when the process stops.
    const { outcome } = lab.begin("n1");
    lab.node("n1").pause();
    lab.until("n2 leads", () => lab.node("n2").view.role === "leader");
    lab.writeTo("n3");
    const seen = lab.effects.length;
    lab.node("n1").resume();
    lab.timeouts(2);
    const since = lab.effects.slice(seen).filter(({ node }) => node === "n1");
    const inOldTerm = since.filter(({ effect }) => effect.kind === "send" && effect.message.body.kind === "append");
    expect(inOldTerm).toEqual([]);
    expect(lab.node("n1").view).toMatchObject({ role: "follower", leaderId: "n2" });
    expect(lab.node("n1").view.term).toBeGreaterThan(before.term);
    lab.finish();
    // Whatever became of the write, the client was told the truth: the ledger was checked at the end.
    expect(["written", "unknown", "not_written", undefined]).toContain(outcome()?.kind);
  });

  it("hands over when its own disk stalls and a level voter's is healthy", () => {
    const lab = new Lab().form();
    lab.node("n1").store.behaviour.isStalled = true;
    const { outcome } = lab.begin("n1");
    lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1");
    lab.writeTo("n3");
    lab.node("n1").store.behaviour.isStalled = false;
    lab.node("n1").store.next();
    lab.finish();
    expect(outcome()?.kind).toBe("written");
  });

  it("keeps a queued write out of every later block once it stopped leading", () => {
    const lab = new Lab().form();
    const n1 = lab.node("n1");
    // One block hangs on its disk, one write is queued behind it.
    n1.store.behaviour.held = ({ kind }) => kind === "store_block";
    lab.begin("n1");
    lab.run(5);
    const queued = prepare(new Random(3), { source: "queued" });
    n1.input({ kind: "propose", proposal: { proposalId: 9_999, events: queued, deadline: n1.now + 60_000 } });
    const verdicts = (): Effect[] =>
      lab.effects.flatMap(({ effect }) => ("proposalId" in effect && effect.proposalId === 9_999 ? [effect] : []));
    expect(verdicts()).toEqual([]);

    // n2 leads meanwhile, then n1 again.
    lab.split(["n1"], ["n2", "n3"]);
    lab.until("n2 leads", () => lab.node("n2").view.role === "leader");
    lab.until("n1 follows nobody", () => n1.view.role !== "leader");
    expect(verdicts()).toMatchObject([{ kind: "refused", reason: "not_leader" }]);
    n1.store.behaviour.held = () => false;
    n1.store.next();
    lab.network.mendAll();
    lab.until("n1 has what n2 has", () => lab.isLevel());
    lab.node("n2").crash();
    lab.elect("n1");
    lab.writeTo("n1");
    lab.finish();
    expect(verdicts()).toHaveLength(1);
    expect(lab.checkers.history.sequenceOf(queued[0]?.id ?? "")).toBeUndefined();
  });

  it("does not seal a write whose deadline has passed", () => {
    const lab = new Lab().form();
    const n1 = lab.node("n1");
    n1.store.behaviour.held = ({ kind }) => kind === "store_block";
    const release = lab.drop(({ body }) => body.kind === "append_answer" && body.result === "ok" && body.round % 3 > 0);
    lab.begin("n1");
    lab.run(5);
    const events = prepare(new Random(4), { source: "late" });
    n1.input({ kind: "propose", proposal: { proposalId: 9_998, events, deadline: n1.now + 100 } });
    lab.run(200);
    n1.store.behaviour.held = () => false;
    n1.store.next();
    release();
    lab.finish();
    expect(lab.checkers.history.sequenceOf(events[0]?.id ?? "")).toBeUndefined();
  });
});
