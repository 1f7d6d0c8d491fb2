import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { height, term } from "../../../shared/ids.js";
import { STATE_MAC, type TestBlock, TestLog } from "../../../test/contracts/fixtures.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import { openStorage, type StorageOptions } from "../open.js";
import type { Storage } from "../port.js";

const open: Storage[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ log }) => log.close()));
});

function storageOn(mongod: TestMongod, options: Partial<StorageOptions> & { database?: string } = {}): Storage {
  const { database = `server_${randomUUID().slice(0, 8)}`, ...rest } = options;
  const storage = openStorage({
    mongodbUri: `mongodb://127.0.0.1:${mongod.port}/${database}`,
    nodeId: "n1",
    bootId: randomUUID(),
    stateMac: STATE_MAC,
    // Far longer than a server needs that has much else to do.
    stallMs: 20_000,
    slowMs: 10_000,
    uncleanWaitMs: 10,
    initReplicaSet: false,
    allowUnsafeMongod: false,
    ...rest,
  });
  open.push(storage);
  return storage;
}

async function raw<T>(mongod: TestMongod, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${mongod.port}/?directConnection=true`);
  return use(client).finally(() => client.close());
}

const unfit = (words: string): object => ({ failure: "unfit", message: expect.stringContaining(words) });
const hard = { term: term(1), votedFor: null, joinNonce: "a".repeat(32), forming: null };

describe("a one-member replica set", () => {
  let mongod: TestMongod;
  beforeAll(async () => {
    mongod = await startMongod();
  });
  afterAll(() => mongod.stop());

  it("has nothing to warn of", async () => {
    expect((await storageOn(mongod).log.open()).warnings).toEqual([]);
  });

  it("keeps a database with foreign collections untouched", async () => {
    await raw(mongod, (client) => client.db("shop").collection("orders").insertOne({ a: 1 }));
    await expect(storageOn(mongod, { database: "shop" }).log.open()).rejects.toMatchObject(unfit("orders"));
    const names = await raw(mongod, (client) => client.db("shop").listCollections().toArray());
    expect(names.map(({ name }) => name)).toEqual(["orders"]);
  });

  it("with a foreign document as state is refused", async () => {
    const database = "foreign_state";
    await raw(mongod, (client) => client.db(database).collection<{ _id: string }>("state").insertOne({ _id: "state" }));
    await expect(storageOn(mongod, { database }).log.open()).rejects.toMatchObject(unfit("Start that version"));
  });

  it.each([
    { format: 2, collections: ["state", "blocks"] },
    { format: 3, collections: ["state", "events_1"] },
    { format: 5, collections: ["state", "blocks", "index"] },
    { format: 4, collections: ["state", "blocks"] },
  ])("of an earlier version is refused with what to do ($format, $collections)", async ({ format, collections }) => {
    const database = `outdated_${format}_${collections.at(-1)}`;
    await raw(mongod, async (client) => {
      for (const name of collections)
        await client.db(database).collection<{ _id: string; format: number }>(name).insertOne({ _id: "state", format });
    });
    await expect(storageOn(mongod, { database }).log.open()).rejects.toMatchObject(unfit("npm start -- --fresh"));
  });

  it("is refused by a URI that names more than one server", async () => {
    const mongodbUri = "mongodb://127.0.0.1:1,127.0.0.1:2/x";
    await expect(storageOn(mongod, { mongodbUri }).log.open()).rejects.toMatchObject(unfit("MONGODB_URI"));
  });

  it("waits for an unclean predecessor's writes, and not after a clean one", async () => {
    const database = "waits";
    const takes = async (uncleanWaitMs: number): Promise<number> => {
      const start = performance.now();
      await storageOn(mongod, { database, uncleanWaitMs }).log.open();
      return performance.now() - start;
    };
    const first = storageOn(mongod, { database });
    await first.log.open();
    await first.log.close();
    expect(await takes(60_000)).toBeLessThan(60_000);
    expect(await takes(2_500)).toBeGreaterThanOrEqual(2_500);
  });

  it("that does not answer is an unknown outcome within the stall limit, and usable afterwards", async () => {
    const { log } = storageOn(mongod, { stallMs: 1_500, slowMs: 1_000 });
    await log.open();
    mongod.pause();
    try {
      // The signal takes effect a little later: until then the server still answers.
      let start = 0;
      const save = (): Promise<string> => {
        start = performance.now();
        return log.saveState(hard).then(
          () => "saved",
          (error) => error.failure,
        );
      };
      await expect.poll(save).toBe("unknown");
      expect(performance.now() - start).toBeLessThan(20_000);
      await expect(log.open()).rejects.toMatchObject({ failure: "not_stored" });
    } finally {
      mongod.resume();
    }
    await expect.poll(() => log.open().then(({ tailHeight }) => tailHeight)).toBe(0);
    await log.saveState(hard);
  });

  it("that answers slowly to a process that is no longer the owner gets no success from it", async () => {
    const database = "slow";
    const first = storageOn(mongod, { database, slowMs: 0 });
    await first.log.open();
    const blocks = TestLog.grow(1).blocks;
    await first.log.insertBlocks([(blocks[0] as TestBlock).toStore]);
    await storageOn(mongod, { database }).log.open();
    const late = first.log.insertBlocks([(blocks[1] as TestBlock).toStore]);
    // Or it has found out before, by itself.
    await expect(late).rejects.toMatchObject({ message: expect.stringContaining("has taken it over") });
  });

  it("answers no write, however fast, to a process whose successor has read the log", async () => {
    const database = "zombie";
    const first = storageOn(mongod, { database, slowMs: 400, uncleanWaitMs: 800 });
    await first.log.open();
    const blocks = TestLog.grow(1).blocks as [TestBlock, TestBlock];
    await first.log.insertBlocks([blocks[0].toStore]);
    const found = await storageOn(mongod, { database, slowMs: 400, uncleanWaitMs: 800 }).log.open();
    expect(found.tailHeight).toBe(1);
    const late = first.log.insertBlocks([blocks[1].toStore]);
    await expect(late).rejects.toMatchObject({ failure: expect.stringMatching(/^(not_owner|unknown)$/) });
  });

  it("tells a process that writes nothing that it has a successor", async () => {
    const database = "idle";
    const first = storageOn(mongod, { database, slowMs: 400, uncleanWaitMs: 800 });
    await first.log.open();
    let told = 0;
    first.log.onServerChange(() => {
      told += 1;
    });
    await storageOn(mongod, { database, slowMs: 400, uncleanWaitMs: 800 }).log.open();
    await expect.poll(() => told).toBe(1);
    await expect(first.log.open()).rejects.toMatchObject({ failure: "not_owner" });
  });

  it("that cannot be reached certainly stored nothing", async () => {
    const mongodbUri = "mongodb://127.0.0.1:1/x";
    await expect(storageOn(mongod, { mongodbUri }).log.open()).rejects.toMatchObject({ failure: "not_stored" });
  });

  it("keeps 64 MiB of evidence whole, and the headers of what is older", async () => {
    const database = "evidence";
    const { log } = storageOn(mongod, { database });
    await log.open();
    const text = "x".repeat(1_000_000);
    const chain = new TestLog();
    for (let i = 0; i < 20; i++) {
      const { toStore } = chain.block(Array.from({ length: 4 }, () => ({ dataPayload: { text } })));
      await log.insertBlocks([toStore]);
    }
    await log.truncate(height(2), { term: term(2), leaderId: "n2" });
    const kept = await raw(mongod, (client) =>
      client.db(database).collection("quarantine").find().sort({ height: 1 }).toArray(),
    );
    expect(kept).toHaveLength(19);
    expect(kept.every(({ header, signature }) => header && signature)).toBe(true);
    const bodies = kept.filter(({ records }) => records).map(({ height: at }) => at as number);
    expect(bodies).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  it("with an altered block answers it as one that fails verification, never with a crash", async () => {
    const database = "altered";
    const { log } = storageOn(mongod, { database });
    await log.open();
    for (const { toStore } of TestLog.grow(3).blocks) await log.insertBlocks([toStore]);
    await raw(mongod, async (client) => {
      const blocks = client.db(database).collection<{ _id: number }>("blocks");
      await blocks.updateOne({ _id: 2 }, { $set: { header: "gone", records: 7 }, $unset: { frontier: "" } });
      await blocks.updateOne({ _id: 3 }, { $set: { "header.height": 3.5 } });
    });
    const found = await log.readBlocks(height(1), { bytesMax: 1 << 20, blocksMax: 10 });
    expect(found.map(({ block }) => block.header.version)).toEqual([2, 0, 0, 2]);
    expect(found[1]?.block.header.height).toBe(2);
  });
});

describe("other servers", () => {
  const running: TestMongod[] = [];
  const start = async (options: Parameters<typeof startMongod>[0]): Promise<TestMongod> => {
    const mongod = await startMongod(options);
    running.push(mongod);
    return mongod;
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ log }) => log.close()));
    for (const mongod of running.splice(0)) {
      // A clean stop would wait for the second member that one of them never had.
      await mongod.kill();
      await mongod.stop();
    }
  });

  it("a standalone works, says what it lacks, and loses nothing when killed", async () => {
    const mongod = await start({ replSet: false });
    const storage = storageOn(mongod, { database: "alone" });
    const { warnings } = await storage.log.open();
    expect(warnings.join()).toContain("standalone");
    const { blocks } = TestLog.grow(10);
    for (const { toStore } of blocks) await storage.log.insertBlocks([toStore]);
    await storage.log.saveState(hard);
    await mongod.kill();
    await mongod.start();
    const again = storageOn(mongod, { database: "alone" });
    expect(await again.log.open()).toMatchObject({ tailHeight: 11, hardState: hard, index: { paths: [] } });
    const entries = await again.log.readEntries(height(1), 100);
    expect(entries.map(({ height: at }) => at)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it("a server with --replSet and no configuration is made a one-member set if asked, else named", async () => {
    const mongod = await start({ replSet: false, extraArgs: ["--replSet", "fresh", "--oplogSize", "64"] });
    await expect(storageOn(mongod).log.open()).rejects.toMatchObject(unfit("rs.initiate"));
    expect((await storageOn(mongod, { initReplicaSet: true }).log.open()).warnings).toEqual([]);
    expect((await storageOn(mongod, { initReplicaSet: true }).log.open()).warnings).toEqual([]);
  });

  it("a former replica-set member without --replSet is refused", async () => {
    const dbPath = await mkdtemp(join(tmpdir(), "quorumlog-member-"));
    onTestFinished(() => rm(dbPath, { recursive: true, force: true }));
    const member = await startMongod({ dbPath });
    const storage = storageOn(member, { database: "was_member" });
    await storage.log.open();
    await storage.log.close();
    await member.stop();
    const standalone = await start({ replSet: false, dbPath });
    await expect(storageOn(standalone, { database: "was_member" }).log.open()).rejects.toMatchObject(
      unfit("--replSet"),
    );
    // Even where the server's own note is gone, ours tells.
    await raw(standalone, (client) => client.db("local").collection("system.replset").deleteMany({}));
    await expect(storageOn(standalone, { database: "was_member" }).log.open()).rejects.toMatchObject(
      unfit("--replSet"),
    );
  });

  it("a set of two members is refused", async () => {
    const mongod = await start({});
    await raw(mongod, async (client) => {
      const { config } = await client.db("admin").command({ replSetGetConfig: 1 });
      config.version++;
      config.members.push({ _id: 1, host: "127.0.0.1:1", priority: 0, votes: 0, hidden: true });
      await client.db("admin").command({ replSetReconfig: config, force: true });
    });
    await expect
      .poll(() =>
        storageOn(mongod)
          .log.open()
          .then(
            () => "opened",
            (error) => error.message,
          ),
      )
      .toContain("2 members");
  });

  it("one that wants a password says so, and who has no rights there, at once and for good", async () => {
    const mongod = await start({ replSet: false });
    await raw(mongod, async (client) => {
      await client.db("admin").command({ createUser: "nobody", pwd: "x", roles: [], writeConcern: { w: 1, j: true } });
    });
    await mongod.kill();
    const guarded = await start({ replSet: false, dbPath: mongod.dbPath, extraArgs: ["--auth"] });
    const open = (mongodbUri: string) => storageOn(guarded, { mongodbUri }).log.open();
    const begun = performance.now();
    await expect(open(`mongodb://127.0.0.1:${guarded.port}/x`)).rejects.toMatchObject(unfit("wants a user"));
    const as = (user: string, rest = "") =>
      open(`mongodb://${user}@127.0.0.1:${guarded.port}/x?authSource=admin${rest}`);
    await expect(as("nobody:x")).rejects.toMatchObject(unfit("grant it readWrite"));
    await expect(as("nobody:y")).rejects.toMatchObject(unfit("user or password"));
    await expect(as("nobody:x", "&authMechanism=PLAIN")).rejects.toMatchObject(unfit("authMechanism"));
    expect(performance.now() - begun).toBeLessThan(30_000);
  });

  it("one that has the database in other case, and options that cannot be had, are told at once", async () => {
    const mongod = await start({ replSet: false });
    await raw(mongod, (client) => client.db("eventlogs").collection("a").insertOne({}));
    await expect(storageOn(mongod, { database: "eventLogs" }).log.open()).rejects.toMatchObject(unfit("in other case"));
    const open = (query: string) =>
      storageOn(mongod, { mongodbUri: `mongodb://127.0.0.1:${mongod.port}/x?${query}` }).log.open();
    await expect(open("compressors=snappy")).rejects.toMatchObject(unfit("snappy"));
    await expect(open("tls=true&tlsCAFile=/nowhere/ca.pem")).rejects.toMatchObject(unfit("/nowhere/ca.pem"));
    const dot = `mongodb://127.0.0.1:${mongod.port}/a.b`;
    await expect(storageOn(mongod, { mongodbUri: dot }).log.open()).rejects.toMatchObject(unfit("cannot contain"));
  });

  it("one without WiredTiger or a journal is refused", async () => {
    const mongod = await start({ replSet: false, extraArgs: ["--nojournal"] });
    await expect(storageOn(mongod).log.open()).rejects.toMatchObject(unfit("journal"));
  });
});
