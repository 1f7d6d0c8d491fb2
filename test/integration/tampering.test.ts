import { Binary, type Db } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import {
  BLOCK_EDITS,
  type BlockEdit,
  type Blocks,
  blocksOf,
  edit,
  editPayload,
  stored,
} from "../../scripts/chaos/tamper/edits.js";
import type { Cluster, ClusterNode, ClusterOptions } from "../../scripts/cluster/cluster.js";
import { verifyEvidence } from "../../scripts/verify/evidence.js";
import type { EvidenceBundle, EvidenceDocument } from "../../shared/protocol/evidence.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { startMongod, type TestMongod } from "../support/mongod.js";
import { withDatabase } from "../support/stored-blocks.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const FOUND_WITHIN_MS = 10_000;

let cluster: Cluster;
let nodes: readonly ClusterNode[];
let leader: ClusterNode;
let follower: ClusterNode;
const source = uniqueSource();

function withCluster(options: ClusterOptions = {}): void {
  beforeAll(async () => {
    cluster = await startSteadyCluster(options);
    nodes = cluster.nodes;
    await eventually(async () => (await call(`${nodes[0]?.url}/readyz`)).status === 200, 30_000, "it is ready");
    leader = (await cluster.leader()).node;
    follower = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
  });
  afterAll(() => cluster?.stop());
}

const alertsOf = async (node: ClusterNode): Promise<AlertRecord[]> =>
  (await call(`${node.url}/api/v1/alerts?limit=500`)).body.alerts;

async function write(amount = 100): Promise<{ height: number; sequence: number; hash: string }> {
  const event = { eventType: "paid", sourceAppId: source, dataPayload: { amount, by: { name: "ada" } } };
  const { status, body } = await postJson(`${leader.url}/api/v1/events`, event);
  expect(status).toBe(201);
  return body;
}

/** Does something to one node's blocks, and waits until any node shows the alert. */
async function found(
  victim: ClusterNode,
  act: (blocks: Blocks, db: Db) => Promise<unknown>,
  isMeant: (alert: AlertRecord) => boolean,
): Promise<AlertRecord> {
  await withDatabase(victim.mongodbUri, (db) => act(db.collection("blocks"), db));
  const at = performance.now();
  const other = nodes.find(({ id }) => id !== victim.id) as ClusterNode;
  let last: AlertRecord[] = [];
  const alert = await eventually(
    async () => {
      last = await alertsOf(other);
      return last.find(isMeant);
    },
    FOUND_WITHIN_MS,
    "an alert tells of it",
  ).catch((error) => {
    throw new Error(`${error}\n${JSON.stringify(last, null, 1)}\n${cluster.logTail(victim.id, 10)}`);
  });
  process.stdout.write(`${alert.kind} on ${alert.node} found in ${Math.round(performance.now() - at)} ms\n`);
  expect(alert).toMatchObject({ node: victim.id, accused: victim.id, status: "open" });
  return alert;
}

const covers = ({ heights = [] }: AlertRecord, at: number): boolean => heights.some(([a, b]) => a <= at && at <= b);
const fieldsAt = (alert: AlertRecord, at: number): string[] =>
  (alert.differences ?? []).filter(({ height }) => height === at).map(({ field }) => field);

/** What a node gives as evidence, and what is said of it by who shares no code with the nodes. */
async function evidenceOf({ id }: AlertRecord): Promise<{ stored: EvidenceDocument[]; notes: string }> {
  const text = await (await fetch(`${leader.url}/api/v1/alerts/${id}/evidence`)).text();
  const { findings } = verifyEvidence(text);
  expect(findings.kept, text.slice(0, 2_000)).toEqual([]);
  const { blocks, others } = JSON.parse(text) as EvidenceBundle;
  return { stored: [...blocks.flatMap((one) => one.stored), ...others], notes: findings.notes.join("\n") };
}

/** When MongoDB's own log says that a node's block was changed last. */
const changeOf = ({ mongodbUri }: ClusterNode, at: number): Promise<string> =>
  withDatabase(mongodbUri, async (db) => {
    const oplog = db.client.db("local").collection<{ wall: Date }>("oplog.rs");
    const of = { ns: `${db.databaseName}.blocks`, op: "u", "o2._id": at };
    return (await oplog.findOne(of, { sort: { $natural: -1 } }))?.wall.toISOString() ?? "it is not in the oplog";
  });

