import { Binary, type Db, Double, Long, MongoClient } from "mongodb";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { verifyEvidence } from "../../../scripts/verify/evidence.js";
import { height } from "../../../shared/ids.js";
import { blockIndex, ownRun } from "../../../shared/log/index.js";
import { insert, STATE_MAC, type TestBlock, TestLog } from "../../../test/contracts/fixtures.js";
import { startMongod, type TestMongod } from "../../../test/support/mongod.js";
import { systemClock } from "../../clock.js";
import { EntryInspector } from "../../integrity/entry-inspector.js";
import { Evidence } from "../../integrity/evidence.js";
import type { IncidentFinding } from "../../integrity/incident-record.js";
import { Keeping } from "../../integrity/keeping.js";
import { proved } from "../../replica/proved-block.js";
import { type NodeStorage, openStorage } from "../open.js";
import type { AlertRecord } from "../port.js";

/** Index entries and planted documents as evidence, from a real database to a bundle that other code verifies. */
let mongod: TestMongod;
let client: MongoClient;
let db: Db;
let storage: NodeStorage;
let databases = 0;

beforeAll(async () => {
  mongod = await startMongod();
});
afterAll(() => mongod?.stop());
beforeEach(async () => {
  const name = `kept${databases++}`;
  client = await MongoClient.connect(mongod.uri, { directConnection: true });
  db = client.db(name);
  storage = openStorage({
    mongodbUri: `mongodb://127.0.0.1:${mongod.port}/${name}`,
    ...{ nodeId: "n1", bootId: "b", stateMac: STATE_MAC },
    ...{ stallMs: 20_000, slowMs: 10_000, uncleanWaitMs: 10, initReplicaSet: false, allowUnsafeMongod: true },
  });
  await storage.log.open();
  return async () => {
    await storage.log.close();
    await client.close();
  };
});

const logger = { warn: () => undefined };
const documents = () => db.collection<{ _id: number | string }>("blocks");
const quarantine = () => db.collection<{ _id: string }>("quarantine");

function watchOver(blocks: readonly TestBlock[]) {
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const noted: IncidentFinding[] = [];
  const store = storage.integrity;
  const entries = new EntryInspector({
    ...{ nodeId: "n1", store, clock: systemClock, keeping: new Keeping({ store, clock: systemClock, logger }) },
    readBlocks: async (heights) =>
      heights.map((at) => proved(of(at).stored.block, at === 1 ? "" : of(at - 1).next.headHash)),
    entryOf: (events, index, paths) =>
      events.length === 0 ? null : { index: index ?? blockIndex(events), own: ownRun(events, paths) },
    indexedPaths: () => [],
    isWhole: () => true,
    heldThrough: () => height(blocks.length),
    makeAnew: () => undefined,
    makeAllAnew: () => undefined,
    accountOf: async () => "whole",
    note: (finding) => noted.push(finding),
  });
  const evidence = new Evidence({
    ...{
      nodeId: "n1",
      store,
      log: storage.log,
      isSealed: async () => true,
      clusterId: () => of(1).stored.block.blockHash,
    },
    peers: { copies: async () => ({ agreeing: [], block: null, frontier: [], contradicting: [] }) },
    committedAt: async (at) => ({
      blockHash: of(at).stored.block.blockHash,
      previousHash: at === 1 ? "" : of(at - 1).next.headHash,
    }),
    heldThrough: () => height(blocks.length),
    wall: () => "2026-01-01T00:00:00.000Z",
  });
  const verified = async (finding: IncidentFinding) => {
    const { heights, ...rest } = finding;
    const alert = { ...rest, id: "a", node: "n1", heights: [heights] } as unknown as AlertRecord;
    return verifyEvidence(JSON.stringify(await evidence.bundle(alert))).findings;
  };
  return { entries, noted, verified };
}

const OWN_TERMS = 10;
const EDITS: readonly (readonly [what: string, change: object, fields: readonly string[]])[] = [
  ["terms", { $set: { terms: [] } }, ["entry.terms"]],
  ["a term of another type", { $set: { "terms.0": 5 } }, ["entry.terms"]],
  ["one other term", { $set: { "terms.0": new Long(5) } }, ["entry.terms"]],
  ["a name that is a key", { $set: { runs: [1, 1, OWN_TERMS] } }, ["entry.runs"]],
  ["a name fewer", { $set: { runs: [1, 0, OWN_TERMS + 1] } }, ["entry.runs", "entry.terms", "entry.places"]],
  ["counts that are none", { $set: { runs: [2, Long.ZERO, 5] } }, ["entry.runs"]],
  ["places", { $set: { places: new Binary(new Uint8Array(400)) } }, ["entry.places"]],
  ["times", { $unset: { times: 1 } }, ["entry.times"]],
  ["other times", { $set: { times: new Binary(new Uint8Array(9)) } }, ["entry.times"]],
  ["the first sequence", { $set: { first: 77, blockHash: "x".repeat(10_000) } }, ["entry.first", "entry.blockHash"]],
  [
    "a number of another type",
    { $set: { first: new Long(1), count: new Double(0.5) } },
    ["entry.first", "entry.count"],
  ],
  ["the time of sealing", { $set: { sealedAt: 5 } }, ["entry.sealedAt"]],
];

