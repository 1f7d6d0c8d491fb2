import type { Logger } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PassSchedule } from "./pass-schedule.js";

const START = Date.UTC(2026, 0, 1, 0, 10);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let begun: number;
let hourly: PassSchedule;
beforeEach(() => {
  vi.useFakeTimers({ now: START });
  begun = 0;
  hourly = new PassSchedule("0 * * * *", () => void begun++, { error: () => {}, warn: () => {} } as unknown as Logger);
});
afterEach(async () => {
  await hourly.stop();
  vi.useRealTimers();
});

it("begins at each time, and says when the next one is", async () => {
  expect(hourly.nextRunAt).toBe(START + 50 * MINUTE_MS);
  await vi.advanceTimersByTimeAsync(50 * MINUTE_MS);
  expect([begun, hourly.nextRunAt]).toEqual([1, START + 110 * MINUTE_MS]);
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(begun).toBe(2);
});

it("makes up for times that were missed, once", async () => {
  // The timer of the process that was stopped comes late.
  vi.setSystemTime(START + 3 * HOUR_MS + 20 * MINUTE_MS);
  await vi.advanceTimersByTimeAsync(50 * MINUTE_MS);
  expect(begun).toBe(1);
  await vi.advanceTimersByTimeAsync(30 * MINUTE_MS);
  expect(begun).toBe(1);
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  expect(begun).toBe(2);
});

it.each([10 * HOUR_MS, -10 * HOUR_MS])(
  "begins at the next time also after the clock was set by %i ms",
  async (byMs) => {
    vi.setSystemTime(START + byMs + 30 * MINUTE_MS);
    hourly.beginAnew(false);
    expect(hourly.nextRunAt).toBe(START + byMs + 50 * MINUTE_MS);
    await vi.advanceTimersByTimeAsync(20 * MINUTE_MS - 1_000);
    expect(begun).toBe(0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(begun).toBe(1);
    await vi.advanceTimersByTimeAsync(30 * MINUTE_MS);
    expect(begun).toBe(1);
  },
);

it("makes up for a time that the machine slept through, or that the clock was set over", async () => {
  vi.setSystemTime(START + 55 * MINUTE_MS);
  hourly.beginAnew(true);
  expect([begun, hourly.nextRunAt]).toEqual([1, START + 110 * MINUTE_MS]);
  await vi.advanceTimersByTimeAsync(55 * MINUTE_MS);
  expect(begun).toBe(2);
});