describe("what somebody does to a node's database", () => {
  withCluster();

  it.each(["follower", "leader"] as const)(
    "names node, event and field of a payload that is edited on the %s",
    async (role) => {
      const victim = role === "leader" ? leader : follower;
      const written = await write();
      await write();
      await levelHead(nodes);
      const isMeant = ({ kind, heights = [], node }: AlertRecord) =>
        kind === "payload_modified" &&
        node === victim.id &&
        heights.some(([a, b]) => a <= written.height && written.height <= b);
      const alert = await found(
        victim,
        async (blocks) => {
          const { payloads } = await stored(blocks, written.height);
          await blocks.updateOne({ _id: written.height }, { $set: { payloads: edit(payloads, '"ada"', '"eve"') } });
        },
        isMeant,
      );
      expect(alert.sequence).toBe(written.sequence);
      expect(alert.differences).toEqual([
        {
          height: written.height,
          sequence: written.sequence,
          field: "dataPayload.by.name",
          stored: "eve",
          expected: "ada",
        },
      ]);
      // A node that was slow to answer is not among them.
      expect(alert.agreeing?.length).toBeGreaterThan(0);
      expect(nodes.map(({ id }) => id).filter((id) => id !== victim.id)).toEqual(
        expect.arrayContaining([...(alert.agreeing ?? [])]),
      );
      expect(alert.hashes?.event).toMatchObject({
        sequence: written.sequence,
        expected: written.hash,
        stored: written.hash,
      });
      expect(alert.hashes?.event?.recomputed).toMatch(/^[0-9a-f]{64}$/);
      expect(alert.hashes?.event?.recomputed).not.toBe(written.hash);
      expect(alert.foundBy).toBe("watch");
      // Not when it was found, but for a watch that finds it within the millisecond.
      expect(alert.changedAt).toBe(await changeOf(victim, written.height));
      expect(Date.parse(alert.openedAt)).toBeGreaterThan(Date.parse(alert.changedAt as string));
      await withDatabase(victim.mongodbUri, async (db) => {
        const kept = await db.collection("quarantine").countDocuments({ _id: alert.evidence?.[0] as never });
        expect(kept).toBe(1);
      });
      leader = (await cluster.leader()).node;
    },
  );

  it.each(BLOCK_EDITS)("finds $what", async ({ kind, fields, act }) => {
    leader = (await cluster.leader()).node;
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    await write(1);
    const written = await write(2);
    await write(3);
    await levelHead(nodes);
    const alert = await found(
      victim,
      (blocks) => act(blocks, written.height),
      (one) => one.kind === kind && one.node === victim.id && covers(one, written.height),
    );
    expect(fieldsAt(alert, written.height)).toEqual(expect.arrayContaining([...fields]));
    expect((alert.sequences ?? []).some(([a, b]) => a <= written.sequence && written.sequence <= b)).toBe(true);
    const others = (await alertsOf(leader)).filter((one) => one.kind !== kind && covers(one, written.height));
    expect(others).toEqual([]);
  });

  it("finds another signature of the first block", async () => {
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const { act } = BLOCK_EDITS.find(({ what }) => what.endsWith("inserted with another signature")) as BlockEdit;
    const alert = await found(
      victim,
      (blocks) => act(blocks, 1),
      (one) => one.kind === "signature_invalid" && one.node === victim.id && covers(one, 1),
    );
    expect(fieldsAt(alert, 1)).toEqual(["signature"]);
    // Members' keys, by which all evidence is verified, come from there.
    const { signature } = await withDatabase(leader.mongodbUri, (db) => stored(blocksOf(db), 1));
    await withDatabase(victim.mongodbUri, (db) => blocksOf(db).updateOne({ _id: 1 }, { $set: { signature } }));
  });

  it("finds what is altered in a copy that is put in the place of all blocks, and what was", async () => {
    leader = (await cluster.leader()).node;
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const written = await write(4);
    await levelHead(nodes);
    const exchange = async (blocks: Blocks, db: Db): Promise<void> => {
      await blocks.aggregate([{ $out: "copy" }]).toArray();
      await editPayload(db.collection("copy"), written.height);
      await db
        .collection("copy")
        .aggregate([{ $out: "blocks" }])
        .toArray();
    };
    const isMeant = (one: AlertRecord) => one.node === victim.id && covers(one, written.height);
    const alert = await found(victim, exchange, (one) => one.kind === "payload_modified" && isMeant(one));
    expect(fieldsAt(alert, written.height)).toEqual(["dataPayload.by.name"]);
    const isWhole = ({ kind, detail }: AlertRecord) =>
      kind === "missing" && detail.includes("replaced by the collection");
    await found(victim, async () => undefined, isWhole);
  });

  it("finds documents that no block can be", async () => {
    const copy = async (blocks: Blocks, _id: string) => blocks.insertOne({ ...(await stored(blocks, 2)), _id });
    const isMeant = ({ kind, detail }: AlertRecord) => kind === "forged" && detail.includes("with the id evil");
    const alert = await found(follower, (blocks) => copy(blocks, "evil"), isMeant);
    const { stored: documents } = await evidenceOf(alert);
    expect(documents).toMatchObject([{ isWhole: true, document: { document: { _id: "evil" } } }]);
  });

  it("finds what is done to entries, to the index's own account, to state, evidence and alerts", async () => {
    const written = await write();
    await levelHead(nodes);
    const of = (kind: string, text: string) => (one: AlertRecord) =>
      one.kind === kind && one.node === follower.id && one.detail.includes(text);
    const isEntrys = (one: AlertRecord) => of("index_differs", "entry")(one) && covers(one, written.height);
    const unindex = (blocks: Blocks) => blocks.updateOne({ _id: -written.height }, { $set: { terms: [] } });
    const alert = await found(follower, unindex, isEntrys);
    expect(alert.sequences?.some(([a, b]) => a <= written.sequence && written.sequence <= b)).toBe(true);
    expect(fieldsAt(alert, written.height)).toEqual(["entry.terms"]);
    const { stored: documents, notes } = await evidenceOf(alert);
    expect(documents).toMatchObject([{ isWhole: true, document: { entry: { first: {}, terms: [] } } }]);
    expect(notes).toContain(`Shown: ${follower.id}, block ${written.height}, entry.terms was found as`);
    const unaccounted = (blocks: Blocks) => blocks.deleteOne({ _id: Number.MIN_SAFE_INTEGER });
    await found(follower, unaccounted, of("index_differs", "what says that the index of this node is whole"));
    await found(follower, (_, db) => db.collection("quarantine").deleteMany({}), of("state_altered", "evidence"));
    await found(follower, (_, db) => db.collection("alerts").deleteMany({}), of("state_altered", "alerts"));
    await found(
      follower,
      (_, db) => db.collection("state").updateOne({}, { $inc: { "hard.term": 5 } }),
      of("state_altered", "term and vote"),
    );
  });

  it("makes one incident of thousands of altered events, with their ranges", async () => {
    leader = (await cluster.leader()).node;
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const places: { height: number; sequence: number }[] = [];
    for (let batch = 0; batch < 20; batch++) {
      const events = Array.from({ length: 100 }, (_, i) => ({
        eventType: "bulk",
        sourceAppId: source,
        dataPayload: { amount: `12${i}` },
      }));
      const { body } = await postJson(`${leader.url}/api/v1/events:batch`, { events });
      places.push(...body.events.map((one: { sequence: number }) => one));
    }
    await levelHead(nodes);
    const [first, last] = [places[0]?.sequence, places.at(-1)?.sequence] as [number, number];
    const alert = await found(
      victim,
      async (blocks) => {
        for await (const document of blocks.find({ "header.firstSequence": { $gte: first, $lte: last } })) {
          const bytes = Buffer.from(document.payloads.value());
          for (let at = bytes.indexOf('"12'); at !== -1; at = bytes.indexOf('"12', at + 1)) bytes.write('"99', at);
          await blocks.updateOne({ _id: document._id }, { $set: { payloads: new Binary(bytes) } });
        }
      },
      ({ kind, node, sequences = [] }) =>
        kind === "payload_modified" && node === victim.id && sequences.some(([a, b]) => a === first && b === last),
    );
    expect(alert.furtherDifferences).toBeGreaterThan(1_900);
    expect((await alertsOf(leader)).filter(({ kind }) => kind === "payload_modified").length).toBeLessThan(6);
  });
});

