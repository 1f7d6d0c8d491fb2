import { BSONRegExp, type Db, Decimal128, Long, MinKey, MongoClient } from "mongodb";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { height, term } from "../../../shared/ids.js";
import type { BlockHeader } from "../../../shared/log/block.js";
import type { Control } from "../../../shared/log/control.js";
import { keyValue, termHash } from "../../../shared/log/index.js";
import { ADMITTED, GENESIS, insert, STATE_MAC, TestLog } from "../../../test/contracts/fixtures.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import { type StoreChange, type StoreChanges, WatchError } from "../integrity-port.js";
import { type NodeStorage, openStorage } from "../open.js";
import type { AlertRecord, StoredBlock } from "../port.js";
import { LogCleared } from "../repair-port.js";
import { reduceOld } from "./truncation.js";

let mongod: TestMongod;
let client: MongoClient;
let db: Db;
let storage: NodeStorage;
let databases = 0;

const optionsOf = (uri: string) => ({
  mongodbUri: uri,
  nodeId: "n1",
  bootId: "b",
  stateMac: STATE_MAC,
  ...{ stallMs: 20_000, slowMs: 10_000, uncleanWaitMs: 10, initReplicaSet: false, allowUnsafeMongod: true },
});

async function openIn(server: TestMongod): Promise<void> {
  const name = `integrity${databases++}`;
  client = await MongoClient.connect(server.uri, { directConnection: true });
  db = client.db(name);
  storage = openStorage(optionsOf(`mongodb://127.0.0.1:${server.port}/${name}`));
  await storage.log.open();
}
beforeAll(async () => {
  mongod = await startMongod({ extraArgs: ["--setParameter", "enableTestCommands=1"] });
});
afterAll(() => mongod?.stop());
beforeEach(async () => {
  await openIn(mongod);
  return async () => {
    await storage.log.close();
    await client.close();
  };
});

const PATIENCE_MS = 120_000;

/** All that is told until there is nothing more; a server with much else to do tells of what is meant late. */
async function drain(changes: StoreChanges, isEnough = (_: StoreChange[]) => true): Promise<StoreChange[]> {
  const found: StoreChange[] = [];
  const until = performance.now() + PATIENCE_MS;
  for (let empty = 0; empty < 2 || (!isEnough(found) && performance.now() < until); ) {
    const one = await changes.next();
    if (one === null) empty += 1;
    else found.push(one);
  }
  return found;
}

describe("the changes of a node's database", () => {
  it("are told without bodies: names, ids and when; inserts are not", async () => {
    const { blocks } = TestLog.grow(3);
    const changes = await storage.integrity.changes(null);
    await changes.next();
    await insert(storage.log, blocks);
    const documents = db.collection<{ _id: number }>("blocks");
    await documents.updateOne({ _id: 2 }, { $set: { payloads: "x", "header.term": 7 }, $unset: { frontier: 1 } });
    await documents.replaceOne({ _id: 3 }, { a: 1 });
    await documents.deleteOne({ _id: -4 });
    await documents.rename("other");
    const isOfState = ({ collection }: StoreChange): boolean => collection === "state";
    const all = await drain(changes, (found) => found.filter((one) => !isOfState(one)).length >= 4);
    const told = all.filter((one) => !isOfState(one));
    expect(told.map(({ operation, place, fields }) => [operation, place, [...fields].sort()])).toEqual([
      ["update", { kind: "block", at: 2 }, ["frontier", "header.term", "payloads"]],
      ["replace", { kind: "block", at: 3 }, []],
      ["delete", { kind: "entry", at: 4 }, []],
      ["rename", undefined, []],
    ]);
    for (const { at } of told) expect(Math.abs(Date.parse(at) - Date.now())).toBeLessThan(60_000);
    await changes.close();
  });

  it("are told from a place on, also behind a database that was dropped", async () => {
    await insert(storage.log, TestLog.grow(3).blocks);
    const changes = await storage.integrity.changes(null);
    await drain(changes);
    const { place } = changes;
    await changes.close();
    const documents = db.collection<{ _id: number }>("blocks");
    await documents.deleteOne({ _id: 2 });
    await db.dropDatabase();
    const again = await storage.integrity.changes(place);
    const told: StoreChange[] = [];
    // The server ends a stream behind the end of its database.
    await expect(
      (async () => {
        for (;;) {
          const one = await again.next();
          if (one !== null) told.push(one);
        }
      })(),
    ).rejects.toThrow();
    expect(told.map(({ operation }) => operation)).toEqual(expect.arrayContaining(["delete", "dropDatabase"]));
    await again.close();
    await db.collection<{ _id: number }>("blocks").insertOne({ _id: 1 });
    await db.collection<{ _id: number }>("blocks").updateOne({ _id: 1 }, { $set: { a: 1 } });
    const behind = await storage.integrity.changes(again.place);
    const isUpdate = ({ operation }: StoreChange): boolean => operation === "update";
    expect((await drain(behind, (found) => found.some(isUpdate))).some(isUpdate)).toBe(true);
    await behind.close();
  });

  it("say what a collection was put in the place of, and go on behind it", async () => {
    await insert(storage.log, TestLog.grow(3).blocks);
    const documents = db.collection<{ _id: number }>("blocks");
    const changes = await storage.integrity.changes(null);
    await changes.next();
    await documents.aggregate([{ $out: "copy" }]).toArray();
    await db
      .collection("copy")
      .aggregate([{ $out: "blocks" }])
      .toArray();
    await db.renameCollection("copy", "anchors", { dropTarget: true });
    await documents.deleteOne({ _id: 3 });
    const isDelete = ({ operation }: StoreChange): boolean => operation === "delete";
    const told = await drain(changes, (found) => found.some(isDelete));
    const tmp = expect.stringMatching(/^tmp\./);
    expect(
      told.filter(({ collection }) => collection !== "state").map((one) => [one.operation, one.collection, one.to]),
    ).toEqual([
      ["rename", tmp, "copy"],
      ["rename", tmp, "blocks"],
      ["rename", "copy", "anchors"],
      ["delete", "blocks", undefined],
    ]);
    await changes.close();
  });

  it("are lost from a place that the server does not know", async () => {
    const changes = await storage.integrity.changes(`82${"0".repeat(60)}`);
    await expect(changes.next()).rejects.toMatchObject({ name: "WatchError", fault: "lost" });
    await changes.close();
  });
});

