import { expect, it } from "vitest";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { Passes } from "./passes.js";
import type { Scrub } from "./scrub.js";

function setUp({ holds = true } = {}) {
  const said: string[] = [];
  const ends: ((isWhole: boolean) => void)[] = [];
  const scrub = {
    coverage: {
      verifiedThrough: 9,
      lastPassAt: null,
      oldestVerifiedAt: null,
      passHeight: null,
      passBlocksPerSecond: null,
    },
    hasSkipped: false,
    isAwaited: false,
    pass: () =>
      new Promise<boolean>((resolve) => {
        ends.push(resolve);
      }),
    stop: () => {
      for (const end of ends.splice(0)) end(false);
    },
  };
  const passes: Passes = new Passes({
    scrub: scrub as unknown as Scrub,
    places: { set: () => said.push("from the beginning") },
    clock: hastyClock(),
    logger: { info: () => undefined, warn: () => undefined },
    holdsBlocks: () => holds,
    onCaughtUp: () => said.push("caught up"),
    onPending: () => said.push(passes.isPending ? "pending" : "fresh"),
  });
  const end = async (isWhole = true): Promise<void> => {
    ends.shift()?.(isWhole);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { scrub, passes, said, end, ends };
}

it("is pending from the moment on that changes were missed until a whole pass has ended", async () => {
  const { passes, said, end, ends } = setUp();
  expect(passes.isPending).toBe(false);
  passes.onBlind();
  expect([passes.isPending, said]).toEqual([true, ["from the beginning", "pending"]]);
  await end(false);
  // It was cut off: another one.
  expect([passes.isPending, ends.length]).toEqual([true, 1]);
  await end();
  expect([passes.isPending, passes.isDue, said.slice(2)]).toEqual([false, false, ["fresh", "caught up"]]);
  await passes.stop();
});

it("does not count a pass that had begun before", async () => {
  const { passes, said, end } = setUp();
  void passes.pass();
  passes.onBlind();
  await end();
  expect([passes.isPending, said]).toEqual([true, ["pending"]]);
  await end();
  expect([passes.isPending, said]).toEqual([false, ["pending", "fresh", "caught up"]]);
  await passes.stop();
});

it("is not pending where nothing is held that could have been changed", async () => {
  const { passes } = setUp({ holds: false });
  passes.onBlind();
  expect([passes.isPending, passes.isDue]).toEqual([false, true]);
  await passes.stop();
});

it("looks at once at what the first pass after a start has left out", async () => {
  const { scrub, passes, end, ends } = setUp();
  void passes.pass();
  scrub.hasSkipped = true;
  await end();
  expect(ends.length).toBe(1);
  scrub.hasSkipped = false;
  await end();
  expect(ends.length).toBe(0);
  await passes.stop();
});

it("hurries while a decision waits for a pass that began after it, and takes the next one for that, whoever asked for it", async () => {
  const { scrub, passes, said, end, ends } = setUp();
  void passes.pass();
  passes.onBlind();
  let isOver = false;
  const full = passes.fullPass().then(() => {
    isOver = true;
  });
  expect(scrub.isAwaited).toBe(true);
  await end();
  expect([scrub.isAwaited, isOver, ends.length, said.at(-1)]).toEqual([true, false, 1, "from the beginning"]);
  // It was cut off, and goes on where it was.
  await end(false);
  expect([isOver, said.filter((what) => what === "from the beginning").length]).toEqual([false, 1]);
  await end();
  await full;
  expect([scrub.isAwaited, passes.isUnderWay]).toEqual([false, false]);
  await passes.stop();
});
