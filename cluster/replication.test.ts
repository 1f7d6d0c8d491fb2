import { describe, expect, it } from "vitest";
import { BLOCK_BYTES_MAX } from "../shared/limits.js";
import type { Block } from "../shared/log/block.js";
import type { Core } from "./core.js";
import type { Progress } from "./leader-state.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { onBlocksRead, onBulkAnswered } from "./replication.js";

const ELECTION_TIMEOUT_MS = 1_000;
const core = { config: { electionTimeoutMs: ELECTION_TIMEOUT_MS, limits: DEFAULT_LIMITS } } as unknown as Core;

/** What a link may be given after one message of so many bytes took so long. */
function boundAfter(bytes: number, tookMs: number, before: number = BLOCK_BYTES_MAX): number {
  const peer = { bulkBytesMax: before } as Progress;
  onBulkAnswered(core, peer, { round: 1, bytes, sentAt: 0, progressAt: tookMs, deliveredAt: null });
  return peer.bulkBytesMax;
}

describe("a message with blocks that took longer than half an election timeout", () => {
  it("says how wide the link is, if it was large", () => {
    expect(boundAfter(1_000_000, 2_000)).toBe(250_000);
    expect(boundAfter(70_000, 60_000)).toBe(DEFAULT_LIMITS.linkBytesMin);
  });

  it("says nothing if it was small: a busy node takes as long, and blocks of one event would make it no quicker", () => {
    for (const tookMs of [600, 4_000, 60_000]) expect(boundAfter(300, tookMs)).toBe(BLOCK_BYTES_MAX);
  });

  it("does not keep a link small that only a failure had made so", () => {
    expect(boundAfter(300, 600, 300)).toBe(600);
  });
});

it("a leader sends no block from its disk that it does not know to be stored: a late insert of an earlier leader may stand there", () => {
  const peer = { next: 8, reading: { id: 1, from: 8, askedAt: 0 }, pausedUntil: 0 } as unknown as Progress;
  const sent: unknown[] = [];
  const leader = { progress: new Map([["n2", peer]]) };
  const log = { durableHeight: 7 };
  const behind = { ...core, now: 5, leader, log, send: (...message: unknown[]) => sent.push(message) };
  onBlocksRead(behind as unknown as Core, 1, [{ header: { height: 8 } } as Block]);
  expect(sent).toEqual([]);
  expect(peer).toEqual({ next: 8, reading: null, pausedUntil: 5 + ELECTION_TIMEOUT_MS });
});