it("a standalone server says that it has none", async () => {
  const standalone = await startMongod({ replSet: false });
  await storage.log.close();
  await client.close();
  await openIn(standalone);
  const changes = await storage.integrity.changes(null);
  await expect(changes.next()).rejects.toBeInstanceOf(WatchError);
  await changes.close();
  await storage.log.close();
  await client.close();
  await standalone.stop();
  await openIn(mongod);
});

it("finds documents that no block can be: above the end, and of whatever type their ids are", async () => {
  await insert(storage.log, TestLog.grow(3).blocks);
  expect(await storage.integrity.strangers(height(4))).toEqual([]);
  const documents = db.collection<{ _id: unknown }>("blocks");
  const copy = (await documents.findOne({ _id: 4 as never })) as object;
  const ids = ["evil", new MinKey(), { a: 1 }, true, new Date(0), Number.NaN, 7.5, 9];
  for (const _id of ids) await documents.insertOne({ ...copy, _id } as never);
  const entries = db.collection<{ _id: number }>("blocks");
  await entries.insertMany([{ _id: -5 }, { _id: -900 }, { _id: -901.5 }]);
  expect(
    (await storage.integrity.strangers(height(4)))
      .filter(({ id }) => id.startsWith("-"))
      .map(({ id, block }) => [id, block]),
  ).toEqual([
    ["-901.5", null],
    ["-900", null],
  ]);
  await entries.deleteMany({ _id: { $in: [-5, -900, -901.5] } });
  const found = await storage.integrity.strangers(height(4));
  expect(found.map(({ id, block }) => [id, block?.at ?? null]).sort()).toEqual(
    [...ids.map((id) => [String(id), id === 9 ? 9 : null])].sort(),
  );
});

it("reads blocks by their ids, whatever their headers say", async () => {
  const { blocks } = TestLog.grow(4);
  await insert(storage.log, blocks);
  const documents = db.collection<{ _id: number }>("blocks");
  await documents.updateOne({ _id: 3 }, { $set: { "header.height": 9, "header.eventCount": "1" } });
  await documents.insertOne({ _id: 2.5 });
  const found = await storage.integrity.blocksFrom(height(2), { bytesMax: 1e9, blocksMax: 10 });
  expect(found.map(({ at, block }) => [at, block.header.version])).toEqual([
    [2, 2],
    [2.5, 0],
    [3, 0],
    [4, 2],
    [5, 2],
  ]);
  expect(found[2]?.rawHeader).toMatchObject({ height: 9, eventCount: "1" });
  expect((await storage.integrity.blocksAt([height(4), height(2), height(8)])).map(({ at }) => at)).toEqual([2, 4]);
  expect((await storage.integrity.entriesBetween(height(2), height(3))).map((one) => one.height)).toEqual([2, 3]);
});

