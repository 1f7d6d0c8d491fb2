import { expect, it } from "vitest";
import { timed } from "./calibration.js";
import { perEvent } from "./disk.js";
import { filterRows } from "./filters.js";
import { Histogram } from "./load/histogram.js";
import { MemorySampler, UseMeter, useOf } from "./samples.js";

it("use is given for each process of a role on average, by the event, and without those that have gone", () => {
  const watched = [
    { label: "n1", role: "leader", pid: 1 },
    { label: "n2", role: "follower", pid: 2 },
    { label: "n3", role: "follower", pid: 3 },
    { label: "n4", role: "gone", pid: 4 },
  ];
  let look = 0;
  const use = (pid: number) =>
    pid === 4 && look > 0 ? undefined : { cpuSeconds: 10 + look * pid, wakeups: 5 + look * pid * 100 };
  const meter = new UseMeter(watched, use);
  look = 1;
  expect(meter.end(10, 1_000)).toEqual({
    leader: { processes: 1, cores: 0.1, microsPerEvent: 1_000, wakeupsPerEvent: 0.1 },
    follower: { processes: 2, cores: 0.25, microsPerEvent: 2_500, wakeupsPerEvent: 0.25 },
  });
});

it.runIf(process.platform === "linux")("the use of a living process is what Linux says", () => {
  const use = useOf(process.pid);
  expect(use?.cpuSeconds).toBeGreaterThan(0);
  expect(use?.wakeups).toBeGreaterThan(0);
});

it("memory is kept by process and by measurement", () => {
  let mb = 100;
  const sampler = new MemorySampler((pid) => (pid === 1 ? mb : undefined));
  const leader = [{ label: "n1", role: "leader", pid: 1 }];
  sampler.watch([...leader, { label: "gone", role: "follower", pid: 2 }], "append");
  sampler.sample();
  mb = 300;
  sampler.sample();
  mb = 200;
  sampler.watch([{ label: "n1", role: "follower", pid: 3 }], "page");
  sampler.sample();
  sampler.renew(leader);
  sampler.sample();
  expect(sampler.stop()).toEqual([
    { label: "n1", isNode: true, maxMb: 300, medianMb: 200, during: { append: 300, page: 200 }, samples: 3 },
  ]);
});

it("disk an event is that of the node in the middle, with its collections by size", () => {
  const use = (blocks: number) => ({ blocks: { storage: blocks, indexes: 50 }, state: { storage: 10, indexes: 0 } });
  expect(perEvent([use(2_000), use(1_000), use(9_000)], 100)).toEqual({
    storage: 20.1,
    indexes: 0.5,
    collections: { blocks: 20.5 },
  });
});

it("filtered pages are compared with the smallest log of the same days", () => {
  const result = (ms: number, errors = {}) => {
    const latency = new Histogram();
    if (ms > 0) latency.record(ms);
    return { operations: latency.count, unfinished: 0, errors, latency: latency.counts() };
  };
  const cell = { days: 1, api: "own", filter: "type" };
  const rows = filterRows([
    { ...cell, events: 100, result: result(4) },
    { ...cell, events: 1_000, result: result(6) },
    { ...cell, events: 9_000, result: result(0, { "503 too_wide": 7 }) },
    { ...cell, days: 30, events: 100, result: result(8) },
  ]);
  expect(rows.map((row) => [...row.slice(0, 4), row[7], row[9]])).toEqual([
    ["1", "own", "type", "100", "× 1.00", "0"],
    ["", "", "", "1000", "× 1.50", "0"],
    ["", "", "", "9000", "–", "7 × 503 too_wide"],
    ["30", "own", "type", "100", "× 1.00", "0"],
  ]);
});

it("what a machine takes is timed in a loop and at a slow pace, of work that is waited for too", async () => {
  const { loopMicros, pacedMicros } = await timed("a turn of the event loop", () => new Promise(setImmediate));
  expect(loopMicros).toBeGreaterThan(0.1);
  expect(pacedMicros).toBeGreaterThan(0.1);
});
