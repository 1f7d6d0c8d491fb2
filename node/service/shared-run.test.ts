import { expect, it } from "vitest";
import { SharedRun } from "./shared-run.js";

it("answers those who ask during a run from one that began after they asked", async () => {
  const finish: ((value: number) => void)[] = [];
  const shared = new SharedRun<number>(() => new Promise((resolve) => finish.push(resolve)));
  const first = shared.ask();
  const second = shared.ask();
  const third = shared.ask();
  expect(finish).toHaveLength(1);
  finish[0]?.(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(finish).toHaveLength(2);
  const late = shared.ask();
  finish[1]?.(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  await Promise.resolve();
  finish[2]?.(3);
  expect(await late).toBe(3);
  expect(finish).toHaveLength(3);
});

it("gives a failure to those who asked for that run, and runs anew for all others", async () => {
  const runs: { resolve(value: number): void; reject(error: Error): void }[] = [];
  const shared = new SharedRun<number>(() => new Promise((resolve, reject) => runs.push({ resolve, reject })));
  const first = shared.ask();
  const second = shared.ask();
  runs[0]?.reject(new Error("no answer"));
  await expect(first).rejects.toThrow("no answer");
  await Promise.resolve();
  runs[1]?.resolve(2);
  expect(await second).toBe(2);
  const third = shared.ask();
  runs[2]?.resolve(3);
  expect(await third).toBe(3);
});
