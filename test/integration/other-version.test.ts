import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BSON, type Db, MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WITHOUT_ENV_FILE } from "../../node/host/env-file.js";
import { identityFolder } from "../../node/storage/identity.js";
import { FORMAT } from "../../node/storage/mongo/state.js";
import { freePorts } from "../../scripts/lib/processes.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { reapWithUs, temporaryFolder } from "../../scripts/mongod/reaper.js";
import { startMongod, type TestMongod } from "../support/mongod.js";

type Documents = Readonly<Record<string, readonly Record<string, unknown>[]>>;

const hex = (digit: string, length = 64): string => digit.repeat(length);
const state = (format: number) => ({
  ...{ _id: "state", format, version: 7, mac: hex("a"), truncating: null, storeId: hex("b", 32), bootCounter: 3 },
  hard: { term: 2, votedFor: "n1", joinNonce: hex("c", 32), forming: null },
  owner: { nodeId: "n1", bootId: hex("d", 32), isReleased: true },
  ranAsReplicaSetMember: true,
});
const block = (height: number, version: number) => ({
  _id: height,
  header: { version, clusterId: height === 1 ? "" : hex("1"), height, term: 1, leaderId: "n1", eventCount: 1 },
  ...{ blockHash: hex(String(height)), signature: Buffer.alloc(64), writeId: hex("e", 32), frontier: [] },
  ...{ records: Buffer.from("records"), payloads: Buffer.from("payloads") },
});
const blocksOf = (version: number) => [1, 2, 3].map((height) => block(height, version));
const events = [0, 1].map((sequence) => ({ _id: sequence, eventType: "T", sourceAppId: "S", dataPayload: { a: 1 } }));

/** The layout with a copy of each event beside the blocks. */
const FORMAT_2: Documents = {
  state: [state(2)],
  blocks: blocksOf(1),
  events_1: events,
  alerts: [{ _id: "1", kind: "fork" }],
  quarantine: [block(4, 1)],
};

let mongod: TestMongod;
let client: MongoClient;
let dataDir: string;
beforeAll(async () => {
  mongod = await startMongod();
  client = await new MongoClient(mongod.uri).connect();
  dataDir = temporaryFolder("other-version");
});
afterAll(async () => {
  await client?.close();
  await mongod?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

let made = 0;
async function databaseWith(collections: Documents): Promise<{ db: Db; uri: string }> {
  const name = `other_version_${made++}`;
  const db = client.db(name);
  for (const [collection, documents] of Object.entries(collections))
    await db.collection<Record<string, unknown>>(collection).insertMany([...documents] as never);
  return { db, uri: `mongodb://127.0.0.1:${mongod.port}/${name}?directConnection=true` };
}

/** All that a database holds: collections with their options and indexes, and each document byte for byte. */
async function contentOf(db: Db): Promise<unknown> {
  const collections = await db.listCollections().toArray();
  const parts = collections.map(async (info) => {
    const collection = db.collection(info.name);
    const documents = await collection.find({}, { raw: true }).sort({ _id: 1 }).toArray();
    const texts = documents.map((one) => Buffer.from(one as unknown as Uint8Array).toString("hex"));
    return { info: BSON.EJSON.stringify(info), indexes: await collection.indexes(), texts };
  });
  return (await Promise.all(parts)).sort((a, b) => a.info.localeCompare(b.info));
}

const folderOf = (mongodbUri: string): string =>
  identityFolder({ dataDir, nodeId: "n1", mongodbUri, isManaged: false });

/** A node, as a process of its own, that is expected to end by itself. */
async function startOn(mongodbUri: string): Promise<{ exitCode: number | null; output: string }> {
  const [port] = await freePorts(1);
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, NODE_ID: "n1", PORT: String(port), MONGODB_URI: mongodbUri, DATA_DIR: dataDir };
  const main = join(projectRoot(), "dist", "node", "main.js");
  const child = spawn(process.execPath, [main, WITHOUT_ENV_FILE], { env, stdio: ["ignore", "pipe", "pipe"] });
  reapWithUs(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), 240_000);
  const [exitCode] = await once(child, "close");
  clearTimeout(timer);
  return { exitCode: exitCode as number | null, output };
}

describe("data of another version", () => {
  it.each([
    ["blocks of version 1", FORMAT_2, "made by an earlier version of Quorumlog", "npm start -- --fresh"],
    [
      "the last format before",
      { state: [state(FORMAT - 1)], blocks: blocksOf(2) },
      "made by an earlier version",
      "npm start -- --fresh",
    ],
    [
      "copies of events",
      { state: [state(FORMAT)], events_1: events },
      "made by an earlier version",
      "npm start -- --fresh",
    ],
    [
      "a newer format",
      { state: [state(FORMAT + 1)], blocks: blocksOf(3) },
      "made by a newer version",
      "Start that version",
    ],
    ["no collections of ours", { events, projection: events }, "(events, projection)", "name another database"],
  ] as [string, Documents, string, string][])(
    "in the database, %s: refused with 78 and what to do, and nothing in it is changed",
    async (_, documents, cause, remedy) => {
      const { db, uri } = await databaseWith(documents);
      const before = await contentOf(db);
      const { exitCode, output } = await startOn(uri);
      expect([exitCode, output]).toEqual([78, expect.stringContaining(cause)]);
      expect(output).toContain(remedy);
      expect(output).toContain("It was not touched");
      expect(await contentOf(db)).toEqual(before);
    },
  );

  it("in the identity file: refused with 78 and what to do, and neither file nor database is changed", async () => {
    const { db, uri } = await databaseWith({});
    const folder = folderOf(uri);
    const path = join(folder, "identity.json");
    mkdirSync(folder, { recursive: true });
    const text = JSON.stringify({ version: 2, nodeId: "n1", seeds: [hex("a"), hex("b")] });
    writeFileSync(path, text);
    const { exitCode, output } = await startOn(uri);
    expect([exitCode, output]).toEqual([78, expect.stringContaining("is of another version of Quorumlog (2)")]);
    expect(output).toContain("Start that version");
    expect(output).not.toContain("damaged");
    expect([readFileSync(path, "utf8"), readdirSync(folder)]).toEqual([text, ["identity.json"]]);
    expect(await contentOf(db)).toEqual([]);
  });
});
