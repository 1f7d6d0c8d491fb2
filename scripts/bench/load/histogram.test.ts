import { describe, expect, it } from "vitest";
import { Histogram } from "./histogram.js";

describe("a histogram of latencies", () => {
  it("gives percentiles by nearest rank, within 0.2 %", () => {
    const histogram = new Histogram();
    for (let value = 1; value <= 10_000; value++) histogram.record(value);
    for (const [share, expected] of [
      [0.5, 5_000],
      [0.99, 9_900],
      [0.999, 9_990],
      [1, 10_000],
    ] as const) {
      expect(Math.abs(histogram.percentile(share) - expected) / expected).toBeLessThan(0.002);
    }
  });

  it("is exact below a millisecond, and takes zero, a negative value and half an hour", () => {
    const histogram = new Histogram();
    for (const value of [0, -3, 0.017, 0.999, 1_800_000]) histogram.record(value);
    expect([0.2, 0.4, 0.6, 0.8].map((share) => histogram.percentile(share))).toEqual([0, 0, 0.017, 0.999]);
    expect(histogram.percentile(1) / 1_800_000).toBeCloseTo(1, 2);
  });

  it("has no gap and no overlap between buckets", () => {
    for (const microseconds of [1_023, 1_024, 1_025, 2_047, 2_048, 4_095, 4_096, 1_000_000, 2 ** 30]) {
      const histogram = new Histogram();
      histogram.record(microseconds / 1_000);
      expect(Math.abs((histogram.percentile(1) * 1_000) / microseconds - 1)).toBeLessThan(0.002);
    }
  });

  it("comes back the same from what it sends to another process", () => {
    const histogram = new Histogram();
    for (const value of [0.2, 0.2, 7, 90]) histogram.record(value);
    const copy = Histogram.from(JSON.parse(JSON.stringify(histogram.counts())));
    expect([copy.count, copy.percentile(0.5), copy.percentile(1)]).toEqual([
      4,
      histogram.percentile(0.5),
      histogram.percentile(1),
    ]);
  });

  it("says 0 when nothing was recorded", () => {
    expect(new Histogram().percentile(0.99)).toBe(0);
  });
});
