import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { height } from "../../shared/ids.js";
import { insert, type TestBlock } from "../../test/contracts/fixtures.js";
import { keptIndex, openKept, withEvents } from "../../test/support/kept-index.js";
import { systemClock } from "../clock.js";
import { StoreError } from "../storage/port.js";

it("leaves an index alone that is whole", async () => {
  const { database, blocks } = await keptIndex();
  const { keeper, opened, told } = await openKept(database, blocks);
  const before = database.writes;
  keeper.begin(opened.index);
  await systemClock.breathe();
  expect(keeper.isWhole).toBe(true);
  expect(told).toEqual({ whole: 1, lost: 0 });
  expect(database.writes).toBe(before);
});

it("makes the index anew that is gone at an opening, or is lost under it, also twice", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  database.dropIndex();
  const { keeper, opened, told, differing } = await openKept(database, blocks);
  expect(opened.index).toBeNull();
  keeper.begin(opened.index);
  expect(keeper.isWhole).toBe(false);
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
  expect(keeper.progress).toEqual({ through: 40, of: 40 });
  expect(differing.splice(0)).toEqual(withEvents(blocks));
  database.dropIndex();
  const pause = database.pauseNextWrite(1);
  keeper.lost();
  keeper.lost();
  expect(told).toEqual({ whole: 1, lost: 2 });
  await pause.reached;
  // Once more, while it is made.
  database.dropIndex();
  pause.resume();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
  expect([...new Set(differing)]).toEqual(withEvents(blocks));
});

it("covers what was on its way to the store when the loss was noticed", async () => {
  const { database, blocks, log, expectWhole } = await keptIndex();
  const later = log.block([{ idempotencyKey: "late" }]);
  const { keeper, opened, heights, storage, proved } = await openKept(database, [...blocks, later]);
  keeper.begin(opened.index);
  // It is stored, and nobody was told yet: its entry goes with the others.
  await insert(storage.log, [later]);
  database.dropIndex();
  const { parts } = keeper as unknown as { parts: { inOrder: (run: () => Promise<void>) => Promise<void> } };
  const inOrder = parts.inOrder;
  parts.inOrder = async (run) => {
    Object.assign(heights, { durable: height(41), committed: height(41) });
    return inOrder(run);
  };
  keeper.lost();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect((await proved.one(height(41))).header.height).toBe(41);
  blocks.push(later);
  expectWhole([]);
});

it("waits for what is not committed yet", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  database.dropIndex();
  const { keeper, opened, heights } = await openKept(database, blocks);
  Object.assign(heights, { committed: height(30) });
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(keeper.progress.through).toBe(30));
  await sleep(10);
  expect(keeper.isWhole).toBe(false);
  Object.assign(heights, { committed: height(40) });
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
});

it("waits no longer for what was truncated meanwhile", async () => {
  const { database, blocks } = await keptIndex();
  database.dropIndex();
  const { keeper, opened, heights } = await openKept(database, blocks);
  Object.assign(heights, { committed: height(30) });
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(keeper.progress.through).toBe(30));
  Object.assign(heights, { durable: height(31), committed: height(31) });
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect(keeper.progress).toEqual({ through: 31, of: 31 });
});

it("adds the terms of a new path, of which nobody need be told, and is whole for the others meanwhile", async () => {
  const { database, blocks, expectWhole } = await keptIndex(["n"]);
  if (database.marker !== null) database.marker = { ...database.marker, paths: ["n"] };
  const { keeper, opened, differing, told } = await openKept(database, blocks, ["n", "m"]);
  keeper.begin(opened.index);
  expect(keeper.isWhole).toBe(true);
  expect(keeper.indexedPaths).toEqual(["n"]);
  await vi.waitFor(() => expect(keeper.indexedPaths).toEqual(["n", "m"]));
  expectWhole(["n", "m"]);
  expect(differing).toEqual([]);
  expect(database.quarantinedEntries.size).toBe(0);
  expect(told.lost).toBe(0);
});

it("notices by itself that the index is lost while terms are added to it, or an entry is made anew, and makes all of it", async () => {
  const { database, blocks, expectWhole } = await keptIndex(["n"]);
  if (database.marker !== null) database.marker = { ...database.marker, paths: ["n"] };
  const { keeper, opened, told } = await openKept(database, blocks, ["n", "m"]);
  let pause = database.pauseNextWrite(1);
  keeper.begin(opened.index);
  await pause.reached;
  database.dropIndex();
  pause.resume();
  await vi.waitFor(() => expect(told).toEqual({ whole: 2, lost: 1 }));
  expectWhole(["n", "m"]);

  pause = database.pauseNextWrite(1);
  keeper.differs(height(4));
  await pause.reached;
  database.dropIndex();
  pause.resume();
  await vi.waitFor(() => expect(told).toEqual({ whole: 3, lost: 2 }));
  expectWhole(["n", "m"]);
});

