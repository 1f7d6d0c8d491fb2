import { setTimeout as sleep } from "node:timers/promises";
import { Binary, Long, MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { height, term } from "../../../shared/ids.js";
import { insert, STATE_MAC, type TestBlock, TestLog } from "../../../test/contracts/fixtures.js";
import type { StorageHarness } from "../../../test/contracts/harness.js";
import { storageContract } from "../../../test/contracts/storage-contract.js";
import { ReplyProxy } from "../../../test/doubles/reply-proxy.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import { openStorage } from "../open.js";
import type { Storage } from "../port.js";
import { TERMS_INDEX } from "./entries.js";
import { entryId, MARKER_ID } from "./entry-ids.js";

let mongod: TestMongod;
beforeAll(async () => {
  mongod = await startMongod();
});
afterAll(() => mongod.stop());

let databases = 0;

interface MongoHarness extends StorageHarness {
  /** Stores documents in the collection `blocks` behind the node's back. */
  plantBlocks(documents: readonly { readonly _id: number; readonly writeId?: string }[]): Promise<void>;
  /** Says in the state that a truncation was begun. */
  plantTruncation(truncating: object): Promise<void>;
}

async function make(uncleanWaitMs = 10): Promise<MongoHarness> {
  const proxy = await ReplyProxy.start(mongod.port);
  const name = `contract_${++databases}`;
  const open: Storage[] = [];
  const raw = async <T>(use: (client: MongoClient) => Promise<T>): Promise<T> => {
    const client = new MongoClient(`mongodb://127.0.0.1:${mongod.port}/?directConnection=true`);
    return use(client).finally(() => client.close());
  };
  return {
    process(self) {
      const storage = openStorage({
        ...self,
        mongodbUri: `mongodb://127.0.0.1:${proxy.port}/${name}`,
        // What is lost is given up after this time; longer than a server needs that has much else to do.
        stallMs: 3_000,
        commandMs: 4_500,
        slowMs: 2_400,
        uncleanWaitMs,
        initReplicaSet: false,
        allowUnsafeMongod: false,
      });
      open.push(storage);
      return storage;
    },
    async dropIndex(what) {
      await raw(async (client) => {
        const blocks = client.db(name).collection<{ _id: number }>("blocks");
        if (what === "entries") await blocks.deleteMany({ _id: { $lt: 0 } });
        else if (what === "marker") await blocks.deleteOne({ _id: MARKER_ID });
        else await blocks.dropIndex(TERMS_INDEX.name);
      });
    },
    async removeBlock(at) {
      await raw((client) => client.db(name).collection<{ _id: number }>("blocks").deleteOne({ _id: at }));
    },
    async alterEntry(at, what) {
      await raw(async (client) => {
        const entries = client.db(name).collection<{ _id: number; runs: number[] }>("blocks");
        const _id = entryId(at);
        const entry = await entries.findOne({ _id });
        if (entry === null) throw new Error("there is no such entry");
        const last = entry.runs.reduce((sum, count) => sum + count) - 1;
        const term = Long.fromBytesBE(new Array(8).fill(5));
        if (what === "removed") await entries.deleteOne({ _id });
        else if (what === "shape") await entries.updateOne({ _id }, { $set: { terms: "gone" } });
        else await entries.updateOne({ _id }, { $set: { [`terms.${what === "names" ? 0 : last}`]: term } });
      });
    },
    async alterAnchors(page) {
      await raw(async (client) => {
        const pages = client.db(name).collection<{ _id: number; hashes: Binary }>("anchors");
        const hashes = new Uint8Array((await pages.findOne({ _id: page }))?.hashes.value() ?? []);
        hashes[7] = (hashes[7] ?? 0) ^ 1;
        await pages.updateOne({ _id: page }, { $set: { hashes: new Binary(hashes) } });
      });
    },
    quarantinedEntries: () =>
      raw(async (client) => {
        const found = await client
          .db(name)
          .collection("quarantine")
          .find({ entry: { $exists: true } })
          .toArray();
        return found.map((document) => document.height as number);
      }),
    async alterState(change) {
      const set = Object.fromEntries(Object.entries(change).map(([member, value]) => [`hard.${member}`, value]));
      await raw((client) =>
        client.db(name).collection<{ _id: string }>("state").updateOne({ _id: "state" }, { $set: set }),
      );
    },
    async plantTruncation(truncating) {
      await raw((client) => client.db(name).collection("state").updateOne({}, { $set: { truncating } }));
    },
    async plantBlocks(documents) {
      await raw((client) => client.db(name).collection<{ _id: number }>("blocks").insertMany(documents));
    },
    failNextWrite: (fault, skip) => proxy.failNextWrite(fault, skip),
    disarm: () => proxy.disarm(),
    pauseNextWrite: (skip) => proxy.pauseNextWrite(skip),
    deliverLate: () => proxy.deliverLate(),
    async restartServer() {
      await mongod.kill();
      await mongod.start();
    },
    quarantinedHeights: () =>
      raw(async (client) => {
        const found = await client
          .db(name)
          .collection("quarantine")
          .find({ entry: { $exists: false } })
          .sort({ height: 1 })
          .toArray();
        return found.map((document) => document.height as number);
      }),
    async dispose() {
      await Promise.all(open.splice(0).map(({ log }) => log.close()));
      await proxy.stop();
      await raw((client) => client.db(name).dropDatabase());
    },
  };
}

storageContract("in MongoDB", () => make());

describe("the log in MongoDB", () => {
  const self = (bootId: string) => ({ nodeId: "n1", bootId, stateMac: STATE_MAC });
  const uncleanWaitMs = 8_000;
  let harness: MongoHarness;
  beforeEach(async () => {
    harness = await make(uncleanWaitMs);
  });
  afterEach(() => harness.dispose());

  it("says of an insert that it finds there that it is stored only when that is in the journal", async () => {
    const { log } = harness.process(self("first"));
    await log.open();
    const [genesis, sent] = TestLog.grow(1).blocks as [TestBlock, TestBlock];
    await log.insertBlocks([genesis.toStore]);
    harness.failNextWrite("reply_lost");
    await expect(log.insertBlocks([sent.toStore])).rejects.toMatchObject({ failure: "unknown" });
    await log.open();
    // The entry is found there, then the block; the third write is that of the state, which waits for the journal.
    harness.failNextWrite("request_lost", 2);
    await expect(log.insertBlocks([sent.toStore])).rejects.toMatchObject({ failure: "unknown" });
    await log.open();
    await log.insertBlocks([sent.toStore]);
    expect((await log.open()).tailHeight).toBe(2);
  });

  it("is truncated to the end when its tail is longer than one round takes, whoever wrote it", async () => {
    const { log } = harness.process(self("first"));
    await log.open();
    const { blocks } = TestLog.grow(1);
    await insert(log, blocks);
    const tail = Array.from({ length: 1_100 }, (_, i) => ({
      _id: 3 + i,
      ...(i % 2 === 0 ? { writeId: `w${i}` } : {}),
    }));
    await harness.plantBlocks(tail.map((document) => ({ ...document, blockHash: `h${document._id}` })));
    await log.truncate(height(3), { term: term(2), leaderId: "n2" });
    expect((await log.open()).tailHeight).toBe(2);
    expect(await harness.quarantinedHeights()).toEqual(tail.map(({ _id }) => _id));
  });

  it("is not truncated because somebody has written into the state that it was begun", async () => {
    const { log } = harness.process(self("first"));
    await log.open();
    const { blocks } = TestLog.grow(3);
    await insert(log, blocks);
    const hard = { term: term(1), votedFor: "n1", joinNonce: "0".repeat(32), forming: null };
    const by = { from: 2, term: 1, leaderId: "n2" };
    for (const mac of [undefined, "", STATE_MAC(hard), STATE_MAC({ truncating: by, storeId: "f".repeat(32) })]) {
      await log.saveState(hard);
      await harness.plantTruncation({ ...by, ...(mac === undefined ? {} : { mac }) });
      for (let opening = 0; opening < 2; opening++)
        expect(await log.open()).toMatchObject({ tailHeight: 4, isStateAltered: true, hardState: null });
      await log.saveState(hard);
      expect(await log.open()).toMatchObject({ tailHeight: 4, isStateAltered: false, hardState: hard });
    }
    expect(await harness.quarantinedHeights()).toEqual([]);
    // One that it begins itself is done, and believed.
    await log.truncate(height(3), { term: term(2), leaderId: "n2" });
    expect(await log.open()).toMatchObject({ tailHeight: 2, isStateAltered: false });
  });

  it("waits after an unclean predecessor, too, when the answer to its first claim was lost", async () => {
    const first = harness.process(self("first")).log;
    await first.open();
    const [genesis] = TestLog.grow(0).blocks;
    if (genesis === undefined) throw new Error("no genesis");
    const second = harness.process(self("second")).log;
    // The predecessor sent this before it died, and it is still on its way when the second opening begins.
    harness.failNextWrite("late");
    await expect(first.insertBlocks([genesis.toStore])).rejects.toMatchObject({ failure: "unknown" });
    harness.failNextWrite("reply_lost");
    await expect(second.open()).rejects.toMatchObject({ failure: "unknown" });
    const opening = second.open();
    await sleep(uncleanWaitMs / 8);
    await harness.deliverLate();
    expect(await opening).toMatchObject({ tailHeight: 1, bootCounter: 2 });
  });
});
