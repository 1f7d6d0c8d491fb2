import { existsSync } from "node:fs";
import { MongoClient } from "mongodb";
import { afterEach, describe, expect, it } from "vitest";
import { startMongod, type TestMongod } from "../../test/support/mongod.js";
import { commandOf, freePorts } from "../lib/processes.js";

describe("a managed mongod", () => {
  let mongod: TestMongod;
  afterEach(() => mongod.stop());

  async function count(uri: string): Promise<number> {
    const client = new MongoClient(uri);
    try {
      await client
        .db()
        .collection("things")
        .insertOne({}, { writeConcern: { w: "majority", journal: true } });
      return await client.db().collection("things").countDocuments();
    } finally {
      await client.close();
    }
  }

  it("keeps what was journaled when it is killed and started again on the same port", async () => {
    mongod = await startMongod();
    expect(await count(mongod.uri)).toBe(1);
    const firstPid = mongod.pid;
    await mongod.kill();
    expect(commandOf(firstPid)).toBeUndefined();
    await mongod.start();
    expect(mongod.pid).not.toBe(firstPid);
    expect(await count(mongod.uri)).toBe(2);
  });

  it("becomes primary again when its data are served on another port", async () => {
    mongod = await startMongod();
    await count(mongod.uri);
    await mongod.kill();
    const { dbPath } = mongod;
    const [port] = await freePorts(1);
    const moved = await startMongod({ dbPath, port: port as number });
    expect(await count(moved.uri)).toBe(2);
    await moved.stop();
    expect(existsSync(dbPath)).toBe(true);
  });

  it("runs as a plain standalone server when asked", async () => {
    mongod = await startMongod({ replSet: false });
    expect(await count(mongod.uri)).toBe(1);
  });
});
