import { describe, expect, it } from "vitest";
import { term } from "../../shared/ids.js";
import { Lab } from "./lab.js";

/** Elections in which one voter is asked twice, late, or while its disk is busy. */
describe("votes", () => {
  it("a candidate that lost does not vote again in the same term", () => {
    const lab = new Lab().form();
    lab.drop(({ body }) => body.kind === "vote_answer");
    lab.node("n1").crash();
    lab.until("n2 is a candidate", () => lab.sentBy("n2", "vote").length > 0);
    const [vote] = lab.sentBy("n2", "vote");
    if (vote === undefined) throw new Error("n2 asked nobody");

    const tail = { ...vote.body.tail };
    lab.deliver({ ...lab.message("n3", "n2", { kind: "vote", tail }), term: vote.term });
    lab.run(20);
    const answers = lab.sentBy("n2", "vote_answer").filter((answer) => answer.term === vote.term);
    expect(answers.map((answer) => answer.body.isGranted)).toEqual([false]);
    expect(lab.node("n2").disk.hardState).toMatchObject({ term: vote.term, votedFor: "n2" });
    lab.finish();
  });

  it("a candidate that hears the term's leader keeps its vote, also when it is asked late", () => {
    const lab = new Lab().form();
    const { term: present } = lab.node("n1").view;
    // n3 votes for n2 in a new term; n2 wins; a late request of n1 for that very term reaches n3 and n2.
    lab.split(["n1"], ["n2", "n3"]);
    lab.until("n2 leads", () => lab.node("n2").view.role === "leader");
    const { term: next } = lab.node("n2").view;
    expect(next).toBeGreaterThan(present);
    lab.timeouts(1);
    const tail = { term: term(next), height: lab.node("n2").view.tailHeight };
    for (const voter of ["n2", "n3"]) {
      lab.deliver({ ...lab.message("n1", voter, { kind: "vote", tail }), term: next });
      lab.run(20);
      const late = lab.sentBy(voter, "vote_answer").filter(({ to, term: at }) => to === "n1" && at === next);
      expect(late.map((answer) => answer.body.isGranted)).toEqual([false]);
      expect(lab.node(voter).disk.hardState?.votedFor).toBe("n2");
    }
    lab.finish();
  });

  it("a vote is refused while an insert is in flight that the candidate lacks", () => {
    const lab = new Lab().form();
    const before = lab.node("n3").view.tailHeight;
    const { disk, store } = lab.node("n3");
    lab.drop(({ from, to, blocks }) => from === "n1" && to === "n2" && blocks.length > 0);
    store.behaviour.held = (operation) => operation.kind === "store_block";
    lab.begin("n1");
    lab.until("n3 has an insert in flight", () => lab.node("n3").view.tailHeight === before + 1);
    expect(disk.tailHeight).toBe(before);
    lab.node("n1").crash();

    const { term: present } = lab.node("n2").view;
    const asked = lab.message("n2", "n3", { kind: "vote", tail: { term: present, height: before as never } });
    lab.deliver({ ...asked, term: term(present + 1) });
    store.behaviour.held = () => false;
    lab.node("n3").store.next();
    lab.until("n3 answers", () => lab.sentBy("n3", "vote_answer").length > 0);
    expect(lab.sentBy("n3", "vote_answer").map(({ body }) => body.isGranted)).not.toContain(true);

    // The insert completed in the new term: it is acknowledged to nobody in the old one.
    expect(disk.tailHeight).toBe(before + 1);
    const late = lab.sentBy("n3", "append_answer").filter(({ body }) => body.result === "ok");
    expect(late.filter(({ body }) => body.matchHeight > before)).toEqual([]);
    lab.finish();
    expect(lab.checkers.history.committed[before]?.block.block.header.term).toBe(present);
  });

  it("a vote given under another join counts for nothing", () => {
    const lab = new Lab().form();
    lab.drop(({ body }) => body.kind === "vote_answer");
    lab.node("n1").crash();
    lab.until("n2 is a candidate", () => lab.sentBy("n2", "vote").length > 0);
    const candidacy = lab.node("n2").view.term;
    const nonce = lab.node("n3").disk.hardState?.joinNonce ?? "";
    const answer = (joinNonce: string, inTerm: number): void =>
      lab.deliver({
        ...lab.message("n3", "n2", { kind: "vote_answer", isGranted: true, joinNonce }),
        term: term(inTerm),
      });

    answer("f".repeat(32), candidacy);
    expect(lab.node("n2").view.role).toBe("candidate");
    answer(nonce, candidacy - 1);
    expect(lab.node("n2").view.role).toBe("candidate");
    answer(nonce, candidacy);
    expect(lab.node("n2").view.role).toBe("leader");
    lab.finish();
  });

  it("one voter that answers twice is one vote", () => {
    const lab = new Lab({ nodes: 5 }).form();
    lab.drop(({ body }) => body.kind === "vote_answer");
    lab.node("n1").crash();
    lab.until("n2 is a candidate", () => lab.sentBy("n2", "vote").length > 0);
    const joinNonce = lab.node("n3").disk.hardState?.joinNonce ?? "";
    const { term: candidacy } = lab.node("n2").view;
    for (let i = 0; i < 3; i++)
      lab.deliver({ ...lab.message("n3", "n2", { kind: "vote_answer", isGranted: true, joinNonce }), term: candidacy });
    expect(lab.node("n2").view.role).toBe("candidate");
    lab.finish();
  });

  it("the longer log of an older term loses against the shorter log of a newer one", () => {
    const lab = new Lab().form();
    const { tailHeight, term: present } = lab.node("n2").view;
    lab.node("n1").crash();
    const tail = { term: term(present - 1), height: (tailHeight + 50) as never };
    lab.deliver({ ...lab.message("n3", "n2", { kind: "vote", tail }), term: term(present + 5) });
    lab.run(20);
    expect(lab.sentBy("n2", "vote_answer").map(({ body }) => body.isGranted)).toEqual([false]);
    lab.finish();
  });
});
