import { describe, expect, it } from "vitest";
import { height, term } from "../../shared/ids.js";
import { GENESIS, TestLog } from "../../test/contracts/fixtures.js";
import { BullyMessages, electionIn, RefusedWrites } from "./elections.js";

describe("refused writes", () => {
  it("count for the leader that is known next, or now", () => {
    const refused = new RefusedWrites();
    refused.count();
    refused.onLeader(null, term(4));
    refused.count();
    expect(refused.of(4)).toBe(0);
    refused.onLeader("n2", term(5));
    // Its time ended just after the election that it had waited for.
    refused.count();
    expect([refused.of(4), refused.of(5)]).toEqual([0, 3]);
    refused.onLeader("n1", term(6));
    expect(refused.of(6)).toBe(0);
  });

  it("are kept for the newest thousand terms", () => {
    const refused = new RefusedWrites();
    for (let at = 1; at <= 1_001; at++) {
      refused.onLeader("n1", term(at));
      refused.count();
    }
    expect([refused.of(1), refused.of(2), refused.of(1_001)]).toEqual([0, 1, 1]);
  });
});

it("ELECTION and ALIVE are noted where they arrive, the newest first, and no other message is", () => {
  const messages = new BullyMessages();
  const tail = { term: term(1), height: height(2) };
  messages.onMessage({ from: "n1", to: "n2", body: { kind: "election", tail } }, () => "2026-01-01T00:00:00.000Z");
  messages.onMessage({ from: "n3", to: "n2", body: { kind: "take_over" } }, () => "2026-01-01T00:00:00.100Z");
  messages.onMessage({ from: "n3", to: "n2", body: { kind: "alive" } }, () => "2026-01-01T00:00:00.200Z");
  expect(messages.all).toEqual([
    { at: "2026-01-01T00:00:00.200Z", kind: "alive", from: "n3", to: "n2" },
    { at: "2026-01-01T00:00:00.000Z", kind: "election", from: "n1", to: "n2" },
  ]);
  for (let i = 0; i < 1_000; i++) messages.onMessage({ from: "n3", to: "n2", body: { kind: "alive" } }, () => `${i}`);
  expect(messages.all).toHaveLength(500);
  expect(messages.all[0]?.at).toBe("999");
});

it("an election is what the block that opens a term says", () => {
  const log = new TestLog();
  const genesis = log.block([], { control: GENESIS }).stored.block;
  expect(electionIn(genesis)).toMatchObject({ reason: "genesis", height: 1, votes: [], tookMs: null, handOver: false });
  const election = { reason: "take_over" as const, previousLeader: "n2", votes: ["n1", "n3"], tookMs: 12 };
  const opening = log.block([], { control: { kind: "term_started", election }, term: 3 }).stored.block;
  expect(electionIn(opening)).toEqual({
    term: 3,
    leaderId: "n1",
    height: 2,
    at: opening.header.sealedAt,
    ...election,
    handOver: true,
  });
  const silent = log.block([], { control: { kind: "term_started" }, term: 4 }).stored.block;
  expect(electionIn(silent)).toMatchObject({ reason: null, previousLeader: null, handOver: false });
  expect(electionIn(log.block([{}]).stored.block)).toBeNull();
});
