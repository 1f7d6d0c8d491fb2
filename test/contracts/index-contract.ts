import { describe, expect, it } from "vitest";
import type { DifferingEntry, IndexEntry, LogStore, Storage } from "../../node/storage/port.js";
import { stateMacOf } from "../../node/storage/state-mac.js";
import { type Height, height, term } from "../../shared/ids.js";
import { ownRun, termHash } from "../../shared/log/index.js";
import { insert, type TestBlock } from "./fixtures.js";
import { ALL, entryOf, type IndexFixture, keyed, keyTerm, puts } from "./index-fixtures.js";
import { insertContract } from "./insert-contract.js";
import { searchContract } from "./search-contract.js";

const lost = { failure: "index_lost" };

async function rebuild(log: LogStore, blocks: readonly TestBlock[], through: number): Promise<Height[]> {
  await log.beginIndexWork({ from: height(1), through: height(through) }, true);
  const { differing } = await log.putEntries(puts(blocks));
  await log.endIndexWork({ paths: ["a"] });
  return differing;
}

/** The part of the storage contract that is about the index. */
export function indexContract({ harness, renew, storage, opened }: IndexFixture): void {
  const openStore = async (): Promise<Storage> => {
    const made = storage();
    await made.log.open();
    return made;
  };
  searchContract(openStore);
  insertContract({ harness, renew, storage, opened });
  losses({ harness, renew, openStore });

  describe("anchors", () => {
    const hashes = Uint8Array.from({ length: 256 * 64 }, (_, i) => i % 251);
    const clusterId = "c".repeat(64);

    it("come back as they were noted last, and are missing where none were", async () => {
      const { log } = await openStore();
      await log.writeAnchors(clusterId, new Map([[0, new Uint8Array(256 * 64)]]));
      await log.writeAnchors(clusterId, new Map([[0, hashes]]));
      expect(await log.readAnchors(0, clusterId)).toEqual(hashes);
      expect(await log.readAnchors(1, clusterId)).toBeNull();
    });

    it("are gone once they are to be forgotten", async () => {
      const { log } = await openStore();
      for (const page of [0, 1]) await log.writeAnchors(clusterId, new Map([[page, hashes]]));
      await log.forgetAnchors();
      for (const page of [0, 1]) expect(await log.readAnchors(page, clusterId)).toBeNull();
      await log.writeAnchors(clusterId, new Map([[1, hashes]]));
      expect(await log.readAnchors(1, clusterId)).toEqual(hashes);
    });

    it("that somebody changed, or that another node wrote, are none", async () => {
      const { log } = await openStore();
      await log.writeAnchors(clusterId, new Map([[3, hashes]]));
      await log.writeAnchors(clusterId, new Map([[4, hashes]]));
      await harness().alterAnchors(3);
      expect(await log.readAnchors(3, clusterId)).toBeNull();
      expect(await log.readAnchors(4, clusterId)).toEqual(hashes);
      // Of another log.
      expect(await log.readAnchors(4, "d".repeat(64))).toBeNull();
      await log.close();
      const stateMac = stateMacOf(new Uint8Array(32).fill(8));
      const other = harness().process({ nodeId: "n1", bootId: "other", stateMac });
      await other.log.open();
      expect(await other.log.readAnchors(4, clusterId)).toBeNull();
    });
  });
}

// --- What is lost and made anew --------------------------------------------------------------------------------------

