import { expect, it } from "vitest";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { Pace } from "./pace.js";

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
  const rests = async (count: number, isFirst: boolean): Promise<number[]> => {
    asked.length = 0;
    for (let i = 0; i < count; i++) await pace.rest(40, isFirst);
    return asked.slice();
  };
  return { rests, others };
}

it("rests half of its work in the first pass while the event loop is free, and 39 times as long later", async () => {
  const { rests } = setUp();
  expect(await rests(3, true)).toEqual([20, 20, 20]);
  expect(await rests(2, false)).toEqual([1_560, 1_560]);
});

it("rests nine times its work later, where nothing else looks", async () => {
  expect(await setUp({ isAlone: true }).rests(1, false)).toEqual([360]);
});

it("makes way in the first pass for whoever needs the event loop, within two seconds, and hurries again afterwards", async () => {
  const { rests, others } = setUp();
  await rests(10, true);
  others.share = 0.8;
  const rested = await rests(30, true);
  expect(rested.at(-1)).toBe(1_560);
  // Until it rests as long as ever.
  const hurried = rested.filter((ms) => ms < 1_000);
  expect(hurried.reduce((sum, ms) => sum + ms + 40, 0)).toBeLessThan(2_000);
  others.share = 0.08;
  expect((await rests(40, true)).at(-1)).toBe(20);
});

it("slows down by degrees, and never rests for more than two seconds", async () => {
  const { rests, others } = setUp();
  others.share = 0.35;
  const [some] = (await rests(50, true)).slice(-1);
  expect(some).toBeGreaterThan(400);
  expect(some).toBeLessThan(1_200);
  const slow = setUp();
  expect(await slow.rests(1, false)).toEqual([1_560]);
});
