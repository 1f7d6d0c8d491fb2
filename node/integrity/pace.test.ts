import { expect, it } from "vitest";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { type Haste, Pace } from "./pace.js";

/** Rests after steps of 40 ms, while others want this share of the event loop; what they cannot do during a step waits. */
function setUp({ isAlone = false } = {}) {
  const asked: number[] = [];
  const others = { share: 0 };
  let [busyMs, waitingMs] = [0, 0];
  const hasty = hastyClock();
  const clock = {
    ...hasty,
    after(ms: number, action: () => void) {
      asked.push(ms);
      waitingMs += (40 + ms) * others.share;
      const done = Math.min(ms, waitingMs);
      busyMs += done;
      waitingMs -= done;
      return hasty.after(ms, action);
    },
    busyMs: () => busyMs,
  };
  const pace = new Pace({ clock, isAlone: () => isAlone });
  const rests = async (count: number, haste: Haste, workedMs = 40): Promise<number[]> => {
    asked.length = 0;
    for (let i = 0; i < count; i++) await pace.rest(workedMs, haste);
    return asked.slice();
  };
  return { rests, others };
}

it("rests half of its work in the first pass while the event loop is free, and 39 times as long later", async () => {
  const { rests } = setUp();
  expect(await rests(3, "first")).toEqual([20, 20, 20]);
  expect(await rests(2, "none")).toEqual([1_560, 1_560]);
});

it("rests nine times its work later, where nothing else looks", async () => {
  expect(await setUp({ isAlone: true }).rests(1, "none")).toEqual([360]);
});

it("makes way in the first pass for whoever needs the event loop, within two seconds, and hurries again afterwards", async () => {
  const { rests, others } = setUp();
  await rests(10, "first");
  others.share = 0.8;
  const rested = await rests(30, "first");
  // A tenth of the time is its own, however much others need.
  expect(rested.at(-1)).toBe(360);
  const hurried = rested.filter((ms) => ms < 360);
  expect(hurried.reduce((sum, ms) => sum + ms + 40, 0)).toBeLessThan(2_000);
  others.share = 0.08;
  expect((await rests(40, "first")).at(-1)).toBe(20);
});

it("slows down by degrees, and never rests for more than two seconds", async () => {
  const { rests, others } = setUp();
  others.share = 0.35;
  const [some] = (await rests(50, "first")).slice(-1);
  expect(some).toBeGreaterThan(100);
  expect(some).toBeLessThan(300);
  const slow = setUp();
  const [long] = await slow.rests(1, "none", 400);
  expect(long).toBe(2_000);
});

it("hurries while somebody waits for its end, and takes a fifth of the time however much others need", async () => {
  const { rests, others } = setUp();
  expect(await rests(2, "awaited")).toEqual([20, 20]);
  others.share = 0.9;
  expect((await rests(50, "awaited")).at(-1)).toBe(160);
  expect((await rests(1, "none")).at(-1)).toBe(1_560);
});
