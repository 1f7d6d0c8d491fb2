import { execFileSync } from "node:child_process";
import { describe, expect, it, vi } from "vitest";
import { height } from "../../shared/ids.js";
import { ReadGarbage, ReadOnce } from "./read-once.js";

const MIB = 1024 * 1024;

describe("what is read again", () => {
  it("is known while what was read meanwhile would fit into memory, and once", () => {
    const once = new ReadOnce(10);
    for (const at of [1, 2, 3]) expect(once.isAgain(height(at), 4)).toBe(false);
    // The third one has driven out the first.
    expect([1, 3].map((at) => once.isAgain(height(at), 4))).toEqual([false, true]);
    expect(once.isAgain(height(3), 4)).toBe(false);
  });

  it("is hardly any block of reads from all over a log that is much larger than memory", () => {
    const once = new ReadOnce(32 * MIB);
    let again = 0;
    for (let i = 0; i < 30_000; i++) if (once.isAgain(height((i * 7_919) % 2_700), 190_000)) again += 1;
    expect(again).toBe(0);
    // All of one that fits is.
    for (let i = 0; i < 300; i++) if (once.isAgain(height(i % 150), 190_000)) again += 1;
    expect(again).toBe(150);
  });

  it("is told also of a block that is larger than all that may be kept, and of many small ones only within a number", () => {
    const once = new ReadOnce(10);
    expect([1, 1].map((at) => once.isAgain(height(at), 100))).toEqual([false, true]);
    const many = new ReadOnce(Number.POSITIVE_INFINITY);
    for (let at = 1; at <= 5_000; at++) many.isAgain(height(at), 1);
    expect([905, 5_000, 904].map((at) => many.isAgain(height(at), 1))).toEqual([true, true, false]);
  });
});

describe("the memory of what was read", () => {
  it("is collected before the next read, each time that so much was read", () => {
    const collect = vi.fn();
    const garbage = new ReadGarbage(collect);
    for (let read = 0; read < 4; read++) {
      garbage.collectIfDue();
      garbage.add(MIB);
    }
    expect(collect).toHaveBeenCalledTimes(1);
    garbage.collectIfDue();
    expect(collect).toHaveBeenCalledTimes(2);
    garbage.collectIfDue();
    expect(collect).toHaveBeenCalledTimes(2);
  });

  it("is given back by the engine without a look at the whole heap", () => {
    const script = `
      const { PerformanceObserver, constants } = require("node:perf_hooks");
      const before = process.memoryUsage().arrayBuffers;
      let major = 0;
      new PerformanceObserver((list) => {
        for (const { detail } of list.getEntries()) if (detail.kind !== constants.NODE_PERFORMANCE_GC_MINOR) major += 1;
      }).observe({ entryTypes: ["gc"] });
      let most = 0;
      for (let i = 0; i < 64; i++) {
        let read = [];
        for (let n = 0; n < 8; n++) read.push(Buffer.allocUnsafeSlow(${MIB / 2}));
        read = null;
        globalThis.gc({ type: "minor", execution: "sync" });
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
      setTimeout(() => console.log(JSON.stringify({ major, most })), 50);`;
    const { major, most } = JSON.parse(
      execFileSync(process.execPath, ["--expose-gc", "--single-threaded-gc", "-e", script], { encoding: "utf8" }),
    );
    expect(most).toBeLessThan(16 * MIB);
    expect(major).toBeLessThan(3);
  });
});