it("takes no document between two heights, or beyond all, for a block, and finds entries between two", async () => {
  await insert(storage.log, TestLog.grow(5).blocks);
  const documents = db.collection<{ _id: unknown }>("blocks");
  const copy = (await documents.findOne({ _id: 5 as never })) as object;
  for (const _id of [3.5, 6.5, 1e300, Decimal128.fromString("8")]) await documents.insertOne({ ...copy, _id } as never);
  await documents.insertOne({ ...(await documents.findOne({ _id: -5 as never })), _id: -4.5 } as never);
  const limit = { bytesMax: 1e9, blocksMax: 10 };
  const ids = async (): Promise<number[]> =>
    (await storage.log.readBlocks(height(3), limit)).map(({ block }) => block.header.height);
  expect(await ids()).toEqual([3, 4, 5, 6]);
  expect((await storage.integrity.entriesBetween(height(4), height(5))).map(({ at }) => at)).toEqual([4, 4.5, 5]);
  // A copy that says that it is another block's stands for no sequence.
  await documents.updateOne({ _id: 3.5 as never }, { $set: { "header.treeSize": 3 } });
  expect((await storage.reader.holding(2, height(6)))?.block.header.height).toBe(4);
  expect((await storage.log.open()).tailHeight).toBe(6);
  // The opening has taken the one away that stood near its end.
  await documents.insertOne({ ...(await documents.findOne({ _id: -5 as never })), _id: -4.5 } as never);
  expect(await storage.repairs.removeForged([], [3, 4, 6])).toHaveLength(3);
});

it("takes none for a record of members, elections or alerts, and none for an entry, that stands between two heights or is above", async () => {
  const log = new TestLog();
  const controls = [GENESIS, ADMITTED, { kind: "term_started" } as Control, undefined];
  const blocks = controls.map((control) => log.block([], control === undefined ? {} : { control }));
  blocks.push(log.block([{ idempotencyKey: "k1" }]), log.block([{ idempotencyKey: "k2" }]));
  await insert(storage.log, blocks);
  const documents = db.collection<{ _id: unknown }>("blocks");
  const copyOf = async (id: number) =>
    (await documents.findOne({ _id: id as never }, { promoteLongs: false })) as object;
  // Each says that it is in its place.
  for (const [of, at] of [
    [2, 3.5],
    [3, 4.5],
    [5, 4.25],
    [5, 1_000],
  ] as const) {
    const copy = (await copyOf(of)) as { header: object };
    await documents.insertOne({ ...copy, header: { ...copy.header, height: at }, _id: at } as never);
  }
  await documents.insertOne({ header: { control: { kind: "alert_records" } }, _id: 2.5 } as never);
  await documents.insertOne({ ...(await copyOf(-5)), _id: -5.5 } as never);
  const heights = async (found: Promise<readonly StoredBlock[]>) =>
    (await found).map(({ block }) => block.header.height);
  expect(await heights(storage.log.readMembershipBlocks(height(6)))).toEqual([1, 2]);
  expect(await heights(storage.log.readElectionBlocks(height(6), 10))).toEqual([3, 1]);
  expect(await storage.integrity.controlHeights("alert_records", height(6), 10)).toEqual([]);
  expect((await storage.reader.holding(0, height(6)))?.block.header.height).toBe(5);
  const type = termHash("type", "test.event").slice(0, 8);
  const range = { from: height(1), to: height(9), order: "asc", limit: 3 } as const;
  const asked = { groups: [[type]], names: [], own: [], wantsTimes: false, ...range };
  expect((await storage.reader.find(asked)).map((one) => one.height)).toEqual([5, 6]);
  expect(await storage.reader.heights([type], { ...range, limit: 2 })).toEqual([5, 6]);
  expect((await storage.reader.neighbours(height(5), "asc", 5)).map((one) => one.height)).toEqual([5, 6]);
  expect((await storage.log.readEntries(height(1), 5)).map((one) => one.height)).toEqual([5, 6]);
  const key = termHash("key", keyValue("app", "k1")).slice(0, 8);
  expect(await storage.keys.heightsOfKey(key, 2)).toEqual([5]);
  expect((await storage.keys.keyTerms(height(1), 9)).terms).toHaveLength(2);
  // An id that somebody wrote as a 64-bit integer is that number.
  const entry = await copyOf(-6);
  await documents.deleteOne({ _id: -6 as never });
  await documents.insertOne({ ...entry, _id: Long.fromNumber(-6) } as never);
  expect((await storage.reader.find(asked)).map((one) => one.height)).toEqual([5, 6]);
  expect((await storage.integrity.entriesBetween(height(5), height(6))).map(({ at }) => at)).toEqual([5, 5.5, 6]);
});