it.each(EDITS)("an entry with other %s is kept, named and shown by who shares no code with the node", async (...of) => {
  const [, change, fields] = of;
  const { blocks } = TestLog.grow(5);
  await insert(storage.log, blocks);
  expect(await documents().findOne({ _id: -3 })).toMatchObject({ runs: [2, 0, OWN_TERMS] });
  await documents().updateOne({ _id: -3 }, change);
  const { entries, noted, verified } = watchOver(blocks);
  expect(await entries.inspect([height(3)], "watch")).toBe(true);
  const [finding] = noted as [IncidentFinding];
  expect(finding.differences?.map(({ field }) => field).sort()).toEqual(expect.arrayContaining([...fields].sort()));
  expect(JSON.stringify(finding.differences).length).toBeLessThan(12_000);
  const [name] = finding.evidence as [string];
  expect(name).toMatch(/^3-entry-/);
  const { kept, notes } = await verified(finding);
  expect(kept).toEqual([]);
  for (const field of fields) expect(notes.join("\n")).toMatch(new RegExp(`Shown: n1, block 3, ${field} was found as`));

  // Where it is made anew the same document is kept: once.
  const told: (string | null)[] = [];
  await storage.log.beginIndexWork({ from: height(3), through: height(3) }, false);
  const { block, entry } = { block: blocks[2]?.stored.block, entry: blocks[2]?.toStore.entry } as never;
  await storage.log.putEntries([{ block, entry: entry ?? null }], {
    ownMayDiffer: false,
    onDiffering: (differing) => told.push(...differing.map(({ kept: its }) => its)),
  });
  expect(told).toEqual([name]);
  expect(await quarantine().countDocuments()).toBe(1);
});

it("a document that is no entry's shows nothing, and what is claimed of it is found wrong", async () => {
  const { blocks } = TestLog.grow(5);
  await insert(storage.log, blocks);
  await documents().updateOne({ _id: -3 }, { $set: { first: 77 } });
  const { entries, noted, verified } = watchOver(blocks);
  await entries.inspect([height(3)], "watch");
  const [finding] = noted as [IncidentFinding];
  const lie = { ...finding, differences: [{ height: 3, field: "entry.times" }] };
  expect((await verified(lie)).kept).toMatchObject([{ field: "alert.differences" }]);
});

it("keeps a planted document whole up to a size, of a larger one its hash, and each once", async () => {
  const store = storage.integrity;
  const planted = documents() as never as { insertMany(all: object[]): Promise<unknown> };
  await planted.insertMany([
    { _id: "evil", header: { a: new Long(1) } },
    { _id: 7_000_000, payloads: new Binary(new Uint8Array(2 * 1024 * 1024)) },
    { _id: -7.25, headers: [{ header: "x" }] },
  ]);
  const names: (string | null)[] = [];
  for (const id of ["evil", 7_000_000, -7.25, "evil", "nothing"]) names.push(await store.keepPlanted(id));
  expect(names).toEqual([...Array(3).fill(expect.stringMatching(/^forged-/)), names[0], null]);
  expect(await quarantine().countDocuments()).toBe(3);
  const [evil, large, between] = (await store.kept(names.slice(0, 3) as string[])).sort(
    (a, b) => names.indexOf(a.id) - names.indexOf(b.id),
  );
  expect(evil).toMatchObject({ isWhole: true, document: { document: { _id: "evil" } } });
  expect(large).toMatchObject({
    isWhole: false,
    height: 7_000_000,
    document: { bytes: { $numberInt: expect.anything() } },
  });
  expect(JSON.stringify(large).length).toBeLessThan(1_000);
  // Before it is taken out it is kept whole.
  const taken = await storage.repairs.removeForged(["evil", 7_000_000], []);
  expect(taken).toEqual([names[0], `${names[1]}-2`]);
  expect((await store.kept([taken[1] as string]))[0]?.isWhole).toBe(true);

  // What looks like two headers that somebody has signed proves nothing, and is nothing wrong either.
  const { blocks } = TestLog.grow(2);
  await insert(storage.log, blocks);
  const finding = { kind: "forged", foundBy: "scrub", evidence: [between?.id as string], detail: "d" } as const;
  expect((await watchOver(blocks).verified({ ...finding, heights: [1, 1] })).kept).toEqual([]);
});