describe("a write to a leader's block that is put back at once", () => {
  withCluster({ env: { TAKEOVER_COOLDOWN_MS: "5000" } });

  it("has it hand over, and campaign late until somebody has resolved it; a dismissal is enough", async () => {
    const victim = leader;
    const written = await write();
    await levelHead(nodes);
    const alert = await found(
      victim,
      async (blocks) => {
        const { payloads } = await stored(blocks, written.height);
        for (const there of [edit(payloads, '"ada"', '"eve"'), payloads])
          await blocks.updateOne({ _id: written.height }, { $set: { payloads: there } });
      },
      (one) => one.node === victim.id && one.kind === "payload_modified" && covers(one, written.height),
    );
    const leads = async (): Promise<string> => (await cluster.leader()).node.id;
    await eventually(async () => (await leads()) !== victim.id, 30_000, "another node leads");
    const other = nodes.find(({ id }) => id !== victim.id) as ClusterNode;
    const url = `${other.url}/api/v1/alerts/${alert.id}`;
    await eventually(
      async () => {
        const { headers } = await call(url);
        const by = { actor: "grace", reason: "a test" };
        const { status } = await postJson(`${url}/dismiss`, by, { "If-Match": headers.get("etag") as string });
        return status < 300;
      },
      60_000,
      "the decision is taken",
    );
    await eventually(async () => (await leads()) === victim.id, 60_000, "it leads again, as it ranks highest");
  });
});