it("keeps what it finds once, as it stands", async () => {
  await insert(storage.log, TestLog.grow(2).blocks);
  const name = await storage.integrity.keep(2);
  expect(name).toMatch(/^2-altered-[0-9a-f]{16}$/);
  expect(await storage.integrity.keep(2)).toBe(name);
  expect(await storage.integrity.keep(8)).toBeNull();
  const [kept, ...others] = await db.collection("quarantine").find().toArray();
  expect(others).toEqual([]);
  expect(kept).toMatchObject({ height: 2, hasBody: true, header: { height: 2 } });
});

it("keeps beside an alert the heights that were found, and believes them of this node alone", async () => {
  const { alerts } = storage;
  const at = "2030-01-01T00:00:00.000Z";
  const alert: AlertRecord = {
    ...{ id: "a".repeat(24), kind: "missing", severity: "critical", node: "n1", accused: "n1", detail: "block 1" },
    ...{ openedAt: at, lastSeenAt: at, occurrences: 2, status: "open", heights: [[1, 5]] },
  };
  const found = [
    [1, 1],
    [5, 5],
  ] as const;
  await alerts.save(alert, found);
  expect([await alerts.get(alert.id), await alerts.list(1)]).toEqual([alert, [alert]]);
  expect(await alerts.foundHeights(alert.id)).toEqual(found);
  await db.collection("alerts").updateOne({}, { $set: { "found.0": [1, 5] } });
  expect([await alerts.standing(alert.id), await alerts.foundHeights(alert.id)]).toEqual(["altered", null]);
  await alerts.save(alert);
  expect([await alerts.standing(alert.id), await alerts.foundHeights(alert.id)]).toEqual(["ours", null]);
});

it("knows its own state, anchors and marker from what somebody put in their place", async () => {
  const { integrity, log } = storage;
  const clusterId = "c".repeat(64);
  await log.saveState({ term: 3 as never, votedFor: "n1", joinNonce: "0".repeat(32), forming: null });
  await log.writeAnchors(clusterId, new Map([[0, new Uint8Array(64)]]));
  expect([await integrity.stateFault(), await integrity.anchorStanding(0, clusterId)]).toEqual([null, "ours"]);
  expect([await integrity.anchorStanding(1, clusterId), await integrity.indexAccount()]).toEqual(["absent", "whole"]);
  await db.collection("state").updateOne({}, { $set: { "hard.term": 4 } });
  await db.collection("anchors").updateOne({}, { $set: { mac: "0".repeat(64) } });
  await db.collection("blocks").updateOne({ _id: Number.MIN_SAFE_INTEGER as never }, { $set: { terms: [] } });
  expect(await integrity.stateFault()).toMatch(/not what it wrote/);
  expect([await integrity.anchorStanding(0, clusterId), await integrity.indexAccount()]).toEqual(["altered", "other"]);
  await log.beginIndexWork({ from: height(1), through: height(1) }, true);
  expect(await integrity.indexAccount()).toBe("own work");
  const marker = { _id: Number.MIN_SAFE_INTEGER as never };
  const { work } = (await db.collection("blocks").findOne(marker)) as unknown as { work: string };
  for (const other of [{ work: `0${work.slice(1)}` }, { work: 7 }, { work: "w" }, { work, terms: ["x"] }]) {
    await db.collection("blocks").updateOne(marker, { $set: other });
    expect(await integrity.indexAccount()).toBe("other");
  }
  await log.saveState({ term: 5 as never, votedFor: "n1", joinNonce: "0".repeat(32), forming: null });
  expect(await integrity.stateFault()).toBeNull();
  await db.collection("state").updateOne({}, { $set: { truncating: { from: 1, term: 5, leaderId: "n2" } } });
  expect(await integrity.stateFault()).toMatch(/truncation .* not one that it began/);
  await db.collection("state").updateOne({}, { $set: { format: "x" } });
  expect(await integrity.stateFault()).toMatch(/damaged/);
  await db.collection("state").deleteMany({});
  expect(await integrity.stateFault()).toMatch(/gone/);
});

/** No driver makes one with such an option, and the server takes it: nothing decodes the document that has it. */
const UNDECODABLE = Object.assign(new BSONRegExp("a"), { options: "z" });

