import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { height } from "../../shared/ids.js";
import { insert, STATE_MAC, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { systemClock } from "../clock.js";
import { indexLost } from "../storage/port.js";
import { KeyFilter } from "./key-filter.js";
import { KeyLookUps } from "./key-look-ups.js";
import { LoggedRequests } from "./logged-requests.js";

interface Told {
  readonly key: string;
  readonly heights: readonly number[];
}

async function setUp(filterBytes = 4_096) {
  const database = new MemoryDatabase("a".repeat(32));
  const storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  await storage.log.open();
  const log = new TestLog();
  const stored: TestBlock[] = [];
  const told: Told[] = [];
  const warnings: string[] = [];
  const asked = vi.spyOn(storage.keys, "heightsOfKey");
  const requestsOf = vi.fn(async (at: number): Promise<LoggedRequests | null> => {
    const block = stored[at - 1];
    return block === undefined ? null : LoggedRequests.of(block.events);
  });
  const keys = new KeyLookUps({
    keys: storage.keys,
    clock: systemClock,
    filterBytes,
    requestsOf,
    onRepeated: ({ idempotencyKey }, heights) => told.push({ key: idempotencyKey, heights }),
    onWarning: (_error, text) => warnings.push(text),
  });
  /** One more block, of one event for each key. */
  const store = async (...named: string[]): Promise<number> => {
    const block = log.block(named.map((idempotencyKey) => ({ idempotencyKey })));
    keys.onStoring(block.next.height, block.events);
    await insert(storage.log, [block]);
    stored.push(block);
    return block.next.height;
  };
  const unheard = async (...named: string[]): Promise<void> => {
    const block = log.block(named.map((idempotencyKey) => ({ idempotencyKey })));
    await insert(storage.log, [block]);
    stored.push(block);
  };
  return { database, storage, keys, store, unheard, told, warnings, asked, requestsOf, log, stored };
}

it("asks the index for every key until its filter is whole, and then only for those that may have been used", async () => {
  const { keys, store, unheard, asked } = await setUp();
  await unheard("a", "b");
  expect(await keys.find("app", "a")).toEqual({ height: 1 });
  expect(await keys.find("app", "new")).toBeNull();
  expect(asked).toHaveBeenCalledTimes(2);
  await keys.fill();
  expect(await keys.find("app", "new")).toBeNull();
  expect(await keys.find("other", "a")).toBeNull();
  expect(asked).toHaveBeenCalledTimes(2);
  expect(await keys.find("app", "b")).toEqual({ height: 1 });
  await store("c");
  expect(await keys.find("app", "c")).toEqual({ height: 2 });
  expect(asked).toHaveBeenCalledTimes(4);
});

it("misses no key that is stored while its filter is filled", async () => {
  const { keys, store, storage } = await setUp();
  await store("a");
  const keyTerms = storage.keys.keyTerms.bind(storage.keys);
  let isStored = false;
  storage.keys.keyTerms = async (from, limit) => {
    const found = await keyTerms(from, limit);
    if (!isStored) await store("meanwhile");
    isStored = true;
    return found;
  };
  await keys.fill();
  expect(await keys.find("app", "meanwhile")).toEqual({ height: 2 });
});

it("calls nothing absent by a filter that was being filled when the index was lost", async () => {
  const { keys, database, unheard, storage } = await setUp();
  await unheard("a");
  const keyTerms = storage.keys.keyTerms.bind(storage.keys);
  storage.keys.keyTerms = async (from, limit) => {
    keys.forget();
    await keyTerms(from, limit);
    return { terms: [], next: null };
  };
  await keys.fill();
  expect(await keys.find("app", "a")).toEqual({ height: 1 });
  database.dropIndex();
  await expect(keys.find("app", "a")).rejects.toMatchObject({ failure: "index_lost" });
  await expect(keys.find("app", "new")).rejects.toMatchObject({ failure: "index_lost" });
});

it("takes no other key of the same term for the one that is asked for", async () => {
  const { keys, store, storage } = await setUp();
  await store("a");
  await store("b");
  storage.keys.heightsOfKey = async () => [height(1), height(2)];
  expect(await keys.find("app", "b")).toEqual({ height: 2 });
  expect(await keys.find("app", "c")).toBeNull();
  expect(await keys.find("other", "a")).toBeNull();
  storage.keys.heightsOfKey = async (_term, limit) => Array.from({ length: limit }, () => height(1));
  await expect(keys.find("app", "c")).rejects.toThrow("have the term of a key");
});

it("calls no key absent whose block cannot be read", async () => {
  const { keys, store, requestsOf } = await setUp();
  await store("a");
  requestsOf.mockResolvedValueOnce(null);
  await expect(keys.find("app", "a")).rejects.toThrow("cannot be read");
  requestsOf.mockRejectedValueOnce(indexLost());
  await expect(keys.find("app", "a")).rejects.toMatchObject({ failure: "index_lost" });
});

it("finds a key in a block that is not committed yet", async () => {
  const { keys, store } = await setUp();
  await store("a");
  expect(await keys.find("app", "a")).toEqual({ height: 1 });
  keys.onCommitted(height(0));
  expect(await keys.find("app", "a")).toEqual({ height: 1 });
});

it("tells of a key that was logged a second time, once that is committed", async () => {
  const { keys, store, told, asked } = await setUp();
  await keys.fill();
  await store("a", "b");
  await store("c");
  const again = await store("b", "b");
  keys.onCommitted(height(again - 1));
  await systemClock.breathe();
  expect(told).toEqual([]);
  keys.onCommitted(height(again));
  await vi.waitFor(() => expect(told).toEqual([{ key: "b", heights: [1, 3] }]));
  expect(asked).toHaveBeenCalledTimes(1);
});

it("tells of nothing where the filter only said perhaps, or where the second one was replaced", async () => {
  const { keys, store, told, warnings, asked, database, storage, log, stored } = await setUp(1);
  await keys.fill();
  for (let n = 0; n < 20; n++) keys.onCommitted(height(await store(`key ${n}`)));
  await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(5));
  // The block at 22 is replaced, and another one logs its key below, once.
  const fork = log.fork(stored[19] as TestBlock);
  await store("x");
  await store("late");
  await storage.log.truncate(height(21), { term: 2 as never, leaderId: "n2" });
  stored.length = 20;
  for (const named of ["late", "y"]) {
    const block = fork.block([{ idempotencyKey: named }], { term: 2 });
    keys.onStoring(block.next.height, block.events);
    await insert(storage.log, [block]);
    stored.push(block);
  }
  expect(database.entries.size).toBe(22);
  for (let i = 0; i < 5; i++) {
    keys.onCommitted(height(22));
    await sleep(2);
  }
  expect(told).toEqual([]);
  expect(warnings).toEqual([]);
});

it("warns where a key that may have been used twice cannot be looked up", async () => {
  const { keys, store, warnings, database } = await setUp();
  await keys.fill();
  await store("a");
  await store("a");
  database.dropIndex();
  keys.onCommitted(height(2));
  await vi.waitFor(() => expect(warnings).toHaveLength(1));
});

it("has a filter that never denies what was added, and seldom affirms what was not", () => {
  for (const bytes of [1, 7, 2_048]) {
    const filter = new KeyFilter(bytes);
    const term = (n: number): Uint8Array => {
      const view = new DataView(new ArrayBuffer(8));
      view.setUint32(0, Math.imul(n, 0x9e37_79b1) >>> 0);
      view.setUint32(4, Math.imul(n + 77, 0x85eb_ca6b) >>> 0);
      return new Uint8Array(view.buffer);
    };
    for (let n = 0; n < 1_000; n++) filter.add(term(n));
    for (let n = 0; n < 1_000; n++) expect(filter.has(term(n))).toBe(true);
    let affirmed = 0;
    for (let n = 1_000; n < 11_000; n++) if (filter.has(term(n))) affirmed += 1;
    if (bytes === 2_048) expect(affirmed).toBeLessThan(500);
  }
});
