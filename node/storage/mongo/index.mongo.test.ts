import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type BSON, type Collection, MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { height } from "../../../shared/ids.js";
import { planOf } from "../../../shared/log/filter.js";
import { blockIndex, keyValue, ownRun, termHash } from "../../../shared/log/index.js";
import { instantOf } from "../../../shared/timestamp.js";
import { insert, STATE_MAC, type TestBlock, TestLog } from "../../../test/contracts/fixtures.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import { entryOf } from "../entries.js";
import { openStorage } from "../open.js";
import type { EntryQuery, Storage } from "../port.js";
import { BLOCK_INDEXES } from "./blocks.js";
import { blockDocument } from "./documents.js";
import { entryDocument, type FoundDocument } from "./entries.js";
import { MARKER_ID } from "./entry-ids.js";
import { createIndexes, MARKER } from "./index-work.js";
import { findCommand, heightsCommand, holdingCommand, keyCommand } from "./reader.js";
import { makeIndexes } from "./server-indexes.js";

let mongod: TestMongod;
let client: MongoClient;
beforeAll(async () => {
  mongod = await startMongod();
  client = new MongoClient(mongod.uri);
});
afterAll(async () => {
  await client.close();
  await mongod.stop();
});

const open: Storage[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ log }) => log.close()));
});

function storageOn(database: string): Storage {
  const storage = openStorage({
    mongodbUri: `mongodb://127.0.0.1:${mongod.port}/${database}`,
    nodeId: "n1",
    bootId: randomUUID(),
    stateMac: STATE_MAC,
    stallMs: 20_000,
    slowMs: 20_000,
    uncleanWaitMs: 10,
    initReplicaSet: false,
    allowUnsafeMongod: false,
  });
  open.push(storage);
  return storage;
}
const termOf = (kind: "type" | "source", value: string) => termHash(kind, value).slice(0, 8);