it("takes for altered what cannot be decoded, of its own state, anchors, alerts and marker", async () => {
  const { alerts, integrity, log } = storage;
  const clusterId = "c".repeat(64);
  await log.saveState({ term: 3 as never, votedFor: "n1", joinNonce: "0".repeat(32), forming: null });
  await log.writeAnchors(clusterId, new Map([[0, new Uint8Array(64)]]));
  const finding = { kind: "fork", severity: "critical", node: "n1", accused: "n2", detail: "d" } as const;
  const { id } = await alerts.raise(finding, "2030-01-01T00:00:00.000Z");
  for (const name of ["state", "anchors", "alerts"])
    await db.collection(name).updateOne({}, { $set: { x: UNDECODABLE } });
  expect([await integrity.anchorStanding(0, clusterId), await log.readAnchors(0, clusterId)]).toEqual([
    "altered",
    null,
  ]);
  expect([await alerts.standing(id), await alerts.get(id), await alerts.foundHeights(id)]).toEqual([
    ...["altered", null, null],
  ]);
  expect(await integrity.stateFault()).toBeNull();
  await db.collection("state").updateOne({}, { $set: { "hard.x": UNDECODABLE } });
  expect(await integrity.stateFault()).toMatch(/damaged/);
  const markers = db.collection<{ _id: number; terms: unknown }>("blocks");
  const marker = { _id: Number.MIN_SAFE_INTEGER };
  await markers.updateOne(marker, { $set: { x: UNDECODABLE } });
  expect(await integrity.indexAccount()).toBe("whole");
  await markers.updateOne(marker, { $push: { terms: UNDECODABLE as never } });
  expect(await integrity.indexAccount()).toBe("whole");
  await markers.updateOne(marker, { $set: { terms: UNDECODABLE } });
  expect(await integrity.indexAccount()).toBe("other");
  // Each is made anew over it.
  await alerts.raise(finding, "2030-01-01T00:00:01.000Z");
  await log.writeAnchors(clusterId, new Map([[0, new Uint8Array(64)]]));
  expect([await alerts.standing(id), await integrity.anchorStanding(0, clusterId)]).toEqual(["ours", "ours"]);
  await expect(log.open()).rejects.toMatchObject({ failure: "unfit" });
});

it("opens, cuts, repairs and clears a log past what cannot be decoded, and keeps it", async () => {
  await insert(storage.log, TestLog.grow(6).blocks);
  const { integrity, log, repairs } = storage;
  const documents = db.collection<{ _id: number }>("blocks");
  const spoil = (_id: number, field: string): Promise<unknown> =>
    documents.updateOne({ _id }, { $set: { [field]: UNDECODABLE } });
  await spoil(5, "x");
  const name = (await integrity.keep(5)) as string;
  expect([await integrity.keep(5), (await integrity.kept([name]))[0]?.isWhole]).toEqual([name, true]);
  await db.collection("alerts").insertOne({ evidence: [UNDECODABLE] });
  await db.collection("quarantine").insertOne({ hasBody: true, bytes: UNDECODABLE, quarantinedAt: new Date() });
  const old = { quarantinedAt: new Date(0), bytes: 65 * 1024 * 1024 };
  await db.collection<{ _id: string }>("quarantine").updateOne({ _id: name }, { $set: old });
  await reduceOld(db.collection("quarantine"), db.collection("alerts"), Date.now() + 120_000);
  expect((await integrity.kept([name]))[0]?.isWhole).toBe(false);
  const withBytes = { $or: [{ bson: { $exists: true } }, { document: { $exists: true } }] };
  expect(await db.collection("quarantine").countDocuments(withBytes)).toBe(0);
  await spoil(-4, "writeId");
  await spoil(7, "x");
  await spoil(7, "writeId");
  await documents.insertOne({ _id: -9, writeId: UNDECODABLE } as never);
  await spoil(Number.MIN_SAFE_INTEGER, "work");
  const opened = await log.open();
  expect([opened.tailHeight, opened.index]).toEqual([7, null]);
  const read = await log.readBlocks(height(4), { bytesMax: 1e9, blocksMax: 9 });
  expect(read.map(({ block }) => [block.header.height, block.header.version])).toEqual([
    [4, 2],
    [5, 0],
    [6, 2],
    [7, 0],
  ]);
  expect(await documents.countDocuments({ _id: { $in: [-9, -4] } })).toBe(0);
  await documents.insertOne({ _id: 10, x: UNDECODABLE, writeId: UNDECODABLE } as never);
  expect(await repairs.removeForged([10], [])).toHaveLength(1);
  await log.truncate(height(6), { term: term(1), leaderId: "n1" });
  expect(await db.collection("quarantine").countDocuments({ "document.bson": { $exists: true } })).toBe(2);
  await expect(repairs.clear(async () => undefined)).rejects.toBeInstanceOf(LogCleared);
  expect(await documents.countDocuments({ _id: { $gte: 1 } })).toBe(0);
});

it("keeps whatever stands in a block's place: with names that are orders to an update, or as large as a document can be", async () => {
  await insert(storage.log, TestLog.grow(3).blocks);
  const documents = db.collection<{ _id: number }>("blocks");
  await documents.replaceOne({ _id: 2 }, { header: { a: 1 }, "header.a": 2, height: "x" });
  const [dotted] = await storage.integrity.kept([(await storage.integrity.keep(2)) as string]);
  expect(dotted).toMatchObject({ height: 2, isWhole: true });
  await documents.replaceOne({ _id: 3 }, { a: "x".repeat(16 * 1024 * 1024 - 40) });
  const [large] = await storage.integrity.kept([(await storage.integrity.keep(3)) as string]);
  expect(large).toMatchObject({ height: 3, isWhole: false, document: { sha256: expect.any(String) } });
});

