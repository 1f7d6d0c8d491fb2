import { expect, it, vi } from "vitest";
import { height } from "../../shared/ids.js";
import { keptIndex, openKept, withEvents } from "../../test/support/kept-index.js";

const NAMELESS = { isWhole: false, paths: [], work: null };

it.each(["entries", "marker"] as const)(
  "tells that the index's own account is gone at an opening (with its %s), and of each entry that is missing",
  async (what) => {
    const { database, blocks, expectWhole } = await keptIndex();
    if (what === "entries") database.dropIndex();
    else database.marker = null;
    const { keeper, opened, differing, losses } = await openKept(database, blocks);
    keeper.begin(opened.index);
    await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
    expect(losses.taken).toBe(1);
    expect(differing).toEqual(what === "entries" ? withEvents(blocks) : []);
    expectWhole([]);
  },
);

it("tells nothing at an opening of an index that its own work has left, whatever is missing", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const before = await openKept(database, blocks);
  // It ends between the marker and the state.
  database.failNextWrite("not_stored", 1);
  const work = { from: height(1), through: height(40) };
  await expect(before.storage.log.beginIndexWork(work, true)).rejects.toThrow();
  await before.storage.log.close();
  database.entries.clear();
  const { keeper, opened, differing, losses } = await openKept(database, blocks);
  expect(opened).toMatchObject({ index: null, indexWork: null });
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect([losses.taken, differing]).toEqual([0, []]);
  expectWhole([]);
});

it("tells that the account was taken while the index was made anew, and not of entries that were missing by right", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const before = await openKept(database, blocks);
  await before.storage.log.beginIndexWork({ from: height(1), through: height(40) }, true);
  await before.storage.log.close();
  database.dropIndex();
  const { keeper, opened, differing, losses } = await openKept(database, blocks);
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect([losses.taken, differing]).toEqual([1, []]);
  expectWhole([]);
});

it.each([null, NAMELESS])(
  "tells under a running process that the account was taken or changed, once (%j)",
  async (marker) => {
    const { database, blocks } = await keptIndex();
    const { keeper, opened, losses } = await openKept(database, blocks);
    keeper.begin(opened.index);
    database.marker = marker;
    keeper.lost();
    keeper.lost();
    await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
    expect(losses.taken).toBe(1);
    // Somebody has seen it late: there is nothing to tell.
    keeper.lost();
    await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
    expect(losses.taken).toBe(1);
  },
);

it("tells of each entry that is missing where the account still stands", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const { keeper, opened, differing, losses } = await openKept(database, blocks);
  keeper.begin(opened.index);
  database.entries.clear();
  keeper.lost();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect([losses.taken, differing]).toEqual([0, withEvents(blocks)]);
  expectWhole([]);
});

it("remembers a loss over an opening: tells the rest, but for the newest blocks, whose entries an opening may take away", async () => {
  const { database, blocks, expectWhole } = await keptIndex([], 140);
  const { keeper, opened, storage, differing } = await openKept(database, blocks);
  keeper.begin(opened.index);
  database.entries.clear();
  const pause = database.pauseNextWrite(3);
  keeper.lost();
  await pause.reached;
  keeper.stop();
  const { index } = await storage.log.open();
  keeper.begin(index);
  pause.resume();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
  expect([...new Set(differing)]).toEqual(withEvents(blocks).filter((at) => at <= 140 - 64));
});

it("makes the index anew whose loss was noticed before an opening, also if it still says that it is whole", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const { keeper, opened, storage, said } = await openKept(database, blocks);
  keeper.begin(opened.index);
  database.entries.clear();
  database.failNextWrite("request_lost");
  keeper.lost();
  await vi.waitFor(() => expect(said.join()).toContain("trying again"));
  keeper.stop();
  const { index } = await storage.log.open();
  expect(index).not.toBeNull();
  keeper.begin(index);
  expect(keeper.isWhole).toBe(false);
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole([]);
});

it("tells of missing entries where the terms of a path are added", async () => {
  const { database, blocks, expectWhole } = await keptIndex([], 140);
  database.entries.delete(height(4));
  database.entries.delete(height(139));
  const { keeper, opened, differing } = await openKept(database, blocks, ["n"]);
  keeper.begin(opened.index);
  await vi.waitFor(() => expect(keeper.indexedPaths).toEqual(["n"]));
  // The opening itself looks at the newest.
  expect(differing).toEqual([4]);
  expectWhole(["n"]);
});

/** The entry of a block loses the last of its own terms. */
function withoutOwn({ entries }: Awaited<ReturnType<typeof keptIndex>>["database"], at: number): void {
  const there = entries.get(height(at));
  if (there?.stored.entry == null) throw new Error("no entry");
  const { terms, places } = there.stored.entry.own;
  const own = { terms: terms.slice(0, -1), places: places.slice(0, -1) };
  entries.set(height(at), { ...there, stored: { ...there.stored, entry: { ...there.stored.entry, own } } });
}

it("tells of own terms that are missing where the index was lost under it with the paths of now", async () => {
  const { database, blocks, expectWhole } = await keptIndex(["n"]);
  if (database.marker !== null) database.marker = { ...database.marker, paths: ["n"] };
  const { keeper, opened, entries, differing } = await openKept(database, blocks, ["n"]);
  keeper.begin(opened.index);
  withoutOwn(database, 4);
  keeper.lost();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expect(entries).toMatchObject([{ height: 4, differences: [{ field: "entry.own" }] }]);
  expectWhole(["n"]);
  // Of a path that was left out meanwhile there are more.
  const without = await openKept(database, blocks);
  without.keeper.begin(without.opened.index);
  await vi.waitFor(() => expect(database.marker?.paths).toEqual([]));
  without.keeper.lost();
  await vi.waitFor(() => expect(without.keeper.isWhole).toBe(true));
  expectWhole([]);
  expect([without.differing, differing]).toEqual([[], [4]]);
});

it("tells nothing of own terms where paths are being added as the index is lost", async () => {
  const { database, blocks, expectWhole } = await keptIndex();
  const { keeper, opened, differing } = await openKept(database, blocks, ["n"]);
  keeper.begin(opened.index);
  keeper.lost();
  await vi.waitFor(() => expect(keeper.isWhole).toBe(true));
  expectWhole(["n"]);
  expect(differing).toEqual([]);
});
