import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, type ClusterNode, startCluster } from "../../scripts/cluster/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { withDatabase } from "../support/stored-blocks.js";
import { call, postJson, uniqueSource } from "./api-support.js";

/** How long writers write; more for a soak. */
const SECONDS = Number(process.env.SOAK_SECONDS ?? 40);
const WRITERS = 16;

let cluster: Cluster;
let paths = "user";
const source = uniqueSource();

beforeAll(async () => {
  cluster = await startCluster({
    // A machine that does much else at once makes no leader lose its majority.
    env: { VERIFY_SCHEDULE: "*/2 * * * * *", TAKEOVER_COOLDOWN_MS: "1000", ELECTION_TIMEOUT_MS: "2500" },
    nodeEnv: () => ({ INDEX_PAYLOAD: paths }),
  });
});
afterAll(() => cluster?.stop());

const pick = (): ClusterNode => cluster.nodes[Math.floor(Math.random() * cluster.nodes.length)] as ClusterNode;

async function writeUntil(isOver: () => boolean): Promise<number> {
  let written = 0;
  for (let i = 0; !isOver(); i++) {
    const events = Array.from({ length: 1 + (i % 5) }, () => ({
      eventType: "load",
      sourceAppId: source,
      dataPayload: { user: `u${i}`, order: { id: i } },
    }));
    // A node that is down, or has no majority, takes none.
    const answer = await postJson(`${pick().url}/api/v1/events:batch`, { events }).catch(() => null);
    if (answer?.status === 201) written += events.length;
    else await delay(50);
  }
  return written;
}

/** What a cluster goes through without anybody touching its data. */
const TROUBLES: readonly ((round: number) => Promise<void>)[] = [
  async function leaderDies() {
    const { node } = await cluster.leader(30_000);
    await cluster.kill(node.id);
    await delay(5_000);
    await cluster.start(node.id);
  },
  async function tailIsReplaced() {
    const { node: leader } = await cluster.leader(30_000);
    const others = cluster.nodes.filter(({ id }) => id !== leader.id);
    for (const { id } of others) cluster.signal(id, "SIGSTOP");
    await delay(400);
    await cluster.kill(leader.id);
    for (const { id } of others) cluster.signal(id, "SIGCONT");
    await delay(5_000);
    await cluster.start(leader.id);
  },
  async function mongodDies() {
    const { id } = pick();
    await cluster.killMongod(id);
    await delay(1_000);
    await cluster.start(id);
  },
  async function indexIsExtended(round) {
    paths = round % 2 === 0 ? "user,order.id" : "user";
    const { id } = pick();
    await cluster.kill(id);
    await cluster.start(id);
  },
  async function leadIsHandedOver() {
    const { node } = await cluster.leader(30_000);
    await postJson(`${node.url}/api/v1/cluster/step-down`, { actor: "test", reason: "no alarm" });
  },
];

it(
  `raises no alert under load, failovers, replaced tails, restarts of nodes and servers, and scrubs, for ${SECONDS} s`,
  async () => {
    const end = performance.now() + 1_000 * SECONDS;
    const isOver = (): boolean => performance.now() > end;
    const writers = Array.from({ length: WRITERS }, () => writeUntil(isOver));
    for (let round = 0; !isOver(); round++) {
      for (const trouble of TROUBLES) {
        if (isOver()) break;
        await trouble(round).catch((error: Error) => {
          const tails = cluster.nodes.map(({ id }) => cluster.logTail(id, 30));
          throw new Error(`${trouble.name}, round ${round}: ${error.message}\n${cluster.missing}\n${tails.join("\n")}`);
        });
        await delay(1_000);
      }
    }
    const written = (await Promise.all(writers)).reduce((sum, one) => sum + one, 0);
    expect(written).toBeGreaterThan(100);
    await levelHead(cluster.nodes, 60_000);
    // A pass over all of it that began after the last trouble, on every node, and every watch as it should be.
    const levelAt = Date.now();
    await eventually(
      async () => {
        const { nodes } = (await call(`${cluster.nodes[0]?.url}/api/v1/cluster`)).body;
        const isDone = (one: { watch: string; oldestVerifiedAt: string | null; verifiedThrough: number }) =>
          one.watch === "live" &&
          one.verifiedThrough + 1 >= written &&
          Date.parse(one.oldestVerifiedAt ?? "") > levelAt;
        return nodes.every(isDone) || Promise.reject(new Error(JSON.stringify(nodes)));
      },
      90_000,
      "every node has verified all of its log",
    );
    const { body } = await call(`${cluster.nodes[0]?.url}/api/v1/alerts?limit=500`);
    expect(body).toEqual({ alerts: [], more: 0, unreachable: [] });
    for (const { mongodbUri } of cluster.nodes)
      await withDatabase(mongodbUri, async (db) => {
        expect(await db.collection("alerts").countDocuments()).toBe(0);
      });
  },
  1_000 * SECONDS + 300_000,
);
