import { describe, expect, it } from "vitest";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { Lab } from "./lab.js";

const BLOCKS = 40;

/** What nodes say to each other and have stored while one client writes, each time as soon as it is answered. */
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
  const { sent, effects } = lab;
  const count = (matches: (message: PeerMessage) => boolean): number => sent.filter(matches).length;
  const counted = {
    blocks: count(({ blocks }) => blocks.length > 0),
    answers: count(({ body }) => body.kind === "append_answer"),
    others: count(({ body, blocks }) => body.kind !== "append_answer" && blocks.length === 0),
    stores: effects.filter(({ effect }) => effect.kind === "store_block").length,
    otherStores: effects.filter(({ effect }) => effect.kind === "save_state" || effect.kind === "truncate").length,
    questions,
  };
  lab.finish();
  return counted;
}

/** A few that a block is not to blame for, such as the notice of the one before the first. */
const FEW = 4;

describe("a block of one client's write", () => {
  it("is one message to each follower, one answer of each, one insert on each node, and no more", () => {
    const { blocks, answers, others, stores, otherStores, questions } = oneClientAt("n1");
    expect([blocks, stores, questions]).toEqual([2 * BLOCKS, 3 * BLOCKS, 0]);
    expect(others).toBeLessThanOrEqual(FEW);
    expect(answers).toBe(blocks + others);
    expect(otherStores).toBe(0);
  });

  it("is one question and one answer more where the write comes to a follower", () => {
    const { blocks, stores, questions } = oneClientAt("n2");
    expect([blocks, stores, questions]).toEqual([2 * BLOCKS, 3 * BLOCKS, BLOCKS]);
  });
});