function losses({
  harness,
  renew,
  openStore,
}: Pick<IndexFixture, "harness" | "renew"> & { openStore: () => Promise<Storage> }): void {
  const filled = async (count: number) => {
    const store = await openStore();
    const { log: chain, blocks } = keyed(count);
    await insert(store.log, blocks);
    return { ...store, chain, blocks };
  };
  const look = ({ keys }: Storage, key: string): Promise<Height[]> => keys.heightsOfKey(keyTerm("app", key), 10);
  const group = [termHash("type", "type.0").slice(0, 8)];

  describe("an index that was lost", () => {
    it.each(["entries", "marker", "terms"] as const)(
      "(its %s) answers nothing that could be taken for absent, until it is made anew",
      async (what) => {
        const store = await filled(3);
        const { log, reader, keys, chain, blocks } = store;
        expect(await look(store, "k1")).toEqual([3]);
        await harness().dropIndex(what);
        await expect(look(store, "k1")).rejects.toMatchObject(lost);
        await expect(look(store, "none")).rejects.toMatchObject(lost);
        await expect(reader.find({ ...ALL, groups: [group] })).rejects.toMatchObject(lost);
        await expect(reader.estimate([keyTerm("app", "none")], ALL, 10)).rejects.toMatchObject(lost);
        // What stands in more blocks than are asked for is not all of them either.
        await expect(keys.heightsOfKey(termHash("source", "other").slice(0, 8), 1)).rejects.toMatchObject(lost);
        if (what !== "terms") {
          await expect(reader.find(ALL)).rejects.toMatchObject(lost);
          await expect(keys.keyTerms(height(1), 10)).rejects.toMatchObject(lost);
          await expect(log.beginIndexWork({ from: height(1), through: height(1) }, false)).rejects.toMatchObject(lost);
        }
        // The log goes on.
        blocks.push(chain.block([{ idempotencyKey: "later" }]));
        await insert(log, blocks.slice(-1));
        await expect(look(store, "later")).rejects.toMatchObject(lost);
        expect(await log.open()).toMatchObject({ tailHeight: 5, index: null, indexWork: null });
        await log.beginIndexWork({ from: height(1), through: height(5) }, true);
        await expect(look(store, "k1")).rejects.toMatchObject(lost);
        expect(await log.open()).toMatchObject({ index: null, indexWork: { from: 1, through: 5 } });
        expect(await rebuild(log, blocks, 5)).toEqual([]);
        expect(await look(store, "k1")).toEqual([3]);
        expect(await look(store, "later")).toEqual([5]);
        expect(await look(store, "none")).toEqual([]);
        expect((await reader.find({ ...ALL, groups: [group] })).map((entry) => entry.height)).toEqual([2]);
        expect(await log.open()).toMatchObject({ index: { paths: ["a"] }, indexWork: null });
      },
    );

    it.each(["entries", "marker"] as const)("(its %s) while it was made anew is not whole at the end", async (what) => {
      const store = await filled(2);
      const { log, blocks } = store;
      await log.beginIndexWork({ from: height(1), through: height(3) }, true);
      await log.putEntries(puts(blocks));
      await harness().dropIndex(what);
      await expect(log.endIndexWork({ paths: [] })).rejects.toMatchObject(lost);
      await expect(look(store, "k1")).rejects.toMatchObject(lost);
      expect(await rebuild(log, blocks, 3)).toEqual([]);
      expect(await look(store, "k1")).toEqual([3]);
    });

    it("says once that somebody took its account away, and whether it was whole", async () => {
      const { log, blocks } = await filled(2);
      const taken: boolean[] = [];
      const begin = () =>
        log.beginIndexWork({ from: height(1), through: height(3) }, true, (wasWhole) => taken.push(wasWhole));
      await begin();
      await log.putEntries(puts(blocks));
      await log.endIndexWork({ paths: [] });
      await harness().dropIndex("terms");
      await begin();
      // What a work leaves that did not end is nobody else's.
      await log.open();
      await begin();
      await begin();
      expect(taken).toEqual([]);
      await harness().dropIndex("marker");
      await begin();
      await begin();
      expect(taken).toEqual([false]);
      await log.putEntries(puts(blocks));
      await log.endIndexWork({ paths: [] });
      await harness().dropIndex("entries");
      await log.open();
      await begin();
      await begin();
      expect(taken).toEqual([false, true]);
    });

    it("is not whole when a delete of all entries has gone on behind what was made anew", async () => {
      const store = await filled(2);
      const { log, blocks } = store;
      await log.beginIndexWork({ from: height(1), through: height(3) }, true);
      await log.putEntries(puts(blocks.slice(0, 2)));
      await log.putEntries(puts(blocks.slice(2)));
      await harness().alterEntry(2, "removed");
      await expect(log.endIndexWork({ paths: [] })).rejects.toMatchObject(lost);
      await expect(look(store, "k0")).rejects.toMatchObject(lost);
      expect(await rebuild(log, blocks, 3)).toEqual([]);
      expect(await look(store, "k0")).toEqual([2]);
    });

    it("is whole again only when its work has ended, at whichever write that breaks off", async () => {
      for (let skip = 0, isDone = false; !isDone; skip++) {
        const { log, blocks } = await filled(2);
        await harness().alterEntry(2, "names");
        await harness().alterEntry(3, "removed");
        harness().failNextWrite("reply_lost", skip);
        const outcome = await rebuild(log, blocks, 3).then(
          () => "done",
          (error) => error.failure,
        );
        isDone = !harness().disarm();
        expect(outcome).toBe(isDone ? "done" : "unknown");
        const next = await openStore();
        const { index, indexWork } = await next.log.open();
        const entries = await next.log.readEntries(height(1), 10);
        // Whole again before the work is over would be a lie; over is said last.
        if (index?.paths.length === 1) expect(entries.map(({ entry }) => entry)).toEqual(blocks.slice(1).map(entryOf));
        else expect(index).toBeNull();
        // What a crash has left of a work that was over hides no loss later.
        if (index !== null) expect(indexWork).toBeNull();
        // The first write takes the marker away, the next one says in the state what is done.
        if (index === null && skip > 0) expect(indexWork).toEqual({ from: 1, through: 3 });
        if (isDone) expect({ index, indexWork }).toEqual({ index: { paths: ["a"] }, indexWork: null });
        await rebuild(next.log, blocks, 3);
        expect(await next.log.open()).toMatchObject({ index: { paths: ["a"] }, indexWork: null });
        expect(await harness().quarantinedEntries()).toEqual([2]);
        expect(await look(next, "k1")).toEqual([3]);
        await renew();
      }
    });

    it("is not whole by the word of a process that has a successor", async () => {
      const { log, blocks } = await filled(1);
      await log.beginIndexWork({ from: height(1), through: height(2) }, true);
      await log.putEntries(puts(blocks));
      const pause = harness().pauseNextWrite();
      const outcome = log.endIndexWork({ paths: [] }).then(
        () => "done",
        (error) => error.failure,
      );
      await pause.reached;
      const next = await openStore();
      await next.log.beginIndexWork({ from: height(1), through: height(2) }, true);
      pause.resume();
      expect(["index_lost", "not_owner", "unknown"]).toContain(await outcome);
      await expect(look(next, "k0")).rejects.toMatchObject(lost);
    });
  });

  describe("an entry", () => {
    it("that is missing is completed, one that differs is kept as evidence and named, a sound one stays", async () => {
      const store = await filled(5);
      const { log, blocks } = store;
      await harness().alterEntry(2, "removed");
      await harness().alterEntry(3, "names");
      await harness().alterEntry(4, "own");
      await harness().alterEntry(5, "shape");
      const found = await log.readEntries(height(1), 10);
      expect(found.map((entry) => entry.height)).toEqual([3, 4, 5, 6]);
      expect(found.map(({ entry }) => entry === null)).toEqual([false, false, true, false]);
      await expect(store.reader.find(ALL)).rejects.toMatchObject(lost);
      await log.beginIndexWork({ from: height(2), through: height(6) }, false);
      const told: DifferingEntry[] = [];
      const onDiffering = (entries: readonly DifferingEntry[]) => told.push(...entries);
      expect(await log.putEntries(puts(blocks), { ownMayDiffer: false, onDiffering })).toEqual({
        differing: [3, 4, 5],
      });
      expect(told.map((one) => [one.height, one.differences?.map(({ field }) => field), one.sequences])).toEqual([
        [3, ["entry.terms"], [[2, 3]]],
        [4, ["entry.own"], [[4, 5]]],
        [5, ["entry.terms"], [[6, 7]]],
      ]);
      expect(new Set(told.map(({ kept }) => kept)).size).toBe(3);
      expect(told.every(({ kept }) => kept !== null)).toBe(true);
      expect(await log.putEntries(puts(blocks))).toEqual({ differing: [] });
      await log.endIndexWork({ paths: ["p"] });
      expect((await log.readEntries(height(1), 10)).map(({ entry }) => entry)).toEqual(blocks.slice(1).map(entryOf));
      expect((await harness().quarantinedEntries()).sort()).toEqual([3, 4, 5]);
      expect((await log.open()).index).toEqual({ paths: ["p"] });
    });

    it("that is missing is told of where none may be", async () => {
      const { log, blocks } = await filled(4);
      await harness().alterEntry(3, "removed");
      await log.beginIndexWork({ from: height(2), through: height(5) }, true);
      const told: DifferingEntry[] = [];
      const onDiffering = (entries: readonly DifferingEntry[]) => told.push(...entries);
      const options = { ownMayDiffer: true, noneMissingThrough: 3, onDiffering };
      expect(await log.putEntries(puts(blocks), options)).toEqual({ differing: [] });
      expect(told).toMatchObject([{ height: 3, isMissing: true, kept: null, sequences: [[2, 3]] }]);
      expect(told[0]?.differences).toMatchObject([{ field: "entry", expected: expect.any(String) }]);
      expect(await log.putEntries(puts(blocks), options)).toEqual({ differing: [] });
      expect(told).toHaveLength(1);
    });

    it("whose own terms are made of other paths is no finding when that is said", async () => {
      const { log, blocks, chain } = await filled(1);
      const block = chain.block([{ dataPayload: { a: 1 } }], { paths: ["a"] });
      await log.insertBlocks([block.toStore]);
      const without: IndexEntry = { ...entryOf(block), own: ownRun(block.events, []) };
      await log.beginIndexWork({ from: height(1), through: height(3) }, false);
      const due = [{ block: block.stored.block, entry: without }];
      expect(await log.putEntries(due, { ownMayDiffer: true })).toEqual({ differing: [] });
      expect((await log.readEntries(height(3), 1))[0]?.entry).toEqual(without);
      expect(await log.putEntries(puts([block]))).toEqual({ differing: [3] });
      await log.endIndexWork({ paths: [] });
      expect(blocks).toHaveLength(2);
    });

    it("is put over what has the name of the same insert, and over nothing else, however late", async () => {
      for (const change of ["names", "removed"] as const) {
        const { log, blocks } = await filled(3);
        for (const at of [2, 4]) await harness().alterEntry(at, "own");
        await log.beginIndexWork({ from: height(2), through: height(4) }, false);
        const pause = harness().pauseNextWrite();
        const outcome = log.putEntries(puts(blocks), { ownMayDiffer: true }).then(
          () => "done",
          (error) => error.failure,
        );
        await pause.reached;
        await harness().alterEntry(2, change);
        pause.resume();
        expect(await outcome).toBe(change === "names" ? "done" : "conflict");
        const whole = blocks.slice(change === "names" ? 1 : 2);
        expect((await log.readEntries(height(1), 10)).map(({ entry }) => entry)).toEqual(whole.map(entryOf));
        await renew();
      }
    });

    it("is made of no block that is not stored, and only within work", async () => {
      const { log, blocks, chain } = await filled(1);
      await expect(log.putEntries(puts(blocks))).rejects.toMatchObject({ failure: "not_stored" });
      await expect(log.endIndexWork({ paths: [] })).rejects.toMatchObject({ failure: "not_stored" });
      await log.beginIndexWork({ from: height(1), through: height(3) }, false);
      const other = chain.fork(blocks[0] as TestBlock).block([{ dataPayload: { other: true } }]);
      await expect(log.putEntries(puts([other]))).rejects.toMatchObject({ failure: "conflict" });
      await expect(log.putEntries(puts([chain.block([{}])]))).rejects.toMatchObject({ failure: "conflict" });
    });
  });

  describe("reads", () => {
    it("go on while the log has to be opened again, and end with the server", async () => {
      const store = await filled(2);
      harness().failNextWrite("request_lost");
      const state = { term: term(1), votedFor: null, joinNonce: "a".repeat(32), forming: null };
      await expect(store.log.saveState(state)).rejects.toMatchObject({ failure: "unknown" });
      expect(await look(store, "k1")).toEqual([3]);
      expect(await store.reader.find(ALL)).toHaveLength(2);
      await store.log.open();
      expect(await store.reader.holding(0, height(9))).toMatchObject({ block: { header: { height: 2 } } });
      await harness().restartServer();
      await expect.poll(() => look(store, "k1").catch((error) => error.failure)).toBe("unknown");
      await expect(store.reader.find(ALL)).rejects.toMatchObject({ failure: "unknown" });
      await store.log.open();
      expect(await look(store, "k1")).toEqual([3]);
      await store.log.close();
      await expect(store.reader.find(ALL)).rejects.toMatchObject({ failure: "not_stored" });
      await expect(look(store, "k1")).rejects.toMatchObject({ failure: "not_stored" });
    });
  });
}
