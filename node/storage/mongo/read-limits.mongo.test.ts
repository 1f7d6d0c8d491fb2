import { randomUUID } from "node:crypto";
import { type Document, MongoClient } from "mongodb";
import { expect, it, onTestFinished } from "vitest";
import { height } from "../../../shared/ids.js";
import { termHash } from "../../../shared/log/index.js";
import { insert, STATE_MAC, TestLog } from "../../../test/contracts/fixtures.js";
import { startMongod } from "../../../test/support/mongod.js";
import { openStorage } from "../open.js";
import type { EntryQuery } from "../port.js";
import { READ_MS } from "./options.js";

const DATABASE = "limited";
const READS = ["find", "aggregate", "count"];
const MAX_TIME_MS_EXPIRED = 50;
const optionsOf = (port: number) => ({
  ...{ mongodbUri: `mongodb://127.0.0.1:${port}/${DATABASE}`, nodeId: "n1", bootId: randomUUID() },
  ...{ stateMac: STATE_MAC, stallMs: 10_000, slowMs: 10_000, uncleanWaitMs: 10 },
  ...{ initReplicaSet: false, allowUnsafeMongod: false },
});

it("reads headers of large blocks, for which a command's time is over, in parts", async () => {
  const mongod = await startMongod({ extraArgs: ["--setParameter", "enableTestCommands=1"] });
  onTestFinished(() => mongod.stop());
  const { log, reader } = openStorage(optionsOf(mongod.port));
  onTestFinished(() => log.close());
  await log.open();
  await insert(log, TestLog.grow(8).blocks);
  const client = await MongoClient.connect(mongod.uri);
  onTestFinished(() => client.close());
  /** What this client reads with is told that its time is over, so many times. */
  const endReads = (times: number): Promise<Document> =>
    client.db("admin").command({
      ...{ configureFailPoint: "failCommand", mode: { times } },
      data: { failCommands: ["find"], errorCode: MAX_TIME_MS_EXPIRED, appName: "quorumlog-n1-reads" },
    });
  await endReads(2);
  const headers = await reader.readHeaders(height(2), height(9));
  expect(headers.map(({ header }) => header.height)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  // One header is not read in parts.
  await endReads(1);
  await expect(reader.readHeaders(height(3), height(3))).rejects.toMatchObject({ failure: "not_stored" });
  expect(await reader.readHeaders(height(3), height(3))).toHaveLength(1);
});

it("the server ends every command that a client's read sends, whatever it would have to look through", async () => {
  const mongod = await startMongod();
  onTestFinished(() => mongod.stop());
  const { log, reader, keys, alerts } = openStorage(optionsOf(mongod.port));
  onTestFinished(() => log.close());
  await log.open();
  await insert(log, TestLog.grow(5).blocks);
  const client = await MongoClient.connect(mongod.uri);
  onTestFinished(() => client.close());
  const db = client.db(DATABASE);

  const group = [termHash("type", "test.event").slice(0, 8)];
  const range = { from: height(1), to: height(9), order: "asc", limit: 5 } as const;
  const query: EntryQuery = { groups: [group], names: [], own: [], wantsTimes: false, ...range };
  const all = { bytesMax: 1_000_000, blocksMax: 2 };
  const commands: [what: string, read: () => Promise<unknown>][] = [
    ["blocks", () => reader.readBlocks([height(2)], 0)],
    ["headers", () => reader.readHeaders(height(2), height(3))],
    ["entries", () => reader.find(query)],
    ["heights", () => reader.heights(group, range)],
    ["an estimate", () => reader.estimate(group, range, 10)],
    ["an estimate of nothing", () => reader.estimate([termHash("type", "none").slice(0, 8)], range, 10)],
    ["the block of a sequence", () => reader.holding(2, height(9))],
    ["neighbours", () => reader.neighbours(height(2), "asc", 2)],
    ["the heights of a key", () => keys.heightsOfKey(termHash("key", "k").slice(0, 8), 2)],
    ["keys", () => keys.keyTerms(height(1), 2)],
    ["a block with what it is checked by", () => log.readBlocks(height(2), { ...all, isForClient: true })],
    ["members", () => log.readMembershipBlocks(height(5))],
    ["elections", () => log.readElectionBlocks(height(5), 10)],
    ["alerts", () => alerts.list(10, "all")],
    ["a count of alerts", () => alerts.count("all")],
  ];
  for (const [what, read] of commands) {
    await db.setProfilingLevel("all");
    await read();
    await db.setProfilingLevel("off");
    const seen = (await db.collection("system.profile").find().toArray()).map(({ command }) => command as Document);
    const sent = seen.filter((command) => READS.some((name) => name in command && !/system|state/.test(command[name])));
    expect([what, sent.length > 0]).toEqual([what, true]);
    expect([what, sent.map(({ maxTimeMS }) => maxTimeMS)]).toEqual([what, sent.map(() => READ_MS)]);
    await db.collection("system.profile").drop();
  }
});
