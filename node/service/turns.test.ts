import { expect, it } from "vitest";
import { systemClock } from "../clock.js";
import { Turns } from "./turns.js";

/** Keeps the event loop busy. */
function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it("makes as many at once as it has places, gives each result at once, and rests after a large one", async () => {
  const turns = new Turns<number>(1, (size) => size > 10, systemClock);
  const begins: number[] = [];
  const make = (size: number) => async (): Promise<number> => {
    begins.push(performance.now());
    work(20);
    return size;
  };
  const [large, small, last] = [11, 10, 9].map((size) => turns.run(make(size)));
  expect(await large).toBe(11);
  expect(begins).toHaveLength(1);
  expect([await small, await last]).toEqual([10, 9]);
  const [first, second] = begins as [number, number];
  expect(second - first).toBeGreaterThan(35);
});

it("goes on after one that failed", async () => {
  const turns = new Turns<number>(1, () => true, systemClock);
  await expect(turns.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await turns.run(async () => 3)).toBe(3);
});

it("gives each address its turn, however many one of them waits for", async () => {
  const turns = new Turns<string>(1, () => false, systemClock);
  const made: string[] = [];
  const make = (name: string) => turns.run(async () => made[made.push(name) - 1] ?? "", name.slice(0, 1));
  await Promise.all(["a1", "a2", "a3", "b1", "b2", "c1"].map(make));
  expect(made).toEqual(["a1", "a2", "b1", "c1", "a3", "b2"]);
});
