import { describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../clock.js";
import { Ticks } from "./ticks.js";

/** Ticks whose timers run as the test lets time pass. */
function ticking() {
  const state = { now: 0, wakeAt: null as number | null, timers: 0, ticks: [] as number[] };
  const due = new Map<number, { at: number; action: () => void }>();
  const clock: Clock = {
    ...systemClock,
    now: () => state.now,
    after: (ms, action) => {
      const id = ++state.timers;
      due.set(id, { at: state.now + ms, action });
      return () => due.delete(id);
    },
  };
  const ticks = new Ticks({
    ...{ clock, heartbeatMs: 100, pauseMs: 500 },
    wakeAt: () => state.wakeAt,
    tick: () => state.ticks.push(state.now),
    checkOwner: async () => {},
  });
  const wants = (at: number | null): void => {
    state.wakeAt = at;
    ticks.scheduleWake();
  };
  const passTo = (at: number): void => {
    for (; state.now <= at; state.now++)
      for (const [id, timer] of [...due])
        if (timer.at <= state.now) {
          due.delete(id);
          timer.action();
        }
  };
  return { state, wants, passTo };
}

describe("a replica that wants to be woken", () => {
  it("is woken earlier than it first wanted, where it comes to want that", () => {
    const { state, wants, passTo } = ticking();
    wants(20);
    wants(8);
    passTo(10);
    expect(state.ticks).toEqual([8]);
  });

  it("is not ticked when it does not want it any more, nor before it does, and has one timer for all of that", () => {
    const { state, wants, passTo } = ticking();
    wants(5);
    wants(null);
    passTo(6);
    expect(state.ticks).toEqual([]);
    wants(12);
    wants(15);
    passTo(14);
    expect(state.ticks).toEqual([]);
    passTo(20);
    expect(state.ticks[0]).toBe(15);
    expect(state.timers).toBeLessThan(10);
  });
});
