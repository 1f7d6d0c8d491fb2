import { expect, it } from "vitest";
import { demoEvents } from "./demo.js";

const NOW = Date.parse("2026-05-01T12:00:00.000Z");

it("the demonstration has some hundred events of many kinds, in the order of their times, the same at each start", () => {
  const events = demoEvents(NOW);
  expect(events).toHaveLength(300);
  expect(new Set(events.map(({ eventType }) => eventType)).size).toBeGreaterThanOrEqual(8);
  expect(new Set(events.map(({ sourceAppId }) => sourceAppId)).size).toBeGreaterThanOrEqual(4);
  const times = events.map(({ timestamp }) => timestamp);
  expect(times).toEqual([...times].sort());
  expect(Date.parse(times.at(-1) as string)).toBeLessThanOrEqual(NOW);
  expect(demoEvents(NOW)).toEqual(events);
});
