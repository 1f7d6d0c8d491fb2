import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { canonicalText, type JsonObject, type JsonValue } from "../../../shared/canonical.js";
import { EVENT_BYTES_MAX_CEILING } from "../../../shared/limits.js";
import { checkEventView, type EventView } from "../../../shared/log/event.js";
import { STATE_MAC, TestLog } from "../../../test/contracts/fixtures.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import { openStorage } from "../open.js";
import type { Projection, Storage } from "../port.js";
import { type EventRow, eventRow } from "./event-row.js";
import { insertRows } from "./rows.js";

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

let database = "";
const refused: number[] = [];
const open: Storage[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ log }) => log.close()));
  refused.length = 0;
});

function storage(query = ""): Storage {
  const made = openStorage({
    mongodbUri: `mongodb://127.0.0.1:${mongod.port}/${database}${query}`,
    nodeId: "n1",
    bootId: randomUUID(),
    stateMac: STATE_MAC,
    stallMs: 5_000,
    slowMs: 5_000,
    uncleanWaitMs: 0,
    initReplicaSet: false,
    allowUnsafeMongod: false,
    onRefused: (sequence) => refused.push(sequence),
  });
  open.push(made);
  return made;
}
async function fresh(query = ""): Promise<Storage> {
  database = `projection_${randomUUID().slice(0, 8)}`;
  const made = storage(query);
  await made.log.open();
  return made;
}
const rows = () => client.db(database).collection<{ _id: number }>("events_1");
const viewsOf = (count: number): EventView[] => {
  const log = new TestLog();
  return Array.from({ length: count }, (_, i) => log.block([{ dataPayload: { i } }]).views[0] as EventView);
};

/** Large payloads are compared as text, which is much faster. */
async function expectWhole(projection: Projection, views: readonly EventView[]): Promise<void> {
  const textsOf = (events: readonly EventView[]) => events.map((event) => canonicalText({ ...event }));
  expect(projection.through).toBe(views.length);
  const found = await projection.list({}, { order: "asc", limit: views.length });
  expect(textsOf(found).join("\n") === textsOf(views).join("\n")).toBe(true);
}

/** What the door refuses (DESIGN, "At the door") is not generated. */
const key = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom("", "$set", "$ref", "$id", "$db", "a.b", ".", "$", "0", "10", "9", "_id", "toJSON", "constructor"),
  )
  .filter((k) => k.isWellFormed() && !k.includes("\0") && k !== "__proto__" && k !== "_bsontype");
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }).filter((s) => s.isWellFormed()),
  fc.constantFrom("\0", "\u2028\ufeff", "𝄞", "e\u0301", "2026-01-01T00:00:00Z", "/x/i"),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  fc.constantFrom(5e-324, 1e21, 1.7976931348623157e308, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 2 ** 53, 1e300, 0.1),
);
const { value: json } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(key, tie("value"), { maxKeys: 6, noNullPrototype: true }),
  ),
}));
const object = fc.dictionary(key, json, { maxKeys: 8, noNullPrototype: true }) as fc.Arbitrary<JsonObject>;

const nested = (depth: number): JsonObject => {
  let value: JsonObject = { end: [] };
  for (let i = 2; i < depth; i++) value = i % 2 === 0 ? { a: value } : { a: value, $b: [i] };
  return value;
};