describe("what the server does for a look-up", () => {
  const ENTRIES = 4_000;
  let entries: Collection<FoundDocument>;
  beforeAll(async () => {
    const db = client.db("explained");
    await createIndexes(db);
    entries = db.collection<FoundDocument>("blocks");
    const log = new TestLog();
    const [genesis] = TestLog.grow(0).blocks as [TestBlock];
    const at = log.fork(genesis);
    const documents = Array.from({ length: ENTRIES }, (_, i) => {
      const block = at.block([
        {
          eventType: `type.${i % 100}`,
          sourceAppId: i % 400 === 0 ? "rare" : "often",
          timestamp: new Date(Date.UTC(2026, 0, 1) + i * 3_600_000).toISOString(),
          idempotencyKey: `key-${i % 1_000}`,
        },
      ]);
      const entry = { index: blockIndex(block.events), own: ownRun(block.events, []) };
      return [
        entryDocument(entryOf(block.stored.block, entry), entry, "w") as unknown as FoundDocument,
        blockDocument(block.stored, "w") as unknown as FoundDocument,
      ];
    });
    await entries.insertMany(documents.flat());
    await makeIndexes(entries, BLOCK_INDEXES);
    await entries.insertOne({ _id: MARKER_ID, terms: [MARKER] });
  });

  it("keeps no block in its indexes of entries", async () => {
    const { keysPerIndex } = await client.db("explained").command({ validate: "blocks" });
    expect(keysPerIndex).toMatchObject({ _id_: 2 * ENTRIES + 1, "header.treeSize_1": ENTRIES });
    const terms = (await entries.find({ _id: { $lt: 0 } }).toArray()).reduce((sum, it) => sum + it.terms.length, 0);
    expect(keysPerIndex.terms_1__id_1).toBe(terms);
  });

  interface Explained {
    readonly keys: number;
    readonly documents: number;
    readonly found: number;
    readonly stages: readonly string[];
    readonly indexes: readonly string[];
    /** Of heights: what the server may look at. */
    readonly bounds: readonly string[];
  }
  async function explain({ filter, options }: { filter: BSON.Document; options: BSON.Document }): Promise<Explained> {
    const { maxTimeMS: _, ...rest } = options;
    const { queryPlanner, executionStats } = await entries.find(filter, rest).explain("executionStats");
    const stages: string[] = [];
    const indexes: string[] = [];
    const bounds = new Set<string>();
    const walk = (stage: BSON.Document): void => {
      stages.push(stage.stage);
      if (stage.indexName !== undefined) indexes.push(stage.indexName);
      for (const bound of stage.indexBounds?._id ?? []) bounds.add(bound);
      for (const one of [stage.inputStage, stage.queryPlan, ...(stage.inputStages ?? [])]) if (one) walk(one);
    };
    walk(queryPlanner.winningPlan);
    return {
      keys: executionStats.totalKeysExamined,
      documents: executionStats.totalDocsExamined,
      found: executionStats.nReturned,
      stages,
      indexes: [...new Set(indexes)],
      bounds: [...bounds],
    };
  }
  const find = (change: Partial<EntryQuery>): Promise<Explained> =>
    explain(
      findCommand({
        groups: [],
        names: [],
        own: [],
        wantsTimes: false,
        from: height(1),
        to: height(1_000_000),
        order: "desc",
        limit: 10,
        ...change,
      }),
    );

  it("reads no more keys than it finds, in either order, from any height", async () => {
    for (const order of ["asc", "desc"] as const)
      for (const from of [1, 2_000]) {
        const found = await find({ groups: [[termOf("type", "type.7")]], order, from: height(from) });
        const bounds = order === "asc" ? `[-${from}, -1000001)` : `(-1000001, -${from}]`;
        expect(found).toMatchObject({ found: 10, indexes: ["terms_1__id_1"], bounds: [bounds] });
        expect(found.keys).toBeLessThanOrEqual(11);
        expect(found.documents).toBeLessThanOrEqual(11);
        expect(found.stages).not.toContain("SORT");
      }
  });

  it("walks many terms at once without sorting", async () => {
    const from = instantOf("2026-01-01T00:30:00Z");
    const to = instantOf("2026-05-30T23:59:59Z");
    const { groups } = planOf({ ...(from && { timestampFrom: from }), ...(to && { timestampTo: to }) });
    expect(groups[0]?.length).toBeGreaterThan(20);
    const found = await find({ groups });
    expect(found).toMatchObject({ found: 10, indexes: ["terms_1__id_1"] });
    expect(found.stages).not.toContain("SORT");
    expect(found.keys).toBeLessThanOrEqual(2 * (groups[0]?.length ?? 0) + 20);
  });

  it("is led by the first group, and looks at the others in what that finds", async () => {
    const groups = [[termOf("source", "rare")], [termOf("type", "type.0"), termOf("type", "type.1")]];
    const found = await find({ groups, limit: 100 });
    expect(found).toMatchObject({ found: 10, indexes: ["terms_1__id_1"] });
    expect(found.keys).toBeLessThanOrEqual(11);
    expect(found.stages).not.toContain("SORT");
  });

  it("walks heights where nothing is asked", async () => {
    const found = await find({ from: height(1_000), to: height(3_000) });
    expect(found).toMatchObject({ found: 10, indexes: ["_id_"], bounds: ["(-3001, -1000]"] });
    expect(found.keys).toBeLessThanOrEqual(11);
  });

  it.each(["asc", "desc"] as const)("names the blocks of a term from its index alone, %s", async (order) => {
    const range = { from: height(1_000), to: height(3_000), order, limit: 10 };
    const found = await explain(heightsCommand([termOf("type", "type.7")], range));
    expect(found).toMatchObject({ found: 10, documents: 0, indexes: ["terms_1__id_1"] });
    expect(found.keys).toBeLessThanOrEqual(11);
    expect(found.stages).not.toContain("SORT");
    const own = await explain(heightsCommand([termOf("type", "type.7"), termOf("source", "rare")], range));
    expect(own).toMatchObject({ found: 10, documents: 0, indexes: ["terms_1__id_1"] });
    expect(own.stages).not.toContain("SORT");
  });

  it("finds a key and a sequence with a few keys", async () => {
    const key = await explain(keyCommand(termHash("key", keyValue("often", "key-7")).slice(0, 8), 10));
    // Four blocks, and the marker.
    expect(key).toMatchObject({ found: 5, indexes: ["terms_1__id_1"] });
    expect(key.keys).toBeLessThanOrEqual(7);
    const holding = await explain(holdingCommand(2_345, height(9_999)));
    expect(holding).toMatchObject({ found: 1, indexes: ["header.treeSize_1"], keys: 1, documents: 1 });
  });
});

