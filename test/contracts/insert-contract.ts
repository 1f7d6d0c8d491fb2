import { describe, expect, it } from "vitest";
import type { LogStore, NewBlock } from "../../node/storage/port.js";
import { height, term } from "../../shared/ids.js";
import { insert, type TestBlock, TestLog } from "./fixtures.js";
import { entryHeights } from "./harness.js";
import { entryOf, type IndexFixture, keyed, puts } from "./index-fixtures.js";

const unknown = { failure: "unknown" };
const conflict = { failure: "conflict" };

const blockHashes = async (log: LogStore): Promise<string[]> =>
  (await log.readBlocks(height(1), { bytesMax: 1 << 30, blocksMax: 100 })).map(({ block }) => block.blockHash);
const hashesOf = (blocks: readonly TestBlock[]): string[] => blocks.map(({ stored }) => stored.block.blockHash);
const toStore = (blocks: readonly TestBlock[]): NewBlock[] => blocks.map((block) => block.toStore);

/** What stands at heights 1 and 2, and blocks of two histories that follow it. */
function forked(): { log: TestLog; blocks: TestBlock[]; one: TestBlock[]; other: TestBlock[] } {
  const { log, blocks } = keyed(1);
  const [one, other] = ["one", "other"].map((history) => {
    const chain = log.fork(blocks[1] as TestBlock);
    return Array.from({ length: 3 }, (_, i) => chain.block([{ dataPayload: { history, i } }]));
  }) as [TestBlock[], TestBlock[]];
  return { log, blocks, one, other };
}