describe("payloads through a real mongod", () => {
  it("come back canonically equal, whatever they hold", async () => {
    const { projection, log } = await fresh();
    const chain = new TestLog();
    await fc.assert(
      fc.asyncProperty(fc.array(object, { minLength: 1, maxLength: 20 }), async (payloads) => {
        const { stored, views } = chain.block(payloads.map((dataPayload) => ({ dataPayload })));
        await log.insertBlocks([stored]);
        await projection.apply(views);
        const after = (views[0] as EventView).sequence - 1;
        const found = await projection.list({}, { order: "asc", limit: 100, after });
        expect(found.map(({ dataPayload }) => canonicalText(dataPayload))).toEqual(payloads.map(canonicalText));
        expect(found.map(checkEventView)).toEqual(payloads.map(() => null));
        const [block] = await log.readBlocks(stored.block.header.height, { bytesMax: 1 << 24, blocksMax: 1 });
        expect(block).toEqual(stored);
      }),
      { numRuns: 150 },
    );
    expect(refused).toEqual([]);
  });

  it("may be nested 64 deep, and are stored in native types for queries", async () => {
    const { projection } = await fresh();
    const { views } = new TestLog().block([{ dataPayload: nested(64) }, { dataPayload: { price: 1e21, tags: ["a"] } }]);
    await projection.apply(views);
    expect(await projection.list({}, { order: "asc", limit: 2 })).toEqual(views);
    expect(await rows().countDocuments({ "dataPayload.tags": "a", "dataPayload.price": 1e21 })).toBe(1);
    expect(refused).toEqual([]);
  });

  it("that MongoDB refuses are kept without native types, in their place", async () => {
    const { projection } = await fresh();
    // 3 MB as JSON, over 16 MiB as BSON.
    const many = { many: new Array(1_500_000).fill(1) };
    const payloads: JsonObject[] = [{ i: 0 }, nested(300), { i: 2 }, { "nul\0key": 1 }, { i: 4 }, many, { i: 6 }];
    const { views } = new TestLog().block(payloads.map((dataPayload) => ({ dataPayload })));
    await projection.apply(views);
    expect(refused.sort()).toEqual([1, 3, 5]);
    expect(await projection.list({}, { order: "asc", limit: 10 })).toEqual(views);
  });

  it("that are arrays of numbers, six times as large as BSON, are projected whole, however many come at once", async () => {
    const { projection } = await fresh();
    const samples = new Array(120_000).fill(1);
    const { views } = new TestLog().block(Array.from({ length: 40 }, (_, i) => ({ dataPayload: { i, samples } })));
    await projection.apply(views);
    await expectWhole(projection, views);
    expect(refused).toEqual([]);
    expect(await rows().countDocuments({ "dataPayload.samples.119999": 1 })).toBe(40);
  });

  it("that are long texts of three bytes a character are projected whole, however many come at once", async () => {
    const { projection } = await fresh();
    const text = "漢".repeat(87_000);
    const { views } = new TestLog().block(Array.from({ length: 60 }, (_, i) => ({ dataPayload: { i, text } })));
    await projection.apply(views);
    await expectWhole(projection, views);
    expect(refused).toEqual([]);
    expect(await rows().countDocuments({ "dataPayload.text": text })).toBe(60);
  });

  it("that are large among a thousand small ones are projected whole, in their order", async () => {
    const { projection } = await fresh();
    const samples = new Array(120_000).fill(1);
    const events = Array.from({ length: 2_500 }, (_, i) => ({ dataPayload: i % 100 === 7 ? { i, samples } : { i } }));
    const { views } = new TestLog().block(events);
    await projection.apply(views);
    await expectWhole(projection, views);
    expect(refused).toEqual([]);
  });

  it("as large as a node may be told to admit are stored in native types, even where they grow most", async () => {
    const { projection } = await fresh();
    const most = { a: new Array((EVENT_BYTES_MAX_CEILING - 6) / 2).fill(1) };
    expect(canonicalText(most).length).toBeGreaterThan(EVENT_BYTES_MAX_CEILING - 3);
    const { views } = new TestLog().block([{ dataPayload: most }, { dataPayload: most }, { dataPayload: { i: 2 } }]);
    await projection.apply(views);
    await expectWhole(projection, views);
    expect(refused).toEqual([]);
    expect(await rows().countDocuments({ "dataPayload.a.500000": 1 })).toBe(2);
  });
});

