import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { benchEvent, benchEvents, drawnNames, EVENT_BYTES, LARGE_EVENT_BYTES } from "./events.js";
import { below, randomOf } from "./random.js";

const bytesOf = (value: unknown) => JSON.stringify(value).length;
const spread = { startMs: Date.UTC(2026, 0, 1), spanMs: 86_400_000, events: 1_000 };

describe("the events of the benchmark", () => {
  it("have about the size that is asked for, and words and numbers that do not press down to nothing", () => {
    const events = benchEvents(0, 1_000);
    const mean = bytesOf(events) / events.length;
    expect(Math.abs(mean - EVENT_BYTES)).toBeLessThan(5);
    expect(Math.abs(bytesOf(benchEvent(7, { bytes: LARGE_EVENT_BYTES })) - LARGE_EVENT_BYTES)).toBeLessThan(10);
    expect(gzipSync(JSON.stringify(events.slice(0, 100))).length).toBeGreaterThan(100 * 50);
  });

  it("are decided by their number, and differ by it", () => {
    expect(benchEvent(5, { spread })).toEqual(benchEvent(5, { spread }));
    expect(new Set(benchEvents(0, 500).map(({ dataPayload }) => dataPayload.note)).size).toBe(500);
  });

  it("are spread over the days that they are said to be of, in about the order of their numbers", () => {
    const times = benchEvents(0, spread.events, { spread }).map(
      ({ timestamp }) => Date.parse(timestamp) - spread.startMs,
    );
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...times)).toBeLessThan(spread.spanMs);
    expect(Math.abs((times[500] as number) - spread.spanMs / 2)).toBeLessThan(10_000);
  });

  it("have types and applications that meet, and others that never do", () => {
    const met = new Set(benchEvents(0, 1_000).map(({ eventType, sourceAppId }) => `${eventType} ${sourceAppId}`));
    const random = randomOf(3);
    for (let draw = 0; draw < 500; draw++) {
      for (const meet of [true, false]) {
        const { eventType, sourceAppId } = drawnNames(random, { meet });
        expect(met.has(`${eventType} ${sourceAppId}`)).toBe(meet);
      }
    }
  });
});

it("a seed decides its numbers, which are spread evenly", () => {
  const [one, same, other] = [randomOf(1), randomOf(1), randomOf(2)];
  expect([one(), one()]).toEqual([same(), same()]);
  expect(other()).not.toBe(randomOf(1)());
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 10_000; draw++) counts[below(10, one)] = (counts[below(10, same)] ?? 0) + 1;
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
