import { expect, vi } from "vitest";
import { type Clock, systemClock } from "../../node/clock.js";
import { Anchors } from "../../node/replica/anchors.js";
import { IndexKeeper } from "../../node/replica/index-keeper.js";
import { KeyLookUps } from "../../node/replica/key-look-ups.js";
import { LoggedRequests } from "../../node/replica/logged-requests.js";
import { ProvedBlocks } from "../../node/replica/proved-blocks.js";
import { entryDiffers, entryOf } from "../../node/storage/entries.js";
import type { DifferingEntry, Storage } from "../../node/storage/port.js";
import { type Height, height } from "../../shared/ids.js";
import { ownRun } from "../../shared/log/index.js";
import { insert, STATE_MAC, type TestBlock, type TestEvent, TestLog } from "../contracts/fixtures.js";
import { MemoryDatabase } from "../doubles/memory-database.js";
import { memoryStorage } from "../doubles/memory-storage.js";

/** One process with its store, and a keeper of its index; another one can follow on the same database. */
export async function openKept(database: MemoryDatabase, blocks: readonly TestBlock[], paths: readonly string[] = []) {
  const storage: Storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  const opened = await storage.log.open();
  const heldThrough = (): Height => height(blocks.length);
  const inOrder = (run: () => Promise<void>): Promise<void> => run();
  const anchors = new Anchors({
    store: storage.log,
    reader: storage.reader,
    heldThrough,
    inOrder,
    onWarning: () => {},
  });
  for (const { stored } of blocks) anchors.add(stored.block.header, stored.block.blockHash, "c");
  const proved = new ProvedBlocks({ reader: storage.reader, anchors, bytesMax: 1, heldThrough, onAltered: () => {} });
  const said: string[] = [];
  const differing: number[] = [];
  const entries: DifferingEntry[] = [];
  const losses = { taken: 0 };
  const told = { whole: 0, lost: 0 };
  const heights = { committed: height(blocks.length), durable: height(blocks.length) };
  const clock: Clock = { ...systemClock, after: (_ms, run) => systemClock.after(1, run) };
  const keys = new KeyLookUps({
    ...{ keys: storage.keys, clock, filterBytes: 4_096, onRepeated: () => {}, onWarning: () => {} },
    requestsOf: async (at) => LoggedRequests.of((blocks[at - 1] as TestBlock).events),
  });
  const keeper = new IndexKeeper({
    store: storage.log,
    blocks: proved,
    clock,
    paths,
    ownRun,
    inOrder: vi.fn(inOrder),
    heights: () => heights,
    onWhole: () => {
      told.whole += 1;
    },
    onLost: () => {
      told.lost += 1;
    },
    onTaken: () => {
      losses.taken += 1;
    },
    onDiffering: (found) => {
      entries.push(...found);
      differing.push(...found.map(({ height: at }) => at));
    },
    onKeys: (terms) => keys.learn(terms),
    log: (_level, text, error) => said.push(error === undefined ? text : `${text}: ${String(error)}`),
  });
  return { storage, keeper, keys, opened, said, differing, entries, losses, told, heights, proved };
}

const EVENTS: TestEvent[][] = [
  [{ dataPayload: { n: 1 }, idempotencyKey: "a" }, { eventType: "a.b.c" }],
  [],
  [{ dataPayload: { n: 2, m: "x" } }],
];

/** A log of so many blocks and its whole index; every third block has no events. */
export async function keptIndex(paths: readonly string[] = [], count = 40) {
  const database = new MemoryDatabase("a".repeat(32));
  const log = new TestLog();
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) blocks.push(log.block(EVENTS[i % 3] as TestEvent[], { paths }));
  const { storage } = await openKept(database, []);
  await insert(storage.log, blocks);
  await storage.log.close();
  /** Of each block, with the terms of these paths. */
  const expectWhole = (has: readonly string[]): void => {
    expect(database.marker).toMatchObject({ isWhole: true, paths: has });
    for (const { stored, toStore, events } of blocks) {
      const { height: at } = stored.block.header;
      const due = toStore.entry === null ? null : { index: toStore.entry.index, own: ownRun(events, has) };
      const there = database.entries.get(at);
      if (due === null) expect(there).toBeUndefined();
      else if (there === undefined) expect.fail(`block ${at} has no entry`);
      else expect(entryDiffers(there.stored, entryOf(stored.block, due), { ownMayDiffer: false }), `${at}`).toBe(false);
    }
  };
  return { database, log, blocks, expectWhole };
}

export const withEvents = (blocks: readonly TestBlock[]): Height[] =>
  blocks.filter(({ events }) => events.length > 0).map(({ stored }) => stored.block.header.height);