describe("an index that somebody deletes under a node that is down", () => {
  withCluster();

  it("finds that the index was deleted while the node was down, before it is ready", async () => {
    const victim = follower;
    const written = await write();
    await levelHead(nodes);
    await cluster.kill(victim.id);
    await withDatabase(victim.mongodbUri, (db) =>
      db.collection<{ _id: number }>("blocks").deleteMany({ _id: { $lt: 0 } }),
    );
    await cluster.start(victim.id);
    const isReady = async (): Promise<boolean> => (await call(`${victim.url}/readyz`)).status === 200;
    await eventually(isReady, 60_000, "it is ready");
    const own = (await alertsOf(victim)).filter(({ node, kind }) => node === victim.id && kind === "index_differs");
    expect(own.map(({ detail }) => detail).join()).toContain("what says that the index of this node is whole");
    const names = async () =>
      (await alertsOf(victim)).some((one) => one.node === victim.id && covers(one, written.height));
    await eventually(names, 60_000, "it names what was missing");
  });
});

describe("what somebody does to a node's log as a whole", () => {
  withCluster();

  it("finds what was done while the node was down, and is not ready until somebody has resolved it", async () => {
    leader = (await cluster.leader()).node;
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const written = await write();
    await write();
    await levelHead(nodes);
    await cluster.kill(victim.id);
    await withDatabase(victim.mongodbUri, async (db) => {
      const blocks: Blocks = db.collection("blocks");
      const { payloads } = await stored(blocks, written.height);
      await blocks.updateOne({ _id: written.height }, { $set: { payloads: edit(payloads, '"ada"', '"eve"') } });
    });
    await cluster.start(victim.id);
    let wasReady = false;
    const alert = await eventually(
      async () => {
        wasReady ||= (await call(`${victim.url}/readyz`)).status === 200;
        return (await alertsOf(victim)).find(
          (one) => one.node === victim.id && one.kind === "payload_modified" && covers(one, written.height),
        );
      },
      60_000,
      "it is found",
    );
    const failing = async (): Promise<string[]> => {
      const { body } = await call(`${victim.url}/readyz`);
      return body.checks.flatMap(({ name, isOk, isAdvisory }: { name: string; isOk: boolean; isAdvisory?: boolean }) =>
        isOk || isAdvisory === true ? [] : [name],
      );
    };
    await eventually(async () => (await failing()).join() === "integrity", 60_000, "nothing else is in the way");
    expect(wasReady).toBe(false);
    // It is damaged, and its vote and its acknowledgements count.
    const own = async () => {
      const { body } = await call(`${leader.url}/api/v1/cluster`);
      return body.nodes.find(({ id }: { id: string }) => id === victim.id);
    };
    const isDamaged = async (): Promise<boolean> => {
      const { health, role, healthy } = await own();
      return health === "damaged" && role === "follower" && healthy === false;
    };
    await eventually(isDamaged, 60_000, "it is damaged, and follows");
    const third = nodes.find(({ id }) => id !== leader.id && id !== victim.id) as ClusterNode;
    await cluster.kill(third.id);
    const after = await eventually(
      async () => {
        const event = { eventType: "paid", sourceAppId: source, dataPayload: { amount: 1 } };
        const { status, body } = await postJson(`${victim.url}/api/v1/events`, event);
        return status === 201 && body;
      },
      60_000,
      "leader and damaged node are a majority",
    );
    expect(after.acknowledgedBy).toContain(victim.id);
    await cluster.start(third.id);
    await levelHead(nodes, 60_000);
    const url = `${third.url}/api/v1/alerts/${alert.id}`;
    await eventually(
      async () => {
        const { headers } = await call(url);
        const answer = await postJson(
          `${url}/repair`,
          { actor: "grace", reason: "checked" },
          { "If-Match": headers.get("etag") as string },
        );
        return answer.status < 300;
      },
      60_000,
      "the decision is taken",
    );
    await eventually(async () => (await call(`${victim.url}/readyz`)).status === 200, 60_000, "it is ready again");
    await eventually(async () => (await own()).health === "sound", 60_000, "it is sound");
  });

  it("finds a tail that is cut off, on follower and leader, and a log that is dropped", async () => {
    leader = (await cluster.leader()).node;
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const written = await write();
    await levelHead(nodes);
    const cut = (blocks: Blocks) => blocks.deleteMany({ _id: { $gte: written.height } });
    // Where a block came in between, as one that tells of alerts, it stands above a hole: then no tail is missing any more.
    const isTold = ({ kind }: AlertRecord): boolean => kind === "truncated_tail" || kind === "missing";
    for (const node of [victim, leader])
      await found(node, cut, (one) => isTold(one) && one.node === node.id && covers(one, written.height));
    await found(
      victim,
      (blocks) => blocks.drop(),
      (one) => one.kind === "missing" && one.node === victim.id && one.detail.includes("dropped"),
    );
  });
});

