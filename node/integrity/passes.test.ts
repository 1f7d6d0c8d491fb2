import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { createVerifier } from "../host/signer.js";
import { Passes, type PassesParts } from "./passes.js";
import { PlaceFile, type Places } from "./place-file.js";
import { Scrub } from "./scrub.js";

const NOWHERE: Places = { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null };

function setUp({ holds = true, file = null as PlaceFile | null } = {}) {
  const standing = { isStarting: false };
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
    beginAnew: () => said.push("anew"),
    isAwaited: false,
    isHurried: false,
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
    places: {
      places: file?.places ?? NOWHERE,
      set: (change) => {
        file?.set(change);
        if (change.scrub === null) said.push("from the beginning");
      },
    },
    clock: hastyClock(),
    logger: { info: () => undefined, warn: () => undefined },
    holdsBlocks: () => holds,
    isWatchStarting: () => standing.isStarting,
    onCaughtUp: () => said.push("caught up"),
    onPending: () => said.push(passes.isPending ? "pending" : "fresh"),
  });
  const end = async (isWhole = true): Promise<void> => {
    ends.shift()?.(isWhole);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { scrub, passes, said, end, ends, standing };
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

it("hurries from the beginning on where something was replaced as a whole, until a whole pass has ended", async () => {
  const { passes, scrub, said, end } = setUp();
  void passes.pass();
  passes.onReplaced();
  expect([scrub.isHurried, passes.isPending, said]).toEqual([true, true, ["anew", "pending"]]);
  await end();
  expect([scrub.isHurried, passes.isPending]).toEqual([true, true]);
  await end();
  expect([scrub.isHurried, passes.isPending, said.slice(2)]).toEqual([false, false, ["fresh", "caught up"]]);
  passes.onReplaced();
  expect([scrub.isHurried, said.slice(4)]).toEqual([true, ["from the beginning", "pending"]]);
  await passes.stop();
});

it("stays pending over a restart until a pass has ended, though the watch goes on where it was", async () => {
  const folder = await mkdtemp(join(tmpdir(), "passes-"));
  const open = (): Promise<PlaceFile> => PlaceFile.open(folder, "a");
  try {
    const file = await open();
    const first = setUp({ file });
    first.passes.start();
    first.passes.onLive(true);
    file.set({ watch: "here" });
    await file.write();
    await first.passes.stop();
    const again = await open();
    const second = setUp({ file: again });
    second.passes.start();
    expect([again.places.watch, second.passes.isPending, second.passes.isDue]).toEqual(["here", true, true]);
    await second.end();
    expect(second.passes.isPending).toBe(false);
    await again.write();
    await second.passes.stop();
    const third = setUp({ file: await open() });
    third.passes.start();
    expect([third.passes.isPending, third.passes.isDue]).toEqual([false, false]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("counts no pass that began before changes are seen again", async () => {
  const { passes, said, end, standing, ends } = setUp();
  standing.isStarting = true;
  passes.onBlind();
  // A short log is read before the watch is open.
  await end();
  expect([passes.isPending, ends.length]).toEqual([true, 1]);
  standing.isStarting = false;
  passes.onLive(true);
  expect(said.at(-1)).toBe("anew");
  await end();
  expect([passes.isPending, said.slice(-2)]).toEqual([false, ["fresh", "caught up"]]);
  passes.onLive(true);
  expect([passes.isPending, said.at(-1)]).toEqual([false, "caught up"]);
  await passes.stop();
});

/** Real passes of a log of 300 blocks; `onStep` is called behind each part of them. */
function setUpLog(places: PassesParts["places"], isSeen = true) {
  const { blocks } = TestLog.grow(299);
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const inspected: number[] = [];
  const clock = hastyClock();
  const store = new MemoryIntegrity(blocks);
  const scrub = new Scrub({
    ...{ store, places, clock, verifyBlock: blockVerifier(createVerifier()) },
    committedAt: async (at) => ({ blockHash: of(at).stored.block.blockHash, previousHash: "" }),
    heldThrough: () => height(300),
    stateAt: async ({ at }) => of(at).next,
    inspect: async (from) => void inspected.push(from),
    paths: () => [],
    compareEntries: async () => undefined,
    checkOwnRecords: async () => undefined,
    note: () => undefined,
    keeping: { plantedAt: async () => [] },
    isAlone: () => true,
    isSeen: () => isSeen,
  });
  const passes = new Passes({
    ...{ scrub, places, clock, logger: { info: () => undefined, warn: () => undefined } },
    ...{
      holdsBlocks: () => true,
      isWatchStarting: () => false,
      onCaughtUp: () => undefined,
      onPending: () => undefined,
    },
  });
  return { passes, store, inspected };
}

function keep(places: Partial<Places>, onStep = (_height: number): void => {}) {
  const kept = {
    places: { ...NOWHERE, ...places },
    set(change: Partial<Places>) {
      kept.places = { ...kept.places, ...change };
      onStep(change.scrub?.height ?? 0);
    },
  };
  return kept;
}

it("comes to the log's end, however often the watch breaks and goes on where it was", async () => {
  let breaks = 0;
  let isBreaking = false;
  const kept = keep({}, (at) => {
    if (at < 128 || breaks >= 10 || isBreaking) return;
    breaks += 1;
    isBreaking = true;
    passes.onBlind();
    passes.onLive(false);
    isBreaking = false;
  });
  const { passes, store, inspected } = setUpLog(kept);
  store.change(290, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  passes.onBlind();
  await expect.poll(() => passes.isDue, { timeout: 10_000 }).toBe(false);
  // Each break asks for one more pass after the one under way.
  expect([breaks, inspected.slice(0, 2), passes.isPending]).toEqual([10, [290, 290], false]);
  await passes.stop();
});

it("goes on after a restart with a due pass since whose beginning no change was missed, and with no other", async () => {
  const scrub = { height: 250, startedAt: "2026-01-01T00:00:00.000Z" };
  for (const [places, from] of [
    [{ watch: "here", isBlind: true, scrub: { ...scrub, isSeen: true } }, 250],
    [{ watch: "here", isBlind: true, scrub: { ...scrub, isSeen: false } }, 0],
    [{ watch: "here", isBlind: true, scrub }, 0],
    [{ watch: null, isBlind: true, scrub: { ...scrub, isSeen: true } }, 0],
  ] as const) {
    const kept = keep(places);
    const { passes } = setUpLog(kept);
    passes.start();
    expect([kept.places.scrub?.height, passes.isPending]).toEqual([from, true]);
    await expect.poll(() => passes.isDue, { timeout: 10_000 }).toBe(false);
    expect([kept.places.isBlind, kept.places.lastPass?.height, passes.isPending]).toEqual([false, 300, false]);
    await passes.stop();
  }
});

it("says of the pass under way whether since it began a change was missed", async () => {
  const seen: unknown[] = [];
  const kept = keep({}, (at) => {
    if (at > 0) seen.push(kept.places.scrub?.isSeen);
    if (seen.length === 2) passes.onBlind();
  });
  const { passes } = setUpLog(kept);
  await passes.pass();
  await expect.poll(() => passes.isDue).toBe(false);
  expect(seen.slice(0, 7)).toEqual([true, true, false, false, false, false, true]);
  await passes.stop();
  const unseen = keep({}, (at) => void (at > 64 && unseenPasses.passes.stop()));
  const unseenPasses = setUpLog(unseen, false);
  await unseenPasses.passes.pass();
  expect(unseen.places.scrub).toMatchObject({ isSeen: false });
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