describe("rows that are more than one command can hold are inserted in parts", () => {
  it.each([
    { name: "all in native types", unencodable: [] as number[] },
    { name: "all but the one that cannot be encoded by itself in native types", unencodable: [13] },
  ])("$name", async ({ unencodable }) => {
    const { projection } = await fresh();
    const samples = new Array(120_000).fill(1);
    const many = new Array(1_500_000).fill(1);
    const payloads = Array.from({ length: 20 }, (_, i) => ({ i, samples: unencodable.includes(i) ? many : samples }));
    const { views } = new TestLog().block(payloads.map((dataPayload) => ({ dataPayload })));
    const db = client.db(database);
    const onRefused = (sequence: number) => refused.push(sequence);
    await insertRows(db.collection<EventRow>("events_1"), views.map(eventRow), { db, onRefused });
    expect(refused.splice(0)).toEqual(unencodable);
    expect(await rows().countDocuments({ dataPayload: { $exists: true } })).toBe(20 - unencodable.length);
    // They are there already, with the same hashes.
    await projection.apply(views);
    await expectWhole(projection, views);
  });
});

describe("rows that are not as they should be", () => {
  it("missing at the tip after a write failed: the hole is seen before anything stands behind it", async () => {
    const { projection } = await fresh();
    const events = viewsOf(20);
    await projection.apply(events.slice(0, 10));
    await rows().insertOne({ ...(await rows().findOne({ _id: 0 })), _id: 12 });
    await expect(projection.apply(events.slice(10, 15))).rejects.toMatchObject({ failure: "conflict" });
    await rows().deleteMany({ _id: { $gte: 7 } });
    await expect(projection.apply(events.slice(10, 15))).rejects.toMatchObject({ failure: "unknown" });
    expect(projection.through).toBe(7);
    await projection.apply(events.slice(7));
    expect(await projection.list({}, { order: "asc", limit: 100 })).toEqual(events);
  });

  it.each([0, 1, 500, 998, 999])(
    "missing at %i, above or below the bookmark: the next process goes on from there",
    async (at) => {
      const first = await fresh();
      const events = viewsOf(1_000);
      await first.projection.apply(events.slice(0, 999));
      // An unclean end: the bookmark says 0.
      await rows().deleteOne({ _id: at });
      const second = storage();
      expect((await second.log.open()).projectedThrough).toBe(Math.min(at, 999));
      await second.projection.apply(events.slice(second.projection.through));
      await second.log.close();
      await rows().deleteMany({ _id: { $gte: 990 } });
      const third = storage();
      expect((await third.log.open()).projectedThrough).toBe(990);
      await third.projection.apply(events.slice(990));
      expect(third.projection.through).toBe(1_000);
    },
  );

  it("forged beyond the tip are not counted, not read, and not overwritten", async () => {
    const { projection } = await fresh();
    const events = viewsOf(5);
    await projection.apply(events.slice(0, 3));
    await rows().insertMany([{ ...(await rows().findOne({ _id: 0 })), _id: 4 }, { _id: 1e12 }, { _id: -1 }]);
    expect(await projection.list({}, { order: "asc", limit: 10 })).toEqual(events.slice(0, 3));
    expect(await projection.count({ eventType: "test.event" }, 10)).toEqual({ total: 3, isCapped: false });
    const next = storage();
    expect((await next.log.open()).projectedThrough).toBe(3);
    await expect(next.projection.apply(events.slice(3))).rejects.toMatchObject({ failure: "conflict" });
    expect(next.projection.through).toBe(3);
  });

  it("damaged so that they are no event are an error, not a crash", async () => {
    const { projection } = await fresh();
    await projection.apply(viewsOf(2));
    await rows().updateOne({ _id: 1 }, { $set: { payload: "{" } });
    await expect(projection.get(1)).rejects.toMatchObject({ failure: "not_stored" });
  });
});

it("finds each row as soon as it is written, whatever read and write concern the URI asks for", async () => {
  const { projection } = await fresh("?readConcernLevel=majority&w=0&readPreference=secondary");
  for (const [i, view] of viewsOf(40).entries()) {
    await projection.apply([view]);
    expect(await projection.get(i)).not.toBeNull();
    expect(await projection.list({}, { order: "desc", limit: 1 })).toMatchObject([{ sequence: i }]);
  }
});