describe("a node on a standalone MongoDB, which says nothing of changes", () => {
  let mongod: TestMongod;
  beforeAll(async () => {
    mongod = await startMongod({ replSet: false });
    const env = { VERIFY_SCHEDULE: "*/2 * * * * *" };
    cluster = await startSteadyCluster({ mongodbUris: [`mongodb://127.0.0.1:${mongod.port}/events`], env });
    nodes = cluster.nodes;
    leader = (await cluster.leader()).node;
  });
  afterAll(async () => {
    await cluster?.stop();
    await mongod?.stop();
  });

  it("says so, and finds with its scrub what is changed: which event, as nobody can say which field", async () => {
    const written = await write();
    await write();
    await withDatabase(leader.mongodbUri, async (db) => {
      const blocks: Blocks = db.collection("blocks");
      const { payloads } = await stored(blocks, written.height);
      await blocks.updateOne({ _id: written.height }, { $set: { payloads: edit(payloads, '"ada"', '"eve"') } });
      await blocks.updateOne({ _id: -written.height - 1 }, { $set: { terms: [] } });
    });
    const ofKind = (kind: string) =>
      eventually(async () => (await alertsOf(leader)).find((one) => one.kind === kind), 30_000, kind);
    expect(await ofKind("payload_modified")).toMatchObject({
      ...{ foundBy: "scrub", heights: [[written.height, written.height]], agreeing: [] },
      sequences: [[written.sequence, written.sequence]],
    });
    expect(await ofKind("index_differs")).toMatchObject({ foundBy: "scrub", height: written.height + 1 });
    const down = await ofKind("watch_down");
    expect(down).toMatchObject({ severity: "warning", status: "open" });
    const { body } = await call(`${leader.url}/api/v1/cluster`);
    expect(body.nodes[0].watch).toBe("unsupported");
    expect((await call(`${leader.url}/api/v1/alerts/${down.id}`)).body).toMatchObject({
      id: down.id,
      detail: down.detail,
    });
    expect((await call(`${leader.url}/api/v1/alerts/${"0".repeat(24)}`)).status).toBe(404);
  });
});
