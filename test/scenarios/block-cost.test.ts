import { describe, expect, it } from "vitest";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { Lab } from "./lab.js";

const BLOCKS = 40;

/** What nodes say to each other while one client writes, each time as soon as it is answered. */
function oneClientAt(id: string) {
  const lab = new Lab().form();
  let questions = 0;
  lab.breaks = (exchange, way) => {
    if (exchange.path === "append" && way === "question") questions += 1;
    return false;
  };
  for (let i = 0; i < BLOCKS; i++) {
    const { outcome } = lab.begin(id);
    // Not a moment longer: a notice of the commit leaves when nobody writes again soon.
    for (let ms = 0; ms < 1_000 && outcome() === null; ms++) lab.run(1);
    expect(outcome()?.kind).toBe("written");
  }
  const { sent } = lab;
  const count = (matches: (message: PeerMessage) => boolean): number => sent.filter(matches).length;
  const counted = {
    blocks: sent.reduce((sum, { blocks }) => sum + blocks.length, 0),
    appends: count(({ blocks }) => blocks.length > 0),
    answers: count(({ body }) => body.kind === "append_answer"),
    others: count(({ body, blocks }) => body.kind !== "append_answer" && blocks.length === 0),
    questions,
  };
  lab.finish();
  return counted;
}

/** Notices of commits to a follower that is late: the next block cannot tell it yet. */
const FEW = BLOCKS / 4;

describe("a block of one client's write", () => {
  it("is one message to each follower and one answer of each, and no more", () => {
    const { blocks, appends, answers, others, questions } = oneClientAt("n1");
    expect([blocks, questions]).toEqual([2 * BLOCKS, 0]);
    // A follower that is late takes two blocks at once.
    expect(appends).toBeLessThanOrEqual(blocks);
    expect(others).toBeLessThanOrEqual(FEW);
    expect(answers).toBeLessThanOrEqual(appends + others + FEW);
  });

  it("is one question and one answer more where the write comes to a follower", () => {
    const { blocks, questions } = oneClientAt("n2");
    expect([blocks, questions]).toEqual([2 * BLOCKS, BLOCKS]);
  });
});

describe("a block of several clients' writes", () => {
  it("tells followers of the commit before it, however long it gathers", () => {
    const lab = new Lab().form();
    const ROUNDS = 20;
    let from = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const outcomes = Array.from({ length: 8 }, () => lab.begin("n1").outcome);
      for (let ms = 0; ms < 1_000 && outcomes.some((outcome) => outcome() === null); ms++) lab.run(1);
      // The first to write again does so sooner than a notice would leave, the last one later.
      if (round === 0) from = lab.sent.length;
      lab.begin("n1");
      lab.run(LATER_MS);
    }
    const notices = lab.sent.slice(from).filter(({ body, blocks }) => body.kind === "append" && blocks.length === 0);
    expect(notices.length).toBeLessThanOrEqual(ROUNDS / 2);
    lab.finish();
  });
});

describe("a follower", () => {
  it("that stores late is told of the commit as soon as it has answered, and not before, when it could not take it", () => {
    const lab = new Lab().form();
    const n3 = lab.node("n3");
    n3.store.behaviour.held = () => true;
    lab.sent.length = 0;
    lab.writeTo("n1");
    lab.run(40);
    n3.store.behaviour.held = () => false;
    n3.store.next();
    lab.until("n3 has answered", () => lab.sentBy("n3", "append_answer").length > 0);
    const committed = lab.node("n1").view.commitHeight;
    const before = lab.sent.filter(({ from, to, blocks }) => from === "n1" && to === "n3" && blocks.length === 0);
    expect(before).toEqual([]);
    lab.run(15);
    expect(n3.view.commitHeight).toBe(committed);
    lab.finish();
  });

  it("is told of a lone client's commit though the next block would gather for longer", () => {
    const lab = new Lab().form();
    lab.writeTo("n1");
    lab.timeouts(1);
    for (const id of ["n2", "n3"]) lab.node(id).store.behaviour.held = () => true;
    const { outcome } = lab.begin("n1");
    lab.run(35);
    for (const id of ["n2", "n3"]) {
      lab.node(id).store.behaviour.held = () => false;
      lab.node(id).store.next();
    }
    lab.until("it is answered", () => outcome() !== null);
    lab.run(15);
    const committed = lab.node("n1").view.commitHeight;
    expect(lab.each((node) => node.view.commitHeight)).toEqual({ n1: committed, n2: committed, n3: committed });
    lab.finish();
  });
});

/** Longer than a notice waits, shorter than a block gathers. */
const LATER_MS = 6;
