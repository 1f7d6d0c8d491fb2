import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { closedLoop, openLoop, type Run, Tally } from "./loops.js";
import type { LoadSpec } from "./spec.js";

const spec = (more: Partial<LoadSpec>): LoadSpec => ({
  target: { kind: "quorumlog", urls: [] },
  work: { kind: "append", batch: 1 },
  clients: 1,
  seconds: 0.2,
  ...more,
});
const run = (operation: Run["operation"]): Run => ({ operation, tally: new Tally(), firstN: 0, isOver: () => false });

describe("a closed loop", () => {
  it("has as many operations under way as it has clients, and waits for all of them", async () => {
    let underWay = 0;
    let most = 0;
    const answer = async () => {
      most = Math.max(most, ++underWay);
      await sleep(5);
      underWay -= 1;
      return { events: 100 };
    };
    const closed = run(answer);
    await closedLoop(spec({ clients: 8 }), closed);
    expect([most, underWay]).toEqual([8, 0]);
    expect(closed.tally.events).toBe(closed.tally.operations * 100);
  });

  it("ends after the given number of operations, and counts failures by their reason", async () => {
    const closed = run(async (n) => {
      if (n === 2) throw new Error("503 no_quorum");
      return { events: 1 };
    });
    await closedLoop(spec({ operationsMax: 5, seconds: 10 }), closed);
    expect([closed.tally.operations, closed.tally.errors]).toEqual([4, { "503 no_quorum": 1 }]);
  });
});

describe("an open loop", () => {
  it("counts latency from the due time, so that a pause of the server is seen by all that fell due in it", async () => {
    const startMs = performance.now();
    // The server answers nothing for 100 ms, then at once: a closed loop with one client would see one slow answer.
    const open = run(async () => {
      await sleep(Math.max(0, startMs + 100 - performance.now()));
      return { events: 1 };
    });
    await openLoop({ ...spec({ clients: 1 }), perSecond: 500 }, open);
    expect(open.tally.operations).toBe(100);
    // Half of the operations fell due in the pause, at 2 ms from each other.
    expect(open.tally.latency.percentile(0.75)).toBeGreaterThan(35);
  });

  it("says how many it dropped when the server is far too slow", async () => {
    const startMs = performance.now();
    const open = run(async () => {
      const leftMs = startMs + 400 - performance.now();
      if (leftMs > 0) await sleep(leftMs);
      return { events: 1 };
    });
    await openLoop({ ...spec({ clients: 1, seconds: 0.3 }), perSecond: 100_000 }, open);
    expect(open.tally.dropped + open.tally.operations).toBe(30_000);
    expect(open.tally.dropped).toBeGreaterThan(9_000);
  });
});