describe("a server's index of terms that is not ours", () => {
  it.each([{ partialFilterExpression: { count: { $gt: 5 } } }, { sparse: true, collation: { locale: "en" } }])(
    "(%o) passes for none, and is made anew",
    async (options) => {
      const database = `planted_${randomUUID().slice(0, 8)}`;
      const { log, keys } = storageOn(database);
      await log.open();
      const { log: chain, blocks } = TestLog.grow(0);
      blocks.push(chain.block([{ idempotencyKey: "k" }]));
      await insert(log, blocks);
      const entries = client.db(database).collection("blocks");
      await entries.dropIndex("terms_1__id_1");
      await entries.createIndex({ terms: 1, _id: 1 }, { name: "terms_1__id_1", ...options });
      const look = () => keys.heightsOfKey(termHash("key", keyValue("app", "k")).slice(0, 8), 10);
      const before = await look().catch((error) => error.failure);
      // Whatever the server makes of it: nothing is said to be absent.
      expect([["index_lost"], [2]]).toContainEqual([before].flat());
      expect(await log.open()).toMatchObject({ index: null });
      await log.beginIndexWork({ from: height(1), through: height(2) }, true);
      const { block, entry } = (blocks[1] as TestBlock).toStore;
      if (entry === null) throw new Error("no entry");
      await log.putEntries([{ block, entry }]);
      await log.endIndexWork({ paths: [] });
      expect(await look()).toEqual([2]);
      const made = (await entries.indexes()).find(({ name }) => name === "terms_1__id_1");
      expect(made).not.toMatchObject(options);
      expect(await log.open()).toMatchObject({ index: { paths: [] } });
      expect((await log.readMembershipBlocks(height(10))).map(({ block }) => block.header.height)).toEqual([1]);
    },
  );

  it("beside ours changes nothing", async () => {
    const database = "beside";
    const { log, keys } = storageOn(database);
    await log.open();
    const { log: chain, blocks } = TestLog.grow(0);
    blocks.push(chain.block([{ idempotencyKey: "k" }]));
    await insert(log, blocks);
    const planted = { name: "theirs", partialFilterExpression: { count: { $gt: 5 } } };
    await client.db(database).collection("blocks").createIndex({ terms: 1, _id: 1 }, planted);
    expect(await keys.heightsOfKey(termHash("key", keyValue("app", "k")).slice(0, 8), 10)).toEqual([2]);
    expect(await log.open()).toMatchObject({ index: { paths: [] } });
  });
});

describe("what the index says of itself", () => {
  it.each([{ terms: [] }, { terms: "gone" }, { terms: [], work: 1 }])(
    "was changed by somebody where no node leaves it so: %o",
    async (change) => {
      const database = `account_${randomUUID().slice(0, 8)}`;
      const { log } = storageOn(database);
      await log.open();
      await insert(log, TestLog.grow(2).blocks);
      const blocks = client.db(database).collection<{ _id: number }>("blocks");
      await blocks.updateOne({ _id: MARKER_ID }, { $set: change });
      const taken: boolean[] = [];
      const begin = () =>
        log.beginIndexWork({ from: height(1), through: height(1) }, true, (wasWhole) => taken.push(wasWhole));
      await begin();
      await begin();
      expect(taken).toEqual([true]);
    },
  );
});

describe("a server that is killed while blocks are stored", () => {
  it("has the entry of every block that it has", async () => {
    const database = "killed";
    const { blocks } = TestLog.grow(400);
    let stored = 0;
    for (const afterMs of [20, 60, 110]) {
      const { log } = storageOn(database);
      const { tailHeight, index } = await log.open();
      expect(index).toEqual({ paths: [] });
      const heights = (await log.readBlocks(height(1), { bytesMax: 1 << 30, blocksMax: 1_000 })).map(
        ({ block }) => block.header.height,
      );
      expect(tailHeight).toBe(heights.at(-1) ?? 0);
      expect(tailHeight).toBeGreaterThanOrEqual(stored);
      expect((await log.readEntries(height(1), 1_000)).map((entry) => entry.height)).toEqual(heights.slice(1));
      const storing = (async () => {
        for (const { toStore } of blocks.slice(tailHeight)) {
          await log.insertBlocks([toStore]);
          stored = toStore.block.header.height;
        }
      })().catch(() => undefined);
      await expect.poll(() => stored).toBeGreaterThan(tailHeight);
      await sleep(afterMs);
      await mongod.kill();
      await storing;
      await mongod.start();
    }
    expect(stored).toBeGreaterThan(0);
  });
});