/** Blocks and their entries go to the database in one command, which stores them in order: all of them, or the first ones. */
export function insertContract({ harness, renew, storage, opened }: IndexFixture): void {
  const filled = async () => {
    const log = await opened();
    const made = forked();
    await insert(log, made.blocks);
    return { ...made, log };
  };
  /** Sent by a process, and taken by the database when its writer has long given it up and the log was opened again. */
  const late = async (log: LogStore, blocks: readonly TestBlock[]): Promise<void> => {
    harness().failNextWrite("late");
    await expect(log.insertBlocks(toStore(blocks))).rejects.toMatchObject(unknown);
  };

  describe("an insert of blocks with their entries", () => {
    it("keeps both byte for byte, and a block without events has no entry", async () => {
      const { log } = storage();
      expect((await log.open()).index).toEqual({ paths: [] });
      const { blocks } = keyed(2);
      await log.insertBlocks(toStore(blocks));
      expect(await log.readEntries(height(1), 10)).toEqual(
        blocks.slice(1).map((block) => ({
          height: block.stored.block.header.height,
          first: block.stored.block.header.firstSequence,
          count: 2,
          sealedAt: Date.parse(block.stored.block.header.sealedAt),
          blockHash: block.stored.block.blockHash,
          entry: entryOf(block),
        })),
      );
      expect(await entryHeights(log)).toEqual([2, 3]);
      expect((await log.readEntries(height(3), 1)).map((entry) => entry.height)).toEqual([3]);
      expect(await blockHashes(log)).toEqual(hashesOf(blocks));
    });

    it.each(
      (["request_lost", "reply_lost", "late"] as const).flatMap((fault) => [1, 3].map((count) => ({ fault, count }))),
    )(
      "that fails ($fault), of $count blocks, leaves no block without its entry, and no entry above",
      async ({ fault, count }) => {
        const { log, blocks, one } = await filled();
        const sent = one.slice(0, count);
        harness().failNextWrite(fault);
        await expect(log.insertBlocks(toStore(sent))).rejects.toMatchObject(unknown);
        const all = [2, 3, 4, 5].slice(0, count + 1);
        const isStored = fault === "reply_lost";
        expect((await log.open()).tailHeight).toBe(isStored ? count + 2 : 2);
        expect(await entryHeights(log)).toEqual(isStored ? all : [2]);
        // By the same process, which knows that it sent it.
        await log.insertBlocks(toStore(sent));
        expect(await entryHeights(log)).toEqual(all);
        if (fault === "late") await harness().deliverLate();
        expect(await log.open()).toMatchObject({ tailHeight: count + 2, index: { paths: [] } });
        expect(await entryHeights(log)).toEqual(all);
        expect(await blockHashes(log)).toEqual(hashesOf([...blocks, ...sent]));
        await expect(log.insertBlocks(toStore(sent))).rejects.toMatchObject(conflict);
        expect(await harness().quarantinedEntries()).toEqual([]);
      },
    );

    it.each([1, 2, 3])("that broke off after the entry of the last one of %i leaves no entry above", async (count) => {
      for (const isSame of [true, false]) {
        const { log, blocks, one, other } = await filled();
        harness().failNextWrite("reply_lost");
        await expect(log.insertBlocks(toStore(one.slice(0, count)))).rejects.toMatchObject(unknown);
        await harness().removeBlock(count + 2);
        const next = isSame ? log : storage().log;
        expect((await next.open()).tailHeight).toBe(count + 1);
        const kept = [...blocks, ...one.slice(0, count - 1)];
        expect(await entryHeights(next)).toEqual(kept.slice(1).map(({ stored }) => stored.block.header.height));
        if (count > 1) await next.truncate(height(3), { term: term(2), leaderId: "n2" });
        const stored = isSame ? one : other;
        await next.insertBlocks(toStore(stored));
        expect(await next.open()).toMatchObject({ tailHeight: 5 });
        expect(await entryHeights(next)).toEqual([2, 3, 4, 5]);
        expect(await blockHashes(next)).toEqual(hashesOf([...blocks, ...stored]));
        expect(await harness().quarantinedEntries()).toEqual([]);
        await renew();
      }
    });

    it.each(["both", "entry", "block"] as const)(
      "that arrives late (%s) is a success for who sent it, and for nobody else",
      async (what) => {
        const { log, blocks, one, other } = await filled();
        const [sent] = one as [TestBlock];
        await late(log, [sent]);
        await log.open();
        await harness().deliverLate();
        if (what === "entry") await harness().removeBlock(3);
        if (what === "block") await harness().alterEntry(3, "removed");
        await log.insertBlocks([sent.toStore]);
        expect(await blockHashes(log)).toEqual(hashesOf([...blocks, sent]));
        expect((await log.readEntries(height(3), 1))[0]).toMatchObject({
          blockHash: sent.stored.block.blockHash,
          entry: entryOf(sent),
        });
        for (const again of [sent, other[0] as TestBlock])
          await expect(log.insertBlocks([again.toStore])).rejects.toMatchObject(conflict);
        // Entry and block are of one insert.
        expect((await log.open()).tailHeight).toBe(3);
        expect(await entryHeights(log)).toEqual([2, 3]);
        expect(await harness().quarantinedEntries()).toEqual([]);
      },
    );

    it("leaves an entry that an opening deletes, and none of a successor's, wherever the opening is paused", async () => {
      for (let skip = 0, isDone = false; !isDone; skip++) {
        const { log: first, blocks, one, other } = await filled();
        harness().failNextWrite("reply_lost");
        await expect(first.insertBlocks(toStore(one.slice(0, 1)))).rejects.toMatchObject(unknown);
        await harness().removeBlock(3);
        const pause = harness().pauseNextWrite(skip);
        const opening = storage()
          .log.open()
          .then(
            () => "opened",
            (error) => error.failure,
          );
        isDone = await Promise.race([pause.reached.then(() => false), opening.then(() => true)]);
        // A pause that was not reached must not hold the successor.
        if (isDone) pause.resume();
        const next = await opened();
        expect(await entryHeights(next)).toEqual([2]);
        await insert(next, other.slice(0, 1));
        pause.resume();
        await opening;
        const last = await opened();
        const stored = await last.readEntries(height(1), 10);
        expect(stored.map((entry) => entry.blockHash)).toEqual(
          hashesOf([blocks[1] as TestBlock, other[0] as TestBlock]),
        );
        await renew();
      }
    });

    it.each([{ left: "both", tail: 3 } as const, { left: "entry", tail: 2 } as const])(
      "that arrives late ($left) is found out by the next one of another block",
      async ({ left, tail }) => {
        const { log, blocks, one, other } = await filled();
        await late(log, one.slice(0, 1));
        await log.open();
        await harness().deliverLate();
        if (left === "entry") await harness().removeBlock(3);
        await expect(log.insertBlocks(toStore(other.slice(0, 1)))).rejects.toMatchObject(conflict);
        expect((await log.open()).tailHeight).toBe(tail);
        expect(await entryHeights(log)).toEqual([2, 3].slice(0, tail - 1));
        if (tail === 3) await log.truncate(height(3), { term: term(2), leaderId: "n2" });
        await log.insertBlocks(toStore(other));
        expect(await blockHashes(log)).toEqual(hashesOf([...blocks, ...other]));
        expect((await log.readEntries(height(3), 1))[0]?.blockHash).toBe(other[0]?.stored.block.blockHash);
      },
    );

    it("whose entry arrives late is found out by a block without events, too", async () => {
      const { log, blocks, one } = await filled();
      const empty = new TestLog().fork(blocks[1] as TestBlock).block([]);
      await late(log, one.slice(0, 1));
      await log.open();
      await harness().deliverLate();
      await harness().removeBlock(3);
      await expect(log.insertBlocks([empty.toStore])).rejects.toMatchObject(conflict);
      expect((await log.open()).tailHeight).toBe(2);
      await log.insertBlocks([empty.toStore]);
      expect(await entryHeights(log)).toEqual([2]);
    });

    it("whose place another block has taken since leaves an entry that an opening keeps as evidence", async () => {
      const { log: first, blocks, other } = await filled();
      const empty = new TestLog().fork(blocks[1] as TestBlock).block([]);
      await late(first, [empty]);
      const next = await opened();
      await harness().deliverLate();
      await expect(next.insertBlocks(toStore(other.slice(0, 1)))).rejects.toMatchObject(conflict);
      expect((await next.open()).tailHeight).toBe(3);
      expect(await blockHashes(next)).toEqual(hashesOf([...blocks, empty]));
      expect(await entryHeights(next)).toEqual([2]);
      expect(await harness().quarantinedEntries()).toEqual([3]);
    });

    it.each([{ left: "entry", tail: 3, evidence: [] } as const, { left: "block", tail: 4, evidence: [4] } as const])(
      "of several goes as far as the first place that is taken: by another $left",
      async ({ left, tail, evidence }) => {
        const { log: first, blocks, one, other } = await filled();
        await late(first, one.slice(0, 2));
        const next = await opened();
        await harness().deliverLate();
        await harness().removeBlock(3);
        await harness().alterEntry(3, "removed");
        if (left === "entry") await harness().removeBlock(4);
        else await harness().alterEntry(4, "removed");
        await expect(next.insertBlocks(toStore(other))).rejects.toMatchObject(conflict);
        expect((await next.open()).tailHeight).toBe(tail);
        const kept = left === "entry" ? other.slice(0, 1) : [other[0] as TestBlock, one[1] as TestBlock];
        expect(await blockHashes(next)).toEqual(hashesOf([...blocks, ...kept]));
        expect(await entryHeights(next)).toEqual([2, 3]);
        expect(await harness().quarantinedEntries()).toEqual(evidence);
      },
    );

    it("whose entry somebody took away is missing, and can be made anew beside its block", async () => {
      const { log, one } = await filled();
      await late(log, one.slice(0, 1));
      const next = await opened();
      await harness().deliverLate();
      await harness().alterEntry(3, "removed");
      expect((await next.open()).tailHeight).toBe(3);
      expect(await entryHeights(next)).toEqual([2]);
      await next.beginIndexWork({ from: height(3), through: height(3) }, false);
      expect(await next.putEntries(puts(one.slice(0, 1)))).toEqual({ differing: [] });
      await next.endIndexWork({ paths: [] });
      expect((await next.readEntries(height(3), 1))[0]?.entry).toEqual(entryOf(one[0] as TestBlock));
    });

    it.each([
      ["its reply was lost", "reply_lost", 2],
      ["it was lost", "request_lost", 1],
    ] as const)("of which %s may be sent again, and once more is a conflict", async (_, fault, tailHeight) => {
      const log = await opened();
      const { blocks } = TestLog.grow(1);
      await insert(log, blocks.slice(0, 1));
      const again = (): Promise<unknown> => log.insertBlocks(toStore(blocks.slice(1)));
      harness().failNextWrite(fault);
      await expect(again()).rejects.toMatchObject(unknown);
      expect((await log.open()).tailHeight).toBe(tailHeight);
      await again();
      await expect(again()).rejects.toMatchObject(conflict);
      expect((await log.open()).tailHeight).toBe(2);
    });
  });
}
