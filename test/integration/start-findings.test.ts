import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { readStoredBlocks, withDatabase } from "../support/stored-blocks.js";
import { alertsOf } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 60_000;
const source = uniqueSource();

let cluster: Cluster;
beforeAll(async () => {
  // A node that was killed waits for two election timeouts when it starts.
  cluster = await startSteadyCluster({ env: { ELECTION_TIMEOUT_MS: "2500" } });
});
afterAll(() => cluster?.stop());

async function roles(): Promise<{ leader: ClusterNode; victim: ClusterNode; other: ClusterNode }> {
  const { node: leader } = await cluster.leader();
  const [victim, other] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
  return { leader, victim, other };
}

async function write(node: ClusterNode, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const event = { eventType: "T", sourceAppId: source, dataPayload: { i } };
    expect((await postJson(`${node.url}/api/v1/events`, event)).status).toBe(201);
  }
}

/** The mark of its identity file, once it is that of the newest block. */
async function markedTail({ id, mongodbUri }: ClusterNode): Promise<number> {
  const file = join(cluster.dataDir, id, "identity.json");
  return eventually(
    async () => {
      const tail = (await readStoredBlocks(mongodbUri)).at(-1)?.height;
      return JSON.parse(readFileSync(file, "utf8")).mark?.height === tail && tail;
    },
    WITHIN_MS,
    "the newest block is marked",
  ) as Promise<number>;
}

const shownAt = (node: ClusterNode, isMeant: (alert: AlertRecord) => boolean): Promise<AlertRecord> =>
  eventually(
    async () => (await alertsOf(node)).find((alert) => isMeant(alert) && alert.inLog !== undefined),
    WITHIN_MS,
    "another node shows the alert, which is in the log",
  ).catch(async (error) => {
    throw new Error(`${error}\n${JSON.stringify(await alertsOf(node), null, 1)}`);
  });

const isReady = (node: ClusterNode): Promise<unknown> =>
  eventually(async () => (await call(`${node.url}/readyz`)).status === 200, WITHIN_MS, `${node.id} is ready`);

const startFindings = async (node: ClusterNode): Promise<AlertRecord[]> =>
  (await alertsOf(node, "&status=all")).filter(({ foundBy }) => foundBy === "start");

async function dismiss(node: ClusterNode, { id }: AlertRecord): Promise<void> {
  const url = `${node.url}/api/v1/alerts/${id}`;
  const etag = (await call(url)).headers.get("etag") as string;
  const { status } = await postJson(`${url}/dismiss`, { actor: "ada", reason: "a test" }, { "If-Match": etag });
  expect(status).toBe(200);
}

it("a tail that was cut while its node was down is an alert at every node, and leaves the copied log undamaged", async () => {
  const { leader, victim, other } = await roles();
  await write(leader, 8);
  await levelHead(cluster.nodes);
  const tail = await markedTail(victim);
  await cluster.kill(victim.id);
  await withDatabase(victim.mongodbUri, (db) =>
    db.collection("blocks").deleteMany({ _id: { $gt: tail - 3 } as never }),
  );
  await cluster.start(victim.id);

  const alert = await shownAt(other, ({ kind, node }) => kind === "truncated_tail" && node === victim.id);
  expect(alert).toMatchObject({
    ...{ accused: victim.id, foundBy: "start", severity: "critical", status: "open", heights: [[tail - 2, tail]] },
    differences: [{ height: tail - 2, field: "log.tailHeight", stored: tail - 3, expected: tail }],
  });
  expect(alert.detail).toContain(`missing from the end of the log of ${victim.id}`);
  await levelHead(cluster.nodes);
  await isReady(victim);

  // It is the same one after another start, and the node as sound as before.
  await cluster.kill(victim.id);
  await cluster.start(victim.id);
  await levelHead(cluster.nodes);
  await isReady(victim);
  expect(await startFindings(other)).toMatchObject([{ id: alert.id, status: "open", occurrences: 1 }]);
  await dismiss(other, alert);
  expect(JSON.parse(readFileSync(join(cluster.dataDir, victim.id, "identity.json"), "utf8")).found).toEqual([]);
}, 300_000);

it("a vote that was changed in a stopped node's state is an alert at every node", async () => {
  const { victim, other } = await roles();
  const before = (await startFindings(other)).map(({ id }) => id);
  await cluster.kill(victim.id);
  await withDatabase(victim.mongodbUri, (db) =>
    db.collection("state").updateOne({ _id: "state" as never }, { $set: { "hard.votedFor": "n9" } }),
  );
  await cluster.start(victim.id);
  const alert = await shownAt(other, ({ id, kind }) => kind === "state_altered" && !before.includes(id));
  expect(alert).toMatchObject({ node: victim.id, accused: victim.id, foundBy: "start", status: "open" });
  expect(alert.detail).toMatch(/joined anew.*not what it wrote there/);
  await levelHead(cluster.nodes);
  await isReady(victim);
  await dismiss(other, alert);
}, 300_000);

it("a node that is killed under load, and one whose database is lost, raise none", async () => {
  const { leader, victim, other } = await roles();
  const before = (await startFindings(leader)).map(({ id }) => id).sort();
  let isWriting = true;
  const writers = [leader, other].map(async (node) => {
    while (isWriting) await write(node, 1);
  });
  for (let round = 0; round < 2; round++) {
    await cluster.kill(victim.id);
    await cluster.start(victim.id);
  }
  isWriting = false;
  await Promise.all(writers);
  await levelHead(cluster.nodes);
  await isReady(victim);
  expect((await startFindings(leader)).map(({ id }) => id).sort()).toEqual(before);

  await cluster.kill(other.id);
  await withDatabase(other.mongodbUri, (db) => db.dropDatabase());
  await cluster.start(other.id);
  await levelHead(cluster.nodes);
  expect(cluster.logTail(other.id, 200)).toContain("its database is another one than before");
  // It is killed as it may still be copying, too.
  await cluster.kill(other.id);
  await cluster.start(other.id);
  await levelHead(cluster.nodes);
  await isReady(other);
  expect(await alertsOf(leader)).toEqual([]);
  await withDatabase(other.mongodbUri, async (db) => {
    expect(await db.collection("alerts").countDocuments()).toBe(0);
  });
}, 300_000);

it("a node that lost its identity file alone raises none: what that one has noted of the watch goes with it", async () => {
  const { leader, victim } = await roles();
  const before = (await alertsOf(leader, "&status=all")).map(({ id }) => id).sort();
  // A page of anchors is of 256 blocks.
  await write(leader, 260);
  await levelHead(cluster.nodes);
  const [identity, places] = ["identity.json", "integrity.json"].map((name) => join(cluster.dataDir, victim.id, name));
  await eventually(async () => existsSync(places as string), WITHIN_MS, "the place of the watch is written");
  await cluster.kill(victim.id);
  await withDatabase(victim.mongodbUri, async (db) =>
    expect(await db.collection("anchors").countDocuments()).toBeGreaterThan(0),
  );
  rmSync(identity as string);
  await cluster.start(victim.id);
  expect(cluster.logTail(victim.id, 200)).toContain("its identity file is new");
  await levelHead(cluster.nodes);
  await isReady(victim);
  expect((await alertsOf(leader, "&status=all")).map(({ id }) => id).sort()).toEqual(before);
}, 300_000);
