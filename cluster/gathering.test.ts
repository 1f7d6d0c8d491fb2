import { describe, expect, it } from "vitest";
import type { Core } from "./core.js";
import { Fifo } from "./fifo.js";
import { enqueue, gather, goOnGathering } from "./gathering.js";
import type { LeaderState, Queued } from "./leader-state.js";
import type { Proposal } from "./types.js";

const write = (events = 1, bytes = 300): Queued => ({
  proposal: { events: Array(events) } as unknown as Proposal,
  bytes,
});

/** After a block of so many writes that took 8 ms, with others in the queue. Only what is looked at is filled. */
function committed({ answered, waiting, each = write() }: { answered: number; waiting: number; each?: Queued }) {
  const core = { now: 100, quorum: 1 } as Core;
  const leader = { queue: new Fifo<Queued>(), sealed: { at: 92, writes: answered }, queuedAt: 0 } as LeaderState;
  for (let i = 0; i < waiting; i++) leader.queue.push(each);
  gather(core, leader);
  return {
    /** When it waits no more, if a write comes at each of these times. */
    endsAt(times: readonly number[]): number {
      for (core.now = 100; ; core.now += 0.5) {
        if (times.includes(core.now)) enqueue(core, leader, each);
        goOnGathering(core, leader);
        if (leader.gathering === null) return core.now - 100;
      }
    },
  };
}

describe("a block that gathers", () => {
  it("waits as long as the block before took, where nobody comes", () => {
    expect(committed({ answered: 8, waiting: 0 }).endsAt([])).toBe(8);
    expect(committed({ answered: 8, waiting: 0 }).endsAt([101, 102])).toBe(8);
  });

  it("goes on while writes are still coming, and twice as long at most", () => {
    expect(committed({ answered: 8, waiting: 0 }).endsAt([105, 107, 108.5])).toBe(10.5);
    const always = Array.from({ length: 100 }, (_, i) => 100 + i);
    expect(committed({ answered: 200, waiting: 0 }).endsAt(always)).toBe(16);
  });

  it("waits shorter for few where most wait already", () => {
    expect(committed({ answered: 4, waiting: 60 }).endsAt([])).toBe(1);
    expect(committed({ answered: 32, waiting: 32 }).endsAt([])).toBe(8);
  });

  it("waits for nobody once the next block is full, by events or by bytes", () => {
    expect(committed({ answered: 1, waiting: 1, each: write(1_000) }).endsAt([])).toBe(0);
    expect(committed({ answered: 16, waiting: 9, each: write(100) }).endsAt([])).toBe(8);
    expect(committed({ answered: 16, waiting: 9, each: write(100) }).endsAt([102])).toBe(2);
    expect(committed({ answered: 2, waiting: 2, each: write(1, 2_200_000) }).endsAt([])).toBe(0);
  });
});