it("reads what somebody wrote so that a driver may not decode it, and what stands beside it", async () => {
  await insert(storage.log, TestLog.grow(6).blocks);
  const documents = db.collection<{ _id: number }>("blocks");
  await documents.updateOne({ _id: 3 }, { $set: { x: new BSONRegExp("(") } });
  await documents.updateOne({ _id: -4 }, { $set: { x: new BSONRegExp("(") } });
  await documents.insertOne({ _id: 9, x: new BSONRegExp("(") } as never);
  await documents.insertOne({ _id: 10, x: UNDECODABLE } as never);
  await documents.updateOne({ _id: 6 }, { $set: { x: UNDECODABLE } });
  const { integrity } = storage;
  const all = await integrity.blocksFrom(height(1), { bytesMax: 1e9, blocksMax: 20 });
  expect(all.map(({ at }) => at)).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 10]);
  const heights = [2, 3, 6, 7].map(height);
  expect((await integrity.blocksAt(heights)).map(({ at, block }) => [at, block.header.version])).toEqual([
    [2, 2],
    [3, 2],
    [6, 0],
    [7, 2],
  ]);
  expect((await integrity.entriesBetween(height(3), height(5))).map((one) => one.height)).toEqual([3, 4, 5]);
  await documents.insertOne({ _id: { x: UNDECODABLE } } as never);
  expect((await integrity.strangers(height(7))).map(({ id }) => id)).toEqual(["9", "10", "(it cannot be decoded)"]);
  expect(await integrity.keep(3)).toMatch(/^3-altered-/);
});

it("takes the content of old evidence away, and not of what is new, or named by an alert that nobody has resolved", async () => {
  await insert(storage.log, TestLog.grow(5).blocks);
  const names: string[] = [];
  for (const at of [2, 3, 4, 5]) names.push((await storage.integrity.keep(at)) as string);
  const kept = db.collection<{ _id: string }>("quarantine");
  // Together with any of them more than is kept whole.
  const [old, resolved, open, fresh] = names as [string, string, string, string];
  const bytes = 60 * 1024 * 1024;
  await kept.updateMany({}, { $set: { bytes, quarantinedAt: new Date(Date.now() - 120_000) } });
  await kept.updateOne({ _id: fresh }, { $set: { quarantinedAt: new Date(Date.now() - 10_000) } });
  for (const [status, evidence] of [
    ["open", open],
    ["resolved", resolved],
  ] as const) {
    const at = "2030-01-01T00:00:00.000Z";
    await storage.alerts.save({
      ...{ id: status.padEnd(24, "0"), kind: "missing", severity: "critical", node: "n1", accused: "n1", detail: "d" },
      ...{ openedAt: at, lastSeenAt: at, occurrences: 1, status, evidence: [evidence] },
    });
  }
  await reduceOld(kept as never, db.collection("alerts"));
  const whole = await kept.find({ hasBody: true, payloads: { $exists: true } }).toArray();
  expect(whole.map(({ _id }) => _id).sort()).toEqual([open, fresh].sort());
  expect(await kept.countDocuments({ _id: { $in: [old, resolved] }, payloads: { $exists: false } })).toBe(2);
});

it("keeps a document whole again whose content was taken away since, under a name of its own, and once", async () => {
  await insert(storage.log, TestLog.grow(3).blocks);
  const keep = async (): Promise<string> => (await storage.integrity.keep(3)) as string;
  const isWhole = async (name: string): Promise<boolean | undefined> =>
    (await storage.integrity.kept([name]))[0]?.isWhole;
  const kept = db.collection<{ _id: string }>("quarantine");
  const before = await keep();
  expect([await keep(), await isWhole(before)]).toEqual([before, true]);
  const names = [before];
  for (let reduced = 0; reduced < 2; reduced++) {
    await kept.updateMany({}, { $set: { bytes: 65 * 1024 * 1024 } });
    await reduceOld(kept as never, db.collection("alerts"), Date.now() + 120_000);
    expect(await isWhole(names.at(-1) as string)).toBe(false);
    const again = await keep();
    expect(names).not.toContain(again);
    names.push(again);
    expect([await keep(), await isWhole(again)]).toEqual([again, true]);
  }
  // What was there stays as it is: a watch takes another content for somebody else's work.
  expect(await Promise.all(names.map(isWhole))).toEqual([false, false, true]);
});

