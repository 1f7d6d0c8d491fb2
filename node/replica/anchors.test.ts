import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { ZERO_HASH } from "../../shared/hash.js";
import { type Height, height } from "../../shared/ids.js";
import { STATE_MAC, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { AlteredBlock, type AnchorMemory, Anchors } from "./anchors.js";

const MEMORY: AnchorMemory = { pageHeights: 4, notesMax: 3 };

/** A database that holds a log of `count` blocks and the genesis. */
async function setUp(count: number) {
  const { blocks } = TestLog.grow(count);
  const database = new MemoryDatabase("a".repeat(32));
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  await storage.log.open();
  const warnings: string[] = [];
  const headers = vi.spyOn(storage.reader, "readHeaders");
  const make = (
    memory = MEMORY,
    heldThrough: () => number = () => blocks.length,
    inOrder: (write: () => Promise<void>) => Promise<void> = (write) => write(),
  ): Anchors =>
    new Anchors({
      store: storage.log,
      reader: storage.reader,
      memory,
      heldThrough: () => height(heldThrough()),
      inOrder,
      onWarning: (_error, text) => warnings.push(text),
    });
  return { blocks, database, headers, warnings, make };
}

const clusterOf = (blocks: readonly TestBlock[]): string => blocks[0]?.next.blockHash ?? "";
function addAll(anchors: Anchors, blocks: readonly TestBlock[], from = 1, to = blocks.length): void {
  for (const { stored } of blocks.slice(from - 1, to))
    anchors.add(stored.block.header, stored.block.blockHash, clusterOf(blocks));
}
const settled = (): Promise<void> => sleep(5);

/** Of every height from `from` on. */
async function proofs(anchors: Anchors, from: number, to: number): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let at = from; at <= to; at++) found.push(await anchors.proofOf(height(at)));
  return found;
}
const expected = (blocks: readonly TestBlock[], from: number, to: number): unknown[] =>
  blocks.slice(from - 1, to).map(({ stored }, i) => ({
    blockHash: stored.block.blockHash,
    previousBlockHash: stored.block.header.previousBlockHash,
    previousHash: blocks[from + i - 2]?.stored.block.header.headHash ?? "",
  }));

it("knows the newest from memory, and older ones from pages that it wrote", async () => {
  const { blocks, database, headers, make } = await setUp(20);
  const anchors = make();
  addAll(anchors, blocks);
  await settled();
  expect([...database.anchors.keys()]).toEqual([0, 1, 2, 3, 4]);
  expect(anchors.proofAtHand(height(1))).toBeNull();
  expect(anchors.proofAtHand(height(21))).toEqual(expected(blocks, 21, 21)[0]);
  expect(await proofs(anchors, 1, 21)).toEqual(expected(blocks, 1, 21));
  expect(headers).not.toHaveBeenCalled();
  await expect(anchors.proofOf(height(22))).rejects.toMatchObject({ failure: "unknown" });
});

