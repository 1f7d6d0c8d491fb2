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

/** Longer than a notice waits, shorter than a block gathers. */
const LATER_MS = 6;