it("leaves old evidence whole that was found again of late: its alert may not be stored yet", async () => {
  await insert(storage.log, TestLog.grow(3).blocks);
  const kept = db.collection<{ _id: string }>("quarantine");
  const names: string[] = [];
  for (const at of [2, 3]) names.push((await storage.integrity.keep(at)) as string);
  const old = { quarantinedAt: new Date(Date.now() - 120_000), bytes: 65 * 1024 * 1024 };
  await kept.updateMany({}, { $set: old });
  expect(await storage.integrity.keep(3)).toBe(names[1]);
  await reduceOld(kept as never, db.collection("alerts"));
  expect((await storage.integrity.kept(names)).map(({ id, isWhole }) => [id, isWhole])).toEqual([
    [names[0], false],
    [names[1], true],
  ]);
  await reduceOld(kept as never, db.collection("alerts"), Date.now() + 120_000);
  expect((await storage.integrity.kept(names)).map(({ isWhole }) => isWhole)).toEqual([false, false]);
});

it("gives evidence that somebody has made so that it can hardly be shown", async () => {
  await insert(storage.log, TestLog.grow(3).blocks);
  const names: string[] = [];
  for (const at of [2, 3, 4]) names.push((await storage.integrity.keep(at)) as string);
  const kept = db.collection<{ _id: string }>("quarantine");
  const none = Object.assign(new BSONRegExp("("), { options: "z" });
  await kept.updateOne({ _id: names[0] as string }, { $set: { x: new BSONRegExp("("), y: { toString: 1 } } });
  const never = { $add: [new Date(0), new Long("9000000000000000")] };
  await kept.updateOne({ _id: names[1] as string }, [{ $set: { quarantinedAt: never } }]);
  await kept.updateOne({ _id: names[2] as string }, { $set: { x: none } });
  const given = await storage.integrity.kept(names);
  expect(given.map(({ id }) => id).sort()).toEqual([...names].sort());
  expect(given.find(({ id }) => id === names[1])?.keptAt).toBe("1970-01-01T00:00:00.000Z");
});

it("has another join nonce once its log is cleared, and nothing else of its state is another", async () => {
  await insert(storage.log, TestLog.grow(6).blocks);
  const hard = { term: term(1), votedFor: null, joinNonce: "a".repeat(32), forming: null };
  await storage.log.saveState(hard, 1);
  const documents = db.collection<{ _id: number }>("blocks");
  await expect(storage.repairs.clear(async () => undefined)).rejects.toBeInstanceOf(LogCleared);
  expect(await documents.countDocuments({ _id: { $gte: 1 } })).toBe(0);
  const opened = await storage.log.open();
  expect(opened.hardState).toMatchObject({ term: 1, votedFor: null });
  expect(opened.hardState?.joinNonce).not.toBe(hard.joinNonce);
  expect(await documents.countDocuments({ _id: { $ne: Number.MIN_SAFE_INTEGER } })).toBe(0);
});

it("gives a block that is copied anew another name than an insert that was in doubt before the log was cleared", async () => {
  const [genesis, ...blocks] = TestLog.grow(1).blocks;
  const [second] = blocks;
  if (genesis === undefined || second === undefined) throw new Error("a log of two blocks");
  await insert(storage.log, [genesis]);
  const admin = client.db("admin");
  // It is stored, and nobody says that it is in the journal.
  const data = {
    failCommands: ["insert"],
    writeConcernError: { code: 64, errmsg: "too late" },
    appName: "quorumlog-n1-log",
  };
  await admin.command({ configureFailPoint: "failCommand", mode: { times: 1 }, data });
  await expect(insert(storage.log, [second])).rejects.toMatchObject({ failure: "unknown" });
  const nameOf = async (): Promise<string | undefined> =>
    (await db.collection<{ _id: number; writeId: string }>("blocks").findOne({ _id: 2 }))?.writeId;
  const before = await nameOf();
  expect(before).toBeDefined();
  await storage.log.open();
  await expect(storage.repairs.clear(async () => undefined)).rejects.toBeInstanceOf(LogCleared);
  await storage.log.open();
  await insert(storage.log, [genesis, second]);
  // A delete that arrives late would else find it.
  expect(await nameOf()).not.toBe(before);
});

it("reads no members from documents beside the places that they name", async () => {
  const { log, blocks } = TestLog.grow(3);
  blocks.push(log.block([], { control: ADMITTED }), log.block([{}]));
  await insert(storage.log, blocks);
  const before = await storage.log.readMembershipBlocks(height(6));
  expect(before).toHaveLength(2);
  const documents = db.collection<{ _id: number; header: object }>("blocks");
  for (const [from, to] of [
    [1, 1.5],
    [5, 5.5],
  ] as const)
    await documents.insertOne({ ...(await documents.findOne({ _id: from })), _id: to } as never);
  expect(await storage.log.readMembershipBlocks(height(6))).toEqual(before);
});

