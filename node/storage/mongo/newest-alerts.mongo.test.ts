import { type Db, MongoClient, MongoServerError } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { STATE_MAC } from "../../../test/contracts/fixtures.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import type { AlertStep, FieldDifference, Range } from "../incident.js";
import type { AlertRecord } from "../port.js";
import { MongoAlertStore } from "./alerts.js";

let mongod: TestMongod;
let client: MongoClient;
beforeAll(async () => {
  mongod = await startMongod();
  client = await MongoClient.connect(mongod.uri, { directConnection: true });
});
afterAll(async () => {
  await client?.close();
  await mongod?.stop();
});

const FINDING = { kind: "fork", severity: "critical", node: "n1", accused: "n2", detail: "d" } as const;
const AT = "2030-01-01T00:00:00.000Z";
const open = (db: Db): MongoAlertStore => {
  const store = new MongoAlertStore(STATE_MAC);
  store.open(db, { w: 1 });
  return store;
};

/** Whatever has it read whole documents of all is out of time. */
function slow(db: Db): Db {
  const alerts = db.collection("alerts");
  const outOfTime = async (): Promise<never> => {
    throw new MongoServerError({ message: "operation exceeded time limit", code: 50 });
  };
  const aggregate: typeof alerts.aggregate = (pipeline = [], options) =>
    pipeline[0]?.$match._id === undefined
      ? ({ toArray: outOfTime } as never)
      : alerts.aggregate(pipeline as never, options);
  const collection = Object.assign(Object.create(alerts), { aggregate, countDocuments: outOfTime });
  return { collection: () => collection } as unknown as Db;
}

it("lists the same alerts where what is planted among them is more than the server reads in the time of one command", async () => {
  const db = client.db("slow");
  const store = open(db);
  for (let height = 1; height <= 20; height++)
    await store.raise({ ...FINDING, height }, `2030-01-01T00:00:${10 + (height % 7)}.000Z`);
  const [first] = await store.list(1);
  await store.save({ ...(first as AlertRecord), status: "resolved" });
  const x = "x".repeat(5_000_000);
  const planted = [
    { _id: "a".repeat(24), lastSeenAt: "9", x },
    { _id: "b".repeat(24), lastSeenAt: x },
    { _id: "c".repeat(24), lastSeenAt: 9 },
    { _id: "d".repeat(5_000), lastSeenAt: "9" },
    { _id: 7, lastSeenAt: "9" },
  ];
  await db.collection("alerts").insertMany(planted as never[]);
  const late = open(slow(db));
  for (const wanted of ["unresolved", "resolved", "all"] as const)
    for (const most of [100, 3]) {
      const alerts = await store.list(most, wanted);
      expect(await late.list(most, wanted)).toEqual(alerts);
      expect(alerts.length).toBe(Math.min(most, wanted === "all" ? 20 : wanted === "resolved" ? 1 : 19));
    }
  expect([await late.count("all"), await store.count("all")]).toEqual([25, 25]);
});

it("refuses no alert for its size, with all that one can have", async () => {
  const store = open(client.db("large"));
  const text = "\u20ac".repeat(4_096);
  const value = "\u20ac".repeat(1_025);
  const differences: FieldDifference[] = Array.from({ length: 64 }, (_, i) => ({
    ...{ height: 2 ** 40 + i, sequence: 2 ** 50 + i, field: text, stored: value, expected: value },
  }));
  const history: AlertStep[] = Array.from({ length: 32 }, (_, n) => ({
    ...{ n, action: "failed", at: AT, actor: text, reason: text, detail: text },
  }));
  const evidence = Array.from({ length: 32 }, (_, i) => `${2 ** 40 + i}-altered-0123456789abcdef`);
  const places = Array.from({ length: 16_384 }, (_, i): Range => [2 ** 40 + 2 * i, 2 ** 40 + 2 * i]);
  const alert = {
    ...(await store.raise(FINDING, AT)),
    ...{ foundBy: "watch", detail: text, differences, history, evidence, heights: places.slice(0, 32) },
  } as AlertRecord;
  await store.save(alert, places);
  expect(await store.list(1)).toEqual([alert]);
  expect(await store.foundHeights(alert.id)).toHaveLength(16_384);
});