// Where the notes begin right after a border the page before the border is not theirs to write.
it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])(
  "walks the headers of what it did not hear of, from height %i on",
  async (from) => {
    const { blocks, database, make, warnings } = await setUp(20);
    const anchors = make();
    addAll(anchors, blocks, from);
    await settled();
    expect(warnings).toEqual([]);
    expect(await proofs(anchors, 1, 21)).toEqual(expected(blocks, 1, 21));
    await settled();
    // What was walked to is written as well.
    expect([...database.anchors.keys()].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(await proofs(make({ pageHeights: 4, notesMax: 0 }), 1, 0)).toEqual([]);
  },
);

it("does not take what was not committed yet when a page was walked for what is noted there", async () => {
  const { blocks, make } = await setUp(20);
  const anchors = make();
  addAll(anchors, blocks, 6, 6);
  expect(await proofs(anchors, 5, 6)).toEqual(expected(blocks, 5, 6));
  addAll(anchors, blocks, 7);
  await settled();
  expect(await proofs(anchors, 1, 21)).toEqual(expected(blocks, 1, 21));
});

it("keeps what it noted when a recovery reads committed blocks again, from further below or not as far", async () => {
  const { blocks, make, headers } = await setUp(20);
  const anchors = make({ pageHeights: 256, notesMax: 100 });
  addAll(anchors, blocks, 10);
  addAll(anchors, blocks, 5, 12);
  for (let at = 11; at <= 21; at++) expect(anchors.proofAtHand(height(at))).toEqual(expected(blocks, at, at)[0]);
  expect(await proofs(anchors, 1, 21)).toEqual(expected(blocks, 1, 21));
  expect(headers).toHaveBeenCalledTimes(1);
});

it("begins with the newest committed block where a recovery verified none", async () => {
  const { blocks, make } = await setUp(8);
  const anchors = make();
  anchors.begin({ clusterId: "", height: height(0), blockHash: ZERO_HASH, headHash: "" });
  await expect(anchors.proofOf(height(1))).rejects.toMatchObject({ failure: "unknown" });
  anchors.begin((blocks[6] as TestBlock).next);
  expect(await proofs(anchors, 1, 7)).toEqual(expected(blocks, 1, 7));
});

it("walks anew what somebody else wrote as a page, or put in another's place", async () => {
  const { blocks, database, make, headers } = await setUp(20);
  addAll(make(), blocks);
  await settled();
  const [first, second] = [database.anchors.get(0), database.anchors.get(1)];
  if (first === undefined || second === undefined) throw new Error("no pages were written");
  const hashes = first.hashes.slice();
  hashes[70] = (hashes[70] ?? 0) ^ 1;
  database.anchors.set(0, { ...first, hashes });
  database.anchors.set(1, first);
  const anchors = make();
  addAll(anchors, blocks, 20);
  expect(await proofs(anchors, 1, 21)).toEqual(expected(blocks, 1, 21));
  expect(headers).toHaveBeenCalledTimes(2);
});

const alterHeader = (database: MemoryDatabase, at: number): void => {
  const found = database.blocks.get(height(at));
  if (found === undefined) throw new Error(`no block ${at}`);
  const { block } = found.stored;
  const altered = { ...block, header: { ...block.header, sealedAt: "2026-01-01T00:00:09.999Z" } };
  database.blocks.set(height(at), { ...found, stored: { ...found.stored, block: altered } });
};

it("names the block whose header was altered, or is missing, where headers have to be walked", async () => {
  const { blocks, database, make } = await setUp(8);
  alterHeader(database, 3);
  const anchors = make();
  addAll(anchors, blocks, 8);
  expect(await proofs(anchors, 5, 9)).toEqual(expected(blocks, 5, 9));
  await expect(anchors.proofOf(height(1))).rejects.toMatchObject({ name: "AlteredBlock", height: 3 });
  database.blocks.delete(height(3));
  await expect(anchors.proofOf(height(1))).rejects.toBeInstanceOf(AlteredBlock);
});

it("names the highest block that is missing or another one, and not a sound one above it", async () => {
  const { blocks, database, make } = await setUp(8);
  database.blocks.delete(height(5));
  const anchors = make();
  addAll(anchors, blocks, 9);
  await expect(anchors.proofOf(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 5 });
  // What one header says of its own height moves no other.
  const six = database.blocks.get(height(6));
  if (six === undefined) throw new Error("no block 6");
  const { block } = six.stored;
  const moved = { ...block, header: { ...block.header, height: height(7) } };
  database.blocks.set(height(6), { ...six, stored: { ...six.stored, block: moved } });
  await expect(make().proofOf(height(4))).rejects.toMatchObject({ failure: "unknown" });
  const anew = make();
  addAll(anew, blocks, 9);
  await expect(anew.proofOf(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 6 });
});

it("walks once to what is altered: blocks above it are proved, and those below wait until it is put back", async () => {
  const { blocks, database, headers, make } = await setUp(40);
  const pages = vi.spyOn(database.anchors, "get");
  const put = database.blocks.get(height(21));
  alterHeader(database, 21);
  const anchors = make();
  addAll(anchors, blocks, 40);
  await expect(anchors.proofOf(height(1))).rejects.toMatchObject({ height: 21 });
  const [walked, read] = [headers.mock.calls.length, pages.mock.calls.length];
  expect(await anchors.proofOf(height(23))).toEqual(expected(blocks, 23, 23)[0]);
  expect(headers.mock.calls.length).toBe(walked);
  for (const at of [22, 21, 20, 9, 2]) await expect(anchors.proofOf(height(at))).rejects.toMatchObject({ height: 21 });
  // Whether it was put back is one header a question.
  expect(headers.mock.calls.slice(walked)).toEqual(Array.from({ length: 5 }, () => [21, 21]));
  expect(pages.mock.calls.length).toBe(read);
  if (put !== undefined) database.blocks.set(height(21), put);
  expect(await proofs(anchors, 1, 41)).toEqual(expected(blocks, 1, 41));
});

it("proves by its page what stands beside a header at its border that leads nowhere", async () => {
  const { blocks, database, make } = await setUp(20);
  addAll(make(), blocks);
  await settled();
  alterHeader(database, 8);
  database.anchors.delete(1);
  const anchors = make();
  addAll(anchors, blocks, 20);
  await expect(anchors.proofOf(height(5))).rejects.toMatchObject({ name: "AlteredBlock", height: 8 });
  expect(await proofs(anchors, 9, 21)).toEqual(expected(blocks, 9, 21));
  const other = make();
  addAll(other, blocks, 20);
  await expect(other.proofOf(height(5))).rejects.toMatchObject({ name: "AlteredBlock", height: 8 });
  expect(await proofs(other, 1, 3)).toEqual(expected(blocks, 1, 3));
});

it("calls nothing altered that its store need not hold", async () => {
  const { blocks, database, make } = await setUp(8);
  for (let at = 3; at <= 9; at++) database.blocks.delete(height(at));
  const anchors = make(MEMORY, () => 2);
  addAll(anchors, blocks, 8);
  await expect(anchors.proofOf(height(4))).rejects.toMatchObject({ failure: "unknown" });
});

it("calls nothing altered that its store lost while it was read, and does not remember it", async () => {
  const { blocks, database, headers, make } = await setUp(12);
  const held = { through: 13 };
  const kept = database.blocks.get(height(5));
  /** The store is cleared while it is read, and has all again afterwards. */
  const lost = async (ask: () => Promise<unknown>): Promise<void> => {
    headers.mockImplementationOnce(async () => {
      held.through = 0;
      return [];
    });
    await expect(ask()).rejects.toMatchObject({ name: "StoreError", failure: "unknown" });
    held.through = 13;
  };
  const anchors = make(MEMORY, () => held.through);
  addAll(anchors, blocks, 12);
  await lost(() => anchors.proofOf(height(9)));
  const read = headers.mock.calls.length;
  expect(await anchors.proofOf(height(9))).toEqual(expected(blocks, 9, 9)[0]);
  // Of the whole page: nothing is known to be in the way.
  expect(headers.mock.calls[read]).toEqual([8, 12]);
  database.blocks.delete(height(5));
  await expect(anchors.proofOf(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 5 });
  await lost(() => anchors.proofOf(height(4)));
  if (kept !== undefined) database.blocks.set(height(5), kept);
  expect(await proofs(anchors, 1, 13)).toEqual(expected(blocks, 1, 13));
});

it("keeps what it noted of a page in which a walk came to an altered block", async () => {
  const { blocks, database, make } = await setUp(40);
  database.blocks.delete(height(5));
  const anchors = make();
  addAll(anchors, blocks, 6, 7);
  await expect(anchors.proofOf(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 5 });
  addAll(anchors, blocks, 8);
  await settled();
  expect(anchors.proofAtHand(height(7))).toBeNull();
  expect(await anchors.proofOf(height(7))).toEqual(expected(blocks, 7, 7)[0]);
  await expect(anchors.proofOf(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 5 });
});

it("tries a page again that could not be written", async () => {
  const { blocks, database, make, warnings } = await setUp(12);
  const anchors = make();
  database.failNextWrite("not_stored");
  addAll(anchors, blocks, 1, 4);
  await settled();
  expect(warnings).toHaveLength(1);
  addAll(anchors, blocks, 5);
  await settled();
  expect([...database.anchors.keys()]).toEqual([0, 1, 2]);
  expect(await proofs(anchors, 1, 13)).toEqual(expected(blocks, 1, 13));
});

it("reads a page once for all who wait for it", async () => {
  const { blocks, make, headers } = await setUp(12);
  const anchors = make();
  addAll(anchors, blocks, 12);
  const heights = [1, 2, 3].map(height);
  await Promise.all(heights.map((at: Height) => anchors.proofOf(at)));
  // Of pages 0, 1 and 2: each begins with what the one above it says.
  expect(headers).toHaveBeenCalledTimes(3);
});

it("writes pages that it makes anew some at a time, one write after the other, and waits for them while it walks on", async () => {
  const { blocks, database, make } = await setUp(1_200);
  const writes: number[] = [];
  let most = 0;
  let underWay = 0;
  const anchors = make(MEMORY, undefined, async (write) => {
    most = Math.max(most, ++underWay);
    const before = database.anchors.size;
    await settled();
    await write();
    writes.push(database.anchors.size - before);
    underWay -= 1;
  });
  addAll(anchors, blocks, blocks.length);
  expect(await anchors.proofOf(height(1))).toEqual(expected(blocks, 1, 1)[0]);
  await expect.poll(() => database.anchors.size, { timeout: 20_000 }).toBe(300);
  expect(most).toBe(1);
  // Of 300 pages.
  expect(writes.length).toBeLessThanOrEqual(11);
  expect(Math.max(...writes)).toBeLessThanOrEqual(32);
  expect(await proofs(anchors, 1, 40)).toEqual(expected(blocks, 1, 40));
});

it("tells once that pages cannot be written, and writes those that are made anew later", async () => {
  const { blocks, database, make, warnings } = await setUp(600);
  let isRefused = true;
  const anchors = make(MEMORY, undefined, (write) => (isRefused ? Promise.reject(new Error("full")) : write()));
  addAll(anchors, blocks, blocks.length - 1, blocks.length - 1);
  expect(await anchors.proofOf(height(1))).toEqual(expected(blocks, 1, 1)[0]);
  await settled();
  expect([warnings.length, database.anchors.size]).toEqual([1, 0]);
  isRefused = false;
  addAll(anchors, blocks, blocks.length);
  expect(await anchors.proofOf(height(590))).toEqual(expected(blocks, 590, 590)[0]);
  await expect.poll(() => database.anchors.size, { timeout: 20_000 }).toBeGreaterThan(0);
});