it("counts for nothing any more when it is asked whether the log may go, and deletes nothing where it may not", async () => {
  await insert(storage.log, TestLog.grow(6).blocks);
  const hard = { term: term(1), votedFor: null, joinNonce: "a".repeat(32), forming: null };
  await storage.log.saveState(hard, 1);
  const states = db.collection<{ hard: { joinNonce: string } }>("state");
  const seen: (string | undefined)[] = [];
  const refused = new Error("The others have not all of it.");
  const asked = storage.repairs.clear(async () => {
    seen.push((await states.findOne({}))?.hard.joinNonce);
    throw refused;
  });
  await expect(asked).rejects.toBe(refused);
  expect(seen).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
  expect(seen).not.toEqual([hard.joinNonce]);
  expect(await db.collection<{ _id: number }>("blocks").countDocuments({ _id: { $gte: 1 } })).toBe(7);
  // Nothing has happened: it keeps its vote.
  expect((await storage.log.open()).hardState).toEqual(hard);
});

it("deletes also what somebody has planted under a name that is read as another one", async () => {
  await insert(storage.log, TestLog.grow(6).blocks);
  const documents = db.collection<{ _id: number }>("blocks");
  const plant = async (): Promise<void> => {
    await documents.insertOne({ _id: 9 });
    const never = { $add: [new Date(0), new Long("9000000000000000")] };
    await documents.updateOne({ _id: 9 }, [{ $set: { writeId: never } }]);
  };
  await plant();
  await storage.log.truncate(height(6), { term: term(1), leaderId: "n1" });
  expect(await documents.countDocuments({ _id: { $gte: 1 } })).toBe(5);
  await plant();
  await expect(storage.repairs.clear(async () => undefined)).rejects.toBeInstanceOf(LogCleared);
  expect(await documents.countDocuments({ _id: { $gte: 1 } })).toBe(0);
});

it("reads headers of blocks alone, whatever stands between two of them", async () => {
  await insert(storage.log, TestLog.grow(4).blocks);
  const documents = db.collection<{ _id: number }>("blocks");
  await documents.insertOne({ ...(await documents.findOne({ _id: 2 })), _id: 2.5 });
  const headers = await storage.reader.readHeaders(height(2), height(4));
  expect(headers.map(({ header }) => header.height)).toEqual([2, 3, 4]);
  // One that cannot be decoded is none, and hides no other.
  await documents.updateOne({ _id: 3 }, { $set: { "header.x": UNDECODABLE } });
  const versionsOf = (found: readonly { header: BlockHeader }[]) =>
    found.map(({ header }) => [header.height, header.version]);
  const [two, three, four] = [
    [2, 2],
    [3, 0],
    [4, 2],
  ];
  expect(versionsOf(await storage.reader.readHeaders(height(2), height(4)))).toEqual([two, three, four]);
  const downwards = await storage.reader.readBlocks([4, 3, 2].map(height), 1e9);
  expect(versionsOf(downwards.map(({ block }) => block))).toEqual([four, three, two]);
  await documents.updateOne({ _id: 1 }, { $set: { x: UNDECODABLE } });
  expect((await storage.log.readElectionBlocks(height(4), 9)).map(({ block }) => block.header.version)).toEqual([0]);
});

it("lists alerts past documents that somebody else has put among them", async () => {
  const finding = { kind: "fork", severity: "critical", node: "n1", accused: "n2", detail: "d" } as const;
  const { id } = await storage.alerts.raise(finding, "2030-01-01T00:00:00.000Z");
  const planted = Array.from({ length: 3_000 }, (_, i) => ({
    _id: `p${i}` as never,
    status: "open",
    lastSeenAt: "9",
  }));
  await db.collection("alerts").insertMany(planted);
  for (const most of [1, 100, 1_000]) expect((await storage.alerts.list(most)).map((alert) => alert.id)).toEqual([id]);
  // Nor is any other hidden by one that cannot be decoded, or by many of which each is as large as a document can be.
  await db.collection("alerts").insertOne({ _id: "x" as never, x: UNDECODABLE });
  await db.collection("alerts").insertOne({ _id: { x: UNDECODABLE } as never, lastSeenAt: "9" });
  for (let i = 0; i < 12; i++)
    await db.collection("alerts").insertOne({ _id: `l${i}` as never, lastSeenAt: "9", x: "x".repeat(16_000_000) });
  for (const wanted of ["unresolved", "all"] as const)
    expect((await storage.alerts.list(10, wanted)).map((alert) => alert.id)).toEqual([id]);
});
