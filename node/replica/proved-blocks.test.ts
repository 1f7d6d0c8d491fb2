import { expect, it, vi } from "vitest";
import { type HashHex, height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { STATE_MAC, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import type { LogReader } from "../storage/port.js";
import { type AlteredBlock, Anchors } from "./anchors.js";
import { StoredBlocks } from "./blocks.js";
import { ProvedBlocks } from "./proved-blocks.js";

async function setUp({ bytesMax = 1_000_000, heldThrough = 9, durable = 9 } = {}) {
  const { blocks, log } = TestLog.grow(8);
  const database = new MemoryDatabase("a".repeat(32));
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  await storage.log.open();
  const standing = { held: heldThrough };
  const held = (): ReturnType<typeof height> => height(standing.held);
  const anchors = new Anchors({
    store: storage.log,
    reader: storage.reader,
    memory: { pageHeights: 4, notesMax: 2 },
    heldThrough: held,
    inOrder: (write) => write(),
    onWarning: () => undefined,
  });
  const told: AlteredBlock[] = [];
  const reads = vi.spyOn(storage.reader, "readBlocks");
  const proved = new ProvedBlocks({
    reader: storage.reader,
    anchors,
    bytesMax,
    heldThrough: held,
    onAltered: (error) => told.push(error),
  });
  const alerts: [number, string][] = [];
  const stored = new StoredBlocks({
    log: storage.log,
    proved,
    anchors,
    commitHeight: held,
    heldThrough: held,
    durableHeight: () => height(durable),
    onInvalidBlock: (at, text) => alerts.push([at, text]),
  });
  for (const { stored: it } of blocks) anchors.add(it.block.header, it.block.blockHash, "c".repeat(64));
  const alter = (at: number, change: (block: Block) => Block): void => {
    const found = database.blocks.get(height(at));
    if (found === undefined) throw new Error(`no block ${at}`);
    database.blocks.set(height(at), { ...found, stored: { ...found.stored, block: change(found.stored.block) } });
  };
  return { blocks, log, database, storage, proved, stored, told, reads, alerts, alter, standing };
}

const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
};
const before = (blocks: readonly TestBlock[], i: number): HashHex | "" => blocks[i - 1]?.next.headHash ?? "";

it("decodes what the log holds, links to the event before included", async () => {
  const { blocks, proved } = await setUp();
  const found = await proved.read([9, 8, 7].map(height));
  expect(found.map(({ header }) => header.height)).toEqual([9, 8, 7]);
  for (const { header, events } of found) {
    expect(events.all()).toEqual(
      blocks[header.height - 1]?.events
        .map(({ recordBytes: _bytes, ...event }) => ({ ...event, payloadValue: undefined }))
        .map(withoutValue),
    );
    expect(events.event(0).record.previousHash).toBe(before(blocks, header.height - 1));
  }
});
const withoutValue = <T extends { payloadValue?: unknown }>({ payloadValue: _, ...event }: T): object => event;

it.each<[string, (block: Block) => Block]>([
  ["its records", (block) => ({ ...block, records: flipped(block.records) })],
  ["its payloads", (block) => ({ ...block, payloads: flipped(block.payloads) })],
  ["its header", (block) => ({ ...block, header: { ...block.header, eventCount: 2 } })],
  // The hash that stands beside it is nobody's word.
  ["its header and hash", (block) => ({ ...block, header: { ...block.header, term: 9 as never }, blockHash: "f" })],
])("gives out nothing of a block after somebody altered %s, and tells of it", async (_, change) => {
  const { proved, told, alter, stored, alerts } = await setUp();
  alter(4, change);
  await expect(proved.one(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 4 });
  await expect(proved.fresh(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 4 });
  expect(told.map((error) => error.height)).toEqual([4, 4]);
  // Those before it in one read are what they should be.
  expect((await proved.read([2, 3, 4, 5].map(height))).map(({ header }) => header.height)).toEqual([2, 3]);
  expect(await stored.soundBlock(height(4))).toBeNull();
  expect((await stored.readIntact(height(2), 1 << 20)).map(({ header }) => header.height)).toEqual([2, 3]);
  expect(alerts[0]?.[0]).toBe(4);
});

it("shows what stands there now, and not what it keeps, where copies are compared", async () => {
  const { proved, alter } = await setUp();
  // What is read again is kept.
  for (let reads = 0; reads < 2; reads++) await proved.one(height(4));
  alter(4, (block) => ({ ...block, payloads: flipped(block.payloads) }));
  await expect(proved.one(height(4))).resolves.toMatchObject({ header: { height: 4 } });
  await expect(proved.fresh(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 4 });
});

it("does not give out another block, validly sealed and signed, that was put in the place of the committed one", async () => {
  const { blocks, log, proved, stored, told, alerts, alter, database } = await setUp();
  const other = log.fork(blocks[2] as TestBlock).block([{ dataPayload: { i: "another" } }]).stored;
  alter(4, () => other.block);
  await expect(proved.one(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 4 });
  expect(told).toHaveLength(1);
  expect((await stored.readIntact(height(3), 1 << 20)).map(({ header }) => header.height)).toEqual([3]);
  expect((await stored.readIntact(height(4), 1 << 20)).length).toBe(0);
  expect(alerts).toEqual([
    [4, "its header is another one"],
    [4, "its header is another one"],
  ]);
  // Nor a sound one of another height.
  const fifth = database.blocks.get(height(5));
  if (fifth !== undefined) database.blocks.set(height(4), fifth);
  await expect(proved.one(height(4))).rejects.toMatchObject({ name: "AlteredBlock", height: 4 });
});

it("calls no block altered that was replaced after it was read, before it was committed", async () => {
  const { blocks, log, storage, stored, alerts, alter, standing } = await setUp({ heldThrough: 8 });
  alter(9, () => log.fork(blocks[7] as TestBlock).block([{ dataPayload: { i: "replaced" } }]).stored.block);
  const readBlocks = storage.log.readBlocks.bind(storage.log);
  vi.spyOn(storage.log, "readBlocks").mockImplementation(async (from, limit) => {
    const found = await readBlocks(from, limit);
    // Meanwhile the lead is lost, its tail replaced, and what stands there now is committed.
    standing.held = 9;
    return found;
  });
  expect((await stored.readIntact(height(8), 1 << 20)).map(({ header }) => header.height)).toEqual([8, 9]);
  expect(alerts).toEqual([]);
});

it("does not call a block missing that was read before its store was recovered, and is held when it is judged", async () => {
  const { database, storage, proved, told, standing } = await setUp({ heldThrough: 0 });
  // Its hash is not in memory any more.
  await expect.poll(() => database.anchors.size).toBe(2);
  database.blocks.delete(height(2));
  const readAnchors = storage.log.readAnchors.bind(storage.log);
  vi.spyOn(storage.log, "readAnchors").mockImplementation((page, clusterId) => {
    standing.held = 9;
    return readAnchors(page, clusterId);
  });
  await expect(proved.one(height(2))).rejects.toMatchObject({ failure: "unknown" });
  expect([standing.held, told]).toEqual([9, []]);
});

/** What is read comes from before; when it is judged the store is known to hold all. */
function recoverWhileReading(reader: LogReader, standing: { held: number }): void {
  const recovered = <T>(found: T): T => {
    standing.held = 9;
    return found;
  };
  const [readBlocks, readHeaders, holding] = [reader.readBlocks, reader.readHeaders, reader.holding];
  reader.readBlocks = async (...asked) => recovered(await readBlocks.apply(reader, asked));
  reader.readHeaders = async (...asked) => recovered(await readHeaders.apply(reader, asked));
  reader.holding = async (...asked) => recovered(await holding.apply(reader, asked));
}

it.each<[string, (proved: ProvedBlocks) => Promise<unknown>]>([
  ["one", (proved) => proved.one(height(2))],
  ["some", (proved) => proved.read([2, 3].map(height))],
  ["the one that holds a sequence", (proved) => proved.holding(0)],
  ["its header", (proved) => proved.header(height(2))],
  ["when it was sealed", (proved) => proved.sealedAt(height(2))],
  ["one past memory", (proved) => proved.fresh(height(2))],
])("judges a block by what its store was known to hold when it was asked, not when it answered: %s", async (_, ask) => {
  const { storage, proved, told, standing, alter } = await setUp({ heldThrough: 0 });
  alter(2, (block) => ({ ...block, header: { ...block.header, term: 9 as never } }));
  recoverWhileReading(storage.reader, standing);
  await expect(ask(proved)).rejects.toMatchObject({ failure: "unknown" });
  expect([standing.held, told]).toEqual([9, []]);
});

it("judges several past memory by what their store was known to hold when it was asked", async () => {
  const { storage, proved, told, standing, alter } = await setUp({ heldThrough: 0 });
  alter(2, (block) => ({ ...block, records: flipped(block.records) }));
  recoverWhileReading(storage.reader, standing);
  await expect(proved.freshOf([2, 3].map(height))).rejects.toMatchObject({ failure: "unknown" });
  expect([standing.held, told]).toEqual([9, []]);
});

it("says that what its store need not hold cannot be read, and not that it was altered", async () => {
  const { database, proved, told } = await setUp({ heldThrough: 3 });
  for (let at = 4; at <= 9; at++) database.blocks.delete(height(at));
  await expect(proved.one(height(9))).rejects.toMatchObject({ failure: "unknown" });
  expect(told).toEqual([]);
});

it("judges nothing above what is known to be durable: an insert that was given up may have arrived there", async () => {
  const { log, blocks, stored, alerts, alter } = await setUp({ heldThrough: 6, durable: 7 });
  alter(8, () => log.fork(blocks[5] as TestBlock).block([{ dataPayload: { i: "late" } }]).stored.block);
  expect((await stored.readIntact(height(5), 1 << 20)).map(({ header }) => header.height)).toEqual([5, 6, 7]);
  expect(await stored.soundBlock(height(8))).toBeNull();
  expect(alerts).toEqual([]);
});

it("judges what is durable and not committed yet: somebody may alter that, too", async () => {
  const { stored, alerts, alter } = await setUp({ heldThrough: 6, durable: 8 });
  expect((await stored.soundBlock(height(8)))?.block.header.height).toBe(8);
  alter(8, (block) => ({ ...block, records: flipped(block.records) }));
  expect(await stored.soundBlock(height(8))).toBeNull();
  expect(alerts).toEqual([[8, "its body is not the one that was sealed"]]);
});

it("keeps what was read lately, within its bytes", async () => {
  const { blocks, proved, reads } = await setUp({ bytesMax: 12_000 });
  for (const { stored } of blocks) proved.add(stored.block, before(blocks, stored.block.header.height - 1));
  const isKept = async (at: number): Promise<boolean> => {
    reads.mockClear();
    await proved.one(height(at));
    return reads.mock.calls.length === 0;
  };
  expect(await isKept(9)).toBe(true);
  expect(await isKept(8)).toBe(true);
  for (const at of [2, 3, 4, 5, 6]) {
    // What is read once is not kept.
    expect([await isKept(at), await isKept(at), await isKept(at)]).toEqual([false, false, true]);
    // What is used goes last.
    expect(await isKept(9)).toBe(true);
  }
  expect(await isKept(8)).toBe(false);
  expect((proved as unknown as { bytes: number }).bytes).toBeLessThanOrEqual(12_000);
});

it("answers also where nothing may be kept", async () => {
  const { proved, reads } = await setUp({ bytesMax: 1 });
  for (let i = 0; i < 2; i++) expect((await proved.read([height(2), height(3)])).length).toBe(2);
  expect(reads).toHaveBeenCalledTimes(2);
});

it("keeps what lists read again, and not what they read once", async () => {
  const { proved, reads } = await setUp();
  const list = () => proved.read([3, 4].map(height));
  await list();
  await list();
  await proved.read([5, 6].map(height));
  reads.mockClear();
  await list();
  expect(reads).not.toHaveBeenCalled();
  await proved.read([5, 6].map(height));
  expect(reads).toHaveBeenCalledTimes(1);
});

it("keeps none of what is read from all over a log, however often, if that is much larger than what may be kept", async () => {
  const { proved } = await setUp({ bytesMax: 8_000 });
  for (let round = 0; round < 4; round++) for (let at = 2; at <= 9; at++) await proved.one(height(at));
  expect([2, 3, 4, 5, 6, 7, 8, 9].map((at) => proved.atHandAt(height(at)))).toEqual(Array(8).fill(null));
});

it("asks for what did not fit into one read together with others again, and not for each alone", async () => {
  const { proved, storage, reads } = await setUp({ bytesMax: 1 });
  const readBlocks = Object.getPrototypeOf(storage.reader).readBlocks.bind(storage.reader);
  reads.mockImplementation((heights: Parameters<LogReader["readBlocks"]>[0], max: number) =>
    readBlocks(heights.slice(0, 3), max),
  );
  const found = await Promise.all([2, 9, 4, 8, 5, 7, 3, 6].map((at) => proved.one(height(at))));
  expect(found.map(({ header }) => header.height)).toEqual([2, 9, 4, 8, 5, 7, 3, 6]);
  expect(reads.mock.calls.map(([heights]) => heights.length)).toEqual([8, 5, 2]);
  for (const [, bytesMax] of reads.mock.calls) expect(bytesMax).toBe(1024 * 1024);
});

it("ends where what is read says that it is another block", async () => {
  const { proved, storage, reads, alter } = await setUp({ bytesMax: 1 });
  alter(4, (block) => ({ ...block, header: { ...block.header, height: height(1) } }));
  const readBlocks = Object.getPrototypeOf(storage.reader).readBlocks.bind(storage.reader);
  reads.mockImplementation((heights: Parameters<LogReader["readBlocks"]>[0], max: number) =>
    readBlocks(heights.slice(0, 1), max),
  );
  const found = await Promise.allSettled([4, 5, 6].map((at) => proved.one(height(at))));
  expect(found.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
});

it("knows the names of a block that is in memory, also after reads of many others", async () => {
  const { blocks, proved } = await setUp();
  proved.add((blocks[3] as TestBlock).stored.block, before(blocks, 3));
  (proved as unknown as { notes: { notes: Map<number, unknown> } }).notes.notes.clear();
  expect(proved.noteOf(height(4))?.hashes).toHaveLength(2);
  expect(proved.noteOf(height(5))).toBeNull();
});

it("reads only what is not in memory, at once, wherever it stands among the rest", async () => {
  const { blocks, proved, reads } = await setUp();
  for (const i of [3, 5]) proved.add((blocks[i] as TestBlock).stored.block, before(blocks, i));
  const found = await proved.read([3, 4, 5, 6, 7].map(height));
  expect(found.map(({ header }) => header.height)).toEqual([3, 4, 5, 6, 7]);
  expect(reads.mock.calls.map(([heights]) => heights)).toEqual([[3, 5, 7]]);
});

it("keeps of a larger message only what is the block's", async () => {
  const { blocks, proved } = await setUp();
  const { block } = (blocks[3] as TestBlock).stored;
  const message = new Uint8Array(1_000_000);
  message.set(block.records, 7);
  const records = message.subarray(7, 7 + block.records.length);
  proved.add({ ...block, records }, before(blocks, 3));
  message.fill(0);
  expect(proved.atHandAt(height(4))?.events.event(0).record.id).toBe(blocks[3]?.events[0]?.record.id);
});

it("reads a block once for all who wait for it", async () => {
  const { proved, reads } = await setUp({ bytesMax: 1 });
  const found = await Promise.all([proved.one(height(5)), proved.one(height(5)), proved.one(height(6))]);
  expect(found.map(({ header }) => header.height)).toEqual([5, 5, 6]);
  expect(reads).toHaveBeenCalledTimes(1);
});

it("does not let an altered or missing block spoil others that are read with it", async () => {
  const { proved, alter, database, reads } = await setUp({ bytesMax: 1 });
  alter(5, (block) => ({ ...block, records: flipped(block.records) }));
  alter(6, (block) => ({ ...block, header: { ...block.header, height: height(7) } }));
  database.blocks.delete(height(8));
  const found = await Promise.allSettled([3, 4, 5, 6, 7, 8, 9].map((at) => proved.one(height(at))));
  expect(found.map((one) => (one.status === "fulfilled" ? one.value.header.height : one.reason.name))).toEqual([
    3,
    4,
    "AlteredBlock",
    "AlteredBlock",
    7,
    "AlteredBlock",
    9,
  ]);
  expect(reads.mock.calls[0]?.[0]).toHaveLength(7);
});

it("knows where the newest events stand, without a gap", async () => {
  const { blocks, proved } = await setUp();
  const add = ({ stored }: TestBlock): void => proved.add(stored.block, before(blocks, stored.block.header.height - 1));
  blocks.slice(3, 6).forEach(add);
  expect(proved.places.of(1)).toBeNull();
  expect(proved.places.of(2)).toEqual({ height: 4, first: 2, count: 1 });
  expect(proved.places.of(4)).toEqual({ height: 6, first: 4, count: 1 });
  expect(proved.places.of(5)).toBeNull();
  expect(proved.places.from(3, "asc", 5).map(({ height: at }) => at)).toEqual([5, 6]);
  expect(proved.places.from(4, "desc", 2).map(({ height: at }) => at)).toEqual([6, 5]);
  // Again, as after a recovery; then with one missing between.
  blocks.slice(1, 6).forEach(add);
  expect(proved.places.of(1)).toBeNull();
  expect(proved.places.of(2)?.height).toBe(4);
  expect(proved.places.eventsPerBlock).toBe(1);
  add(blocks[8] as TestBlock);
  expect(proved.places.of(4)).toBeNull();
  expect(proved.places.of(7)?.height).toBe(9);
});