it("does not take a path for indexed that was left out for a while", async () => {
  const { database, blocks, log, expectWhole } = await keptIndex(["n"]);
  if (database.marker !== null) database.marker = { ...database.marker, paths: ["n"] };
  const without = await openKept(database, blocks);
  database.failNextWrite("not_stored");
  without.keeper.begin(without.opened.index);
  await vi.waitFor(() => expect(without.said.join()).toContain("left out"));
  // Until the index says so, new entries have them.
  const own = (): number => without.keeper.entryOf((blocks[0] as TestBlock).events)?.own.terms.length ?? 0;
  const before = own();
  expect(without.keeper.indexedPaths).toEqual([]);
  without.keeper.begin(without.opened.index);
  await vi.waitFor(() => expect(database.marker?.paths).toEqual([]));
  expect(own()).toBe(before - 1);
  const later = log.block([{ dataPayload: { n: 7 } }]);
  await insert(without.storage.log, [later]);
  await without.storage.log.close();
  blocks.push(later);
  const again = await openKept(database, blocks, ["n"]);
  again.keeper.begin(again.opened.index);
  expect(again.keeper.indexedPaths).toEqual([]);
  await vi.waitFor(() => expect(again.keeper.indexedPaths).toEqual(["n"]));
  expectWhole(["n"]);
});

it("makes an entry anew that is not its block's, keeps the other one, and tells of it, once for all who found it", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const { keeper, opened, differing } = await openKept(database, blocks);
  keeper.begin(opened.index);
  const found = database.entries.get(height(4));
  if (found === undefined) throw new Error("no entry");
  const altered = { ...found.stored, first: 17 };
  database.entries.set(height(4), { ...found, stored: altered });
  const { version } = keeper;
  for (let i = 0; i < 3; i++) keeper.differs(height(4));
  keeper.differs(height(7));
  await vi.waitFor(() => expect(differing).toEqual([4]));
  await vi.waitFor(() => expectWhole([]));
  // What was counted while it stood there is not to be believed any more.
  await vi.waitFor(() => expect(keeper.version).toBeGreaterThan(version));
  expect([...database.quarantinedEntries.values()]).toEqual([altered]);
});

it("tells the filter of keys what an entry has that is made anew: it was filled while it was missing", async () => {
  const { database, blocks } = await keptIndex();
  const { keeper, opened, keys } = await openKept(database, blocks);
  for (const at of [1, 4, 7]) database.entries.delete(height(at));
  for (let at = 10; at <= 40; at += 3) database.entries.delete(height(at));
  keeper.begin(opened.index);
  await keys.fill();
  expect(await keys.find("app", "a")).toBeNull();
  keeper.differs(height(4));
  await vi.waitFor(async () => expect(await keys.find("app", "a")).toEqual({ height: 4 }));
});

it("takes away what arrived late where a block without events stands", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const { keeper, opened, differing } = await openKept(database, blocks);
  keeper.begin(opened.index);
  const found = database.entries.get(height(1));
  if (found === undefined) throw new Error("no entry");
  const stray = { ...found.stored, height: height(2) };
  database.entries.set(height(2), { stored: stray, writeId: -1 });
  keeper.differs(height(2));
  await vi.waitFor(() => expectWhole([]));
  expect(differing).toEqual([]);
  expect([...database.quarantinedEntries.values()]).toEqual([stray]);
});

it("goes on after a work that fails, and ends one that a new opening has overtaken", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  database.dropIndex();
  const first = await openKept(database, blocks);
  database.failNextWrite("not_stored", 1);
  first.keeper.begin(null);
  await vi.waitFor(() => expect(first.keeper.isWhole).toBe(true));
  expect(first.said.join("\n")).toContain("trying again: StoreError: The database refused the write.");
  expectWhole([]);

  database.dropIndex();
  const pause = database.pauseNextWrite(2);
  first.keeper.lost();
  await pause.reached;
  first.keeper.stop();
  const { index } = await first.storage.log.open();
  first.keeper.begin(index);
  expect(first.told).toEqual({ whole: 1, lost: 3 });
  pause.resume();
  await vi.waitFor(() => expect(first.keeper.isWhole).toBe(true));
  expectWhole([]);
});

