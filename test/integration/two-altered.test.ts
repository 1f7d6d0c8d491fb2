import { Binary } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { withDatabase } from "../support/stored-blocks.js";
import { alertsOf, covers, editPayload, tamper } from "../support/tampering.js";
import { type Answer, call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 60_000;
const PATIENT = { timeout: 600_000 };
const BY = { actor: "grace", reason: "compared with the copy in the safe" };

let cluster: Cluster;
let victims: readonly ClusterNode[];
let sound: ClusterNode;
const source = uniqueSource();
beforeAll(async () => {
  cluster = await startSteadyCluster();
});
afterAll(() => cluster?.stop());

const isReady = async (node: ClusterNode): Promise<boolean> => (await call(`${node.url}/readyz`)).status === 200;
const allReady = (nodes: readonly ClusterNode[]): Promise<unknown> =>
  eventually(async () => (await Promise.all(nodes.map(isReady))).every(Boolean), WITHIN_MS, "all are ready");

async function write(to: ClusterNode): Promise<{ height: number; sequence: number }> {
  const event = { eventType: "paid", sourceAppId: source, dataPayload: { amount: 100, to: "ada" } };
  return eventually(
    async () => {
      const { status, body } = await postJson(`${to.url}/api/v1/events`, event);
      return status === 201 && body;
    },
    WITHIN_MS,
    "a write is taken",
  ) as Promise<{ height: number; sequence: number }>;
}

/** What is stored there, without what each node has of its own. */
const payloadsOf = (node: ClusterNode, at: number): Promise<string> =>
  withDatabase(node.mongodbUri, async (db) => {
    const found = await db.collection("blocks").findOne({ _id: at as never });
    return Buffer.from(found?.payloads.value()).toString("latin1");
  });

const alertAt = (victim: ClusterNode, at: number): Promise<AlertRecord> =>
  eventually(
    async () => (await alertsOf(sound)).find((one) => one.node === victim.id && covers(one, at)),
    WITHIN_MS,
    `what was done to ${victim.id} is found`,
  ) as Promise<AlertRecord>;

async function repair(asked: ClusterNode, id: string): Promise<Answer> {
  const url = `${asked.url}/api/v1/alerts/${id}`;
  return eventually(
    async () => {
      const { headers } = await call(url);
      const answer = await postJson(`${url}/repair`, BY, { "If-Match": headers.get("etag") as string });
      return answer.status !== 412 && answer.status !== 503 && answer;
    },
    WITHIN_MS,
    "the decision is taken",
  ) as Promise<Answer>;
}

const settled = (asked: ClusterNode, id: string, is: (alert: AlertRecord) => boolean): Promise<AlertRecord> =>
  eventually(
    async () => {
      const { body } = await call(`${asked.url}/api/v1/alerts/${id}`);
      return is(body) && body;
    },
    WITHIN_MS,
    "the alert is settled",
  ) as Promise<AlertRecord>;

it(
  "with two of three nodes altered alike, each is found and named, and no majority of copies puts anything back",
  PATIENT,
  async () => {
    await allReady(cluster.nodes);
    const { node: leader } = await cluster.leader();
    const others = cluster.nodes.filter(({ id }) => id !== leader.id);
    // Leader and one follower.
    victims = [leader, others[0] as ClusterNode];
    sound = others[1] as ClusterNode;
    const written = await write(leader);
    await write(leader);
    await levelHead(cluster.nodes);
    await Promise.all(
      victims.map((node) => tamper(node, (blocks) => editPayload(blocks, written.height, '"ada"', '"eve"'))),
    );
    const alerts = await Promise.all(victims.map((victim) => alertAt(victim, written.height)));
    for (const [i, alert] of alerts.entries()) {
      const { id } = victims[i] as ClusterNode;
      expect(alert).toMatchObject({ kind: "payload_modified", node: id, accused: id, sequence: written.sequence });
      expect(alert.differences?.[0]).toMatchObject({ field: "dataPayload.to", stored: "eve", expected: "ada" });
      // The copies that agree with each other are two, and count for nothing.
      expect(alert.agreeing).toEqual([sound.id]);
    }
    expect((await alertsOf(sound)).filter(({ accused }) => accused === sound.id)).toEqual([]);

    // Damaged, not ready, and no learner: they vote and acknowledge, so writes go on.
    const areDamaged = async (): Promise<boolean> => {
      const { body } = await call(`${sound.url}/api/v1/cluster`);
      const healths = new Map<string, string>(
        body.nodes.map(({ id, health }: { id: string; health: string }) => [id, health]),
      );
      const told = [...victims, sound].map(({ id }) => healths.get(id));
      return told.join() === "damaged,damaged,sound";
    };
    await eventually(areDamaged, WITHIN_MS, "the two are damaged, and the third is sound");
    expect(await Promise.all(victims.map(isReady))).toEqual([false, false]);
    expect((await call(`${victims[0]?.url}/readyz?verbose`)).body).toContain("[-]integrity failed");
    await write(sound);

    // Without the sound copy a repair finds none that is proved, though two nodes have the same one.
    const [first, second] = alerts as [AlertRecord, AlertRecord];
    const [one, two] = victims as [ClusterNode, ClusterNode];
    await cluster.kill(sound.id);
    expect((await repair(two, first.id)).status).toBeLessThan(300);
    const failed = await settled(two, first.id, ({ history }) => history?.at(-1)?.action === "failed");
    expect(failed).toMatchObject({ status: "open" });
    expect(failed.history?.at(-1)?.detail).toMatch(/No member that answers has block/);
    for (const node of victims) expect(await payloadsOf(node, written.height)).toContain('"eve"');

    // Nothing was put back by anybody; after a decision it is, from the one copy that is proved.
    await cluster.start(sound.id);
    await allReady([sound]);
    for (const node of victims) expect(await payloadsOf(node, written.height)).toContain('"eve"');
    for (const [victim, id] of [
      [one, first.id],
      [two, second.id],
    ] as const) {
      expect((await repair(sound, id)).status).toBeLessThan(300);
      const repaired = await settled(sound, id, ({ status }) => status === "resolved");
      expect(repaired).toMatchObject({ resolution: "repaired" });
      expect(repaired.history?.map(({ action }) => action)).toContain("repair_begun");
      expect(await payloadsOf(victim, written.height)).toContain('"ada"');
    }
    await allReady(cluster.nodes);
  },
);

it(
  "with the signatures of two of three altered alike, both are named, by the copy whose signature is good",
  PATIENT,
  async () => {
    await allReady(cluster.nodes);
    const written = await write(sound);
    await write(sound);
    await levelHead(cluster.nodes);
    const signature = new Binary(new Uint8Array(64));
    const edit = (node: ClusterNode) =>
      tamper(node, (blocks) => blocks.updateOne({ _id: written.height }, { $set: { signature } }));
    await Promise.all(victims.map(edit));
    for (const victim of victims) {
      const alert = await alertAt(victim, written.height);
      expect(alert).toMatchObject({ kind: "signature_invalid", accused: victim.id, agreeing: [sound.id] });
      expect(alert.differences?.map(({ field }) => field)).toEqual(["signature"]);
    }
  },
);
