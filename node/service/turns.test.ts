import { expect, it } from "vitest";
import { Turns } from "./turns.js";

it("makes as many at once as it has places, gives each result at once, and rests after a long one", async () => {
  const turns = new Turns(1);
  let busyUntil = 0;
  const begins: number[] = [];
  const long = async (): Promise<number> => {
    begins.push(performance.now());
    busyUntil = performance.now() + 20;
    while (performance.now() < busyUntil);
    return begins.length;
  };
  const first = turns.run(long);
  const second = turns.run(long);
  expect(await first).toBe(1);
  const firstTook = performance.now() - (begins[0] as number);
  expect(begins).toHaveLength(1);
  expect(await second).toBe(2);
  expect((begins[1] as number) - (begins[0] as number)).toBeGreaterThan(1.5 * Math.min(20, firstTook));
});

it("goes on after one that failed", async () => {
  const turns = new Turns(1);
  await expect(turns.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await turns.run(async () => 3)).toBe(3);
});