/** What puts it back. */
function takeAway({ blocks }: Awaited<ReturnType<typeof keptIndex>>["database"], at: number): () => void {
  const block = blocks.get(height(at)) as NonNullable<ReturnType<typeof blocks.get>>;
  blocks.delete(height(at));
  return () => blocks.set(height(at), block);
}

it("waits at a block that is altered, and goes on from there: what is below it is not read again", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  database.dropIndex();
  const { keeper, opened, storage, said } = await openKept(database, blocks);
  const putBack = takeAway(database, 35);
  const read: number[] = [];
  const readBlocks = storage.reader.readBlocks.bind(storage.reader);
  storage.reader.readBlocks = async (at, bytes) => {
    read.push(at[0] as number);
    return readBlocks(at, bytes);
  };
  keeper.begin(opened.index);
  const tries = (): number => said.filter((text) => text.includes("Stored block 35")).length;
  await vi.waitFor(() => expect(tries()).toBeGreaterThan(2));
  expect(read.filter((at) => at === 1)).toHaveLength(1);
  expect(keeper.progress).toEqual({ through: 32, of: 40 });
  expect(keeper.isWhole).toBe(false);
  putBack();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect(read.filter((at) => at === 1)).toHaveLength(1);
  expectWhole([]);
});

it("is whole also beside an altered block, where another node has it; not where none stands", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const { keeper, opened, proved, differing, said } = await openKept(database, blocks);
  database.dropIndex();
  const lent = await proved.one(height(4));
  const sound = database.blocks.get(height(4)) as NonNullable<ReturnType<typeof database.blocks.get>>;
  database.blocks.delete(height(4));
  let firstReads = 0;
  keeper.readWith(async (heights) => {
    if (heights[0] === 1) firstReads += 1;
    return heights[0] === 4 ? [lent] : proved.read(heights);
  });
  keeper.begin(opened.index);
  keeper.lost();
  await vi.waitFor(() => expect(said.filter((text) => text.includes("height 4")).length).toBeGreaterThan(2));
  expect([firstReads, keeper.isWhole]).toEqual([1, false]);
  const { block } = sound.stored;
  const altered = { ...block, payloads: block.payloads.map((byte) => byte ^ 1) };
  database.blocks.set(height(4), { ...sound, stored: { ...sound.stored, block: altered } });
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
  expect([firstReads, differing]).toEqual([1, withEvents(blocks)]);
});

it("ends its wait for a block where another opening begins", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  database.dropIndex();
  const { keeper, opened, storage, said } = await openKept(database, blocks);
  const putBack = takeAway(database, 35);
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(said.join()).toContain("Stored block 35"));
  keeper.stop();
  putBack();
  keeper.begin((await storage.log.open()).index);
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
});

it("does not call the index whole while one of its blocks cannot be read", async () => {
  const { database, blocks } = await keptIndex();
  database.dropIndex();
  const { keeper, opened, storage, said } = await openKept(database, blocks);
  const readBlocks = storage.reader.readBlocks.bind(storage.reader);
  let fails = true;
  storage.reader.readBlocks = async (at, bytes) => {
    if (fails && at.includes(height(39))) throw new StoreError("unknown", "It cannot be read.");
    return readBlocks(at, bytes);
  };
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(said.length).toBeGreaterThan(2));
  expect(keeper.isWhole).toBe(false);
  expect(database.marker?.isWhole).toBe(false);
  fails = false;
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
});

it.each(["missing", "said to have no events", "said to be another one"])(
  "calls no index whole while a block is %s: its keys would be called absent",
  async (what) => {
    const { database, blocks, expectWhole } = await keptIndex();
    database.dropIndex();
    const { keeper, keys, opened, said } = await openKept(database, blocks);
    const sound = database.blocks.get(height(4)) as NonNullable<ReturnType<typeof database.blocks.get>>;
    const { block, ...stored } = sound.stored;
    const change = what === "said to be another one" ? { height: height(400) } : { eventCount: 0 };
    const altered = { ...block, header: { ...block.header, ...change } };
    if (what === "missing") database.blocks.delete(height(4));
    else database.blocks.set(height(4), { ...sound, stored: { ...stored, block: altered } });
    keeper.begin(opened.index);
    await vi.waitFor(() => expect(said.join()).toContain("trying again: AlteredBlock: Stored block 4"));
    expect(keeper.isWhole).toBe(false);
    await expect(keys.find("app", "a")).rejects.toMatchObject({ failure: "index_lost" });
    database.blocks.set(height(4), sound);
    await vi.waitFor(() => expect(keeper.isWhole).toBe(true), { timeout: 20_000 });
    expectWhole([]);
    expect(await keys.find("app", "a")).toEqual({ height: 1 });
  },
);
