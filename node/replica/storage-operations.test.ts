import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import type { HardState } from "../../cluster/types.js";
import { height, term } from "../../shared/ids.js";
import { EMPTY_CHAIN } from "../../shared/log/chain.js";
import { blockIndex } from "../../shared/log/index.js";
import { STATE_MAC, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { IdentityFile } from "../storage/identity.js";
import { StoreError } from "../storage/port.js";
import type { NodeIdentity } from "./memory.js";
import { type StorageOperation, StorageOperations } from "./storage-operations.js";

const READ_ALL = { bytesMax: 1 << 30, blocksMax: 10_000 };
const state: HardState = { term: term(1), votedFor: null, joinNonce: "a".repeat(32), forming: null };

async function setUp(identity = {} as NodeIdentity) {
  const database = new MemoryDatabase("d".repeat(32));
  const { log } = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  await log.open();
  const stored: number[] = [];
  const failures: unknown[] = [];
  const operations: StorageOperations = new StorageOperations({
    log,
    // Where no vote is saved and nothing truncated, the identity is not asked.
    identity,
    entryOf: () => null,
    onStored: ({ opId }) => stored.push(opId),
    onFailed: (error) => {
      failures.push(error);
      operations.drop();
    },
  });
  const writesBefore = database.writes;
  return { database, log, operations, stored, failures, writes: () => database.writes - writesBefore };
}

const storing = ({ stored, next, events }: TestBlock, opId: number): StorageOperation => ({
  kind: "store_block",
  opId,
  block: stored.block,
  next,
  events,
  index: blockIndex(events),
});

it("stores blocks that wait together, 32 at most, and tells of each in order", async () => {
  const { database, log, operations, stored, writes } = await setUp();
  const { blocks } = TestLog.grow(69);
  const pause = database.pauseNextWrite();
  for (const [i, block] of blocks.entries()) operations.push(storing(block, i));
  await pause.reached;
  pause.resume();
  await vi.waitFor(() => expect(stored).toHaveLength(70));
  expect(stored).toEqual(blocks.map((_, i) => i));
  expect(writes()).toBe(3);
  expect(await log.readBlocks(height(1), READ_ALL)).toEqual(blocks.map((block) => block.stored));
});

it("remembers nothing of a store of which no recovery has told", async () => {
  const { operations, stored } = await setUp();
  operations.push(storing(TestLog.grow(1).blocks[0] as TestBlock, 0));
  await vi.waitFor(() => expect(stored).toEqual([0]));
  expect(operations.remembered).toBeNull();
});

it("stores nothing together with what stands on the other side of a state or a truncation", async () => {
  const { operations, stored, writes } = await setUp();
  const { blocks } = TestLog.grow(3);
  const [genesis, ...rest] = blocks.map(storing) as [StorageOperation, ...StorageOperation[]];
  operations.push(genesis);
  operations.push({ kind: "save_state", opId: 10, state });
  for (const operation of rest) operations.push(operation);
  await vi.waitFor(() => expect(stored).toEqual([0, 10, 1, 2, 3]));
  expect(writes()).toBe(3);
});

it("tells of none of them when their write fails", async () => {
  const { database, operations, stored, failures } = await setUp();
  const { blocks } = TestLog.grow(3);
  database.failNextWrite("reply_lost");
  for (const [i, block] of blocks.entries()) operations.push(storing(block, i));
  await vi.waitFor(() => expect(failures).toHaveLength(1));
  expect(stored).toEqual([]);
});

it("writes blocks alone after a write that failed, then half as many together as before, and one more each time", async () => {
  const { database, log, operations, stored, failures } = await setUp();
  const sizes: number[] = [];
  const insertBlocks = log.insertBlocks.bind(log);
  log.insertBlocks = (blocks) => {
    sizes.push(blocks.length);
    return insertBlocks(blocks);
  };
  const storings = TestLog.grow(80).blocks.map(storing);
  const [genesis] = storings as [StorageOperation];
  database.failNextWrite("not_stored");
  operations.push(genesis);
  await vi.waitFor(() => expect(failures).toHaveLength(1));
  for (const operation of storings.slice(0, 48)) operations.push(operation);
  await vi.waitFor(() => expect(stored).toHaveLength(48));
  // What is no block says nothing of how many can be written together.
  for (const opId of [100, 101]) operations.push({ kind: "save_state", opId, state });
  for (const operation of storings.slice(48)) operations.push(operation);
  await vi.waitFor(() => expect(stored).toHaveLength(83));
  expect(sizes).toEqual([1, ...Array(32).fill(1), 16, 17, 16]);
});

it("tells of no more of them once their replica is gone", async () => {
  const { database, log, stored } = await setUp();
  const { blocks } = TestLog.grow(3);
  const operations: StorageOperations = new StorageOperations({
    log,
    identity: {} as NodeIdentity,
    entryOf: () => null,
    onStored: ({ opId }) => {
      stored.push(opId);
      if (opId === 1) operations.drop();
    },
    onFailed: () => undefined,
  });
  for (const [i, block] of blocks.entries()) operations.push(storing(block, i));
  await vi.waitFor(() => expect(database.blocks.size).toBe(4));
  await operations.stop();
  expect(stored).toEqual([0, 1]);
});

it("keeps what it knows to be committed before it truncates: nothing else in the log may say so", async () => {
  const folder = mkdtempSync(join(tmpdir(), "quorumlog-operations-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const identity = await IdentityFile.open(folder, "n1");
  const { operations, stored } = await setUp(identity);
  const { blocks } = TestLog.grow(2);
  for (const [i, block] of blocks.entries()) operations.push(storing(block, i));
  await vi.waitFor(() => expect(stored).toEqual([0, 1, 2]));
  const mark = { term: term(1), height: height(2), hash: (blocks[1] as TestBlock).next.blockHash };
  identity.recordMark(mark);
  operations.push({ kind: "truncate", opId: 3, from: height(3), term: term(2), leaderId: "n2" });
  await vi.waitFor(() => expect(stored).toContain(3));
  expect((await IdentityFile.open(folder, "n1")).identity.mark).toEqual(mark);
});

it("runs what others have to do in its turn, and tells of a failure after which the store must be opened again", async () => {
  const { operations, stored, failures } = await setUp();
  const { blocks } = TestLog.grow(1);
  const [genesis, second] = blocks.map(storing) as [StorageOperation, StorageOperation];
  operations.push(genesis);
  const seen = operations.inOrder(async () => {
    expect(stored).toEqual([0]);
  });
  const refused = operations.inOrder(() => Promise.reject(new StoreError("not_stored", "The disk is full.")));
  operations.push(second);
  await seen;
  await expect(refused).rejects.toThrow("The disk is full.");
  await vi.waitFor(() => expect(stored).toEqual([0, 1]));
  expect(failures).toEqual([]);

  const lost = operations.inOrder(() => Promise.reject(new StoreError("unknown", "The answer was lost.")));
  const later = operations.inOrder(async () => undefined);
  await expect(lost).rejects.toThrow("The answer was lost.");
  await expect(later).rejects.toMatchObject({ failure: "not_stored" });
  expect(failures).toHaveLength(1);
});

it("writes what is large in parts", async () => {
  const { operations, stored, writes } = await setUp();
  const log = new TestLog();
  const large = (): TestBlock => log.block([{ dataPayload: { text: "x".repeat(200_000) } }]);
  for (let i = 0; i < 8; i++) operations.push(storing(large(), i));
  await vi.waitFor(() => expect(stored).toHaveLength(8));
  // Five of them make a megabyte.
  expect(writes()).toBe(2);
});

it("ends a replica that gives out more than can wait", async () => {
  const { database, operations } = await setUp();
  const pause = database.pauseNextWrite();
  const push = (opId: number): void => operations.push({ kind: "save_state", opId, state });
  for (let i = 0; i < 4_096; i++) push(i);
  expect(() => push(4_096)).toThrow("too many storage operations wait");
  await pause.reached;
  pause.resume();
  await operations.stop();
});

it("answers what others wait for when the replica goes meanwhile, and goes on with the next one's", async () => {
  const { operations, stored } = await setUp();
  let go = (): void => {};
  const isOver = operations.inOrder(() => new Promise((resolve) => (go = resolve)));
  await new Promise((resolve) => setImmediate(resolve));
  operations.drop();
  operations.push({ kind: "save_state", opId: 1, state });
  go();
  await expect(isOver).rejects.toMatchObject({ failure: "not_stored" });
  await vi.waitFor(() => expect(stored).toEqual([1]));
});

it("remembers what is durable and committed, also when what is cut was not durable", async () => {
  const { operations, stored } = await setUp({ update: async () => undefined } as unknown as NodeIdentity);
  const { blocks } = TestLog.grow(2);
  operations.onCommitted(EMPTY_CHAIN);
  expect(operations.remembered).toBeNull();
  operations.begin({ hardState: state, base: EMPTY_CHAIN, tail: [] } as never);
  for (const [i, block] of blocks.entries()) operations.push(storing(block, i));
  operations.push({ kind: "truncate", opId: 3, from: height(4), term: term(1), leaderId: "n2" });
  await vi.waitFor(() => expect(stored).toEqual([0, 1, 2, 3]));
  expect(operations.remembered).toMatchObject({ durable: { height: 3 }, heldThrough: 3 });
  operations.onCommitted((blocks[0] as TestBlock).next);
  operations.push({ kind: "truncate", opId: 4, from: height(2), term: term(1), leaderId: "n2" });
  await vi.waitFor(() => expect(stored).toContain(4));
  expect(operations.remembered).toMatchObject({ durable: { height: 1 }, committed: { height: 1 }, heldThrough: 1 });
});
