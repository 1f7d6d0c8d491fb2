import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { withDatabase } from "../support/stored-blocks.js";
import { alertsOf, covers, editPayload, tamper } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 60_000;

interface Check {
  readonly name: string;
  readonly isOk: boolean;
}

let cluster: Cluster;
let leader: ClusterNode;
let victim: ClusterNode;
let other: ClusterNode;
beforeAll(async () => {
  cluster = await startSteadyCluster();
  leader = (await cluster.leader()).node;
  [victim, other] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
  await eventually(async () => (await call(`${victim.url}/readyz`)).status === 200, WITHIN_MS, "it is ready");
});
afterAll(() => cluster?.stop());

async function altered(): Promise<{ at: number; alert: AlertRecord }> {
  const event = { eventType: "paid", sourceAppId: uniqueSource(), dataPayload: { to: "ada lovelace" } };
  const { body } = await postJson(`${leader.url}/api/v1/events`, event);
  await postJson(`${leader.url}/api/v1/events`, event);
  await levelHead(cluster.nodes);
  await tamper(victim, (blocks) => editPayload(blocks, body.height, '"ada lovelace"', '"eve lovelace"'));
  const alert = await shown(
    ({ node, inLog, ...one }) => node === victim.id && inLog !== undefined && covers(one as AlertRecord, body.height),
  );
  return { at: body.height, alert };
}

const shown = (isMeant: (alert: AlertRecord) => boolean, query = ""): Promise<AlertRecord> =>
  eventually(async () => (await alertsOf(other, query)).find(isMeant), WITHIN_MS, "the alert is shown");

/** The control records of this alert, by the other node's log. */
async function recordsOf(id: string): Promise<{ height: number; control: Record<string, unknown>; text: string }[]> {
  const found: { height: number; control: Record<string, unknown>; text: string }[] = [];
  const { body } = await call(`${other.url}/api/v1/cluster`);
  const { commitHeight } = body.nodes.find((node: { id: string }) => node.id === other.id);
  for (let height = 1; height <= commitHeight; height++) {
    const { control } = (await call(`${other.url}/api/v1/blocks/${height}`)).body.header;
    const text = JSON.stringify(control ?? null);
    if (control?.kind === "alert_records" && text.includes(id)) found.push({ height, control, text });
  }
  return found;
}

it("stands in every node's log, signed by its finder, without a value, and outlives its node", async () => {
  const stream = new AbortController();
  const heard: string[] = [];
  const events = await fetch(`${other.url}/api/v1/stream`, {
    headers: { Accept: "text/event-stream" },
    signal: stream.signal,
  });
  const reading = (async () => {
    for await (const chunk of events.body as unknown as AsyncIterable<Uint8Array>)
      heard.push(Buffer.from(chunk).toString());
  })().catch(() => undefined);

  const { at, alert } = await altered();
  const record = await eventually(async () => (await recordsOf(alert.id))[0], WITHIN_MS, "its record is in the log");
  expect(record.height).toBe(alert.inLog?.height);
  expect(record.control).toMatchObject({
    node: victim.id,
    notes: [
      {
        id: alert.id,
        action: "opened",
        alertKind: "payload_modified",
        heights: [[at, at]],
        fields: ["dataPayload.to"],
      },
    ],
  });
  expect(record.text).not.toMatch(/lovelace/);
  const bundle = (await call(`${other.url}/api/v1/alerts/${alert.id}/evidence`)).body as EvidenceBundle;
  expect(alert.inLog?.evidenceHash).toBe(bundle.evidenceHash);
  await eventually(
    () => heard.join("").includes(`event: alert`) && heard.join("").includes(alert.id),
    WITHIN_MS,
    "it is on the stream",
  );
  stream.abort();
  await reading;

  await cluster.kill(victim.id);
  const alone = await shown(({ id }) => id === alert.id);
  expect(alone).toMatchObject({ isFromLogOnly: true, status: "open", kind: "payload_modified", node: victim.id });
  // A node that is only slow counts as one that did not answer.
  const isAlone = async (): Promise<boolean> =>
    String((await call(`${other.url}/api/v1/alerts`)).body.unreachable) === victim.id;
  await eventually(isAlone, WITHIN_MS, "the victim alone does not answer");
  const isTold = async (): Promise<boolean> =>
    (await call(`${other.url}/api/v1/cluster`)).body.state === "integrity_alert";
  await eventually(isTold, WITHIN_MS, "the cluster's state tells of it");
  expect((await call(`${other.url}/api/v1/alerts/${alert.id}`)).body).toMatchObject({ isFromLogOnly: true });

  // Somebody takes the node's own records away while it is down.
  await withDatabase(victim.mongodbUri, (db) => db.collection("alerts").deleteMany({}));
  await cluster.start(victim.id);
  // It takes its record back from the log, and stays damaged until somebody has resolved it.
  const back = await shown(({ id, isFromLogOnly }) => id === alert.id && isFromLogOnly === undefined);
  expect(back).toMatchObject({ status: "open", foundBy: "start", heights: [[at, at]] });
  const isDamaged = async (): Promise<boolean> => {
    const { status, body: told } = await call(`${victim.url}/readyz`);
    return status === 503 && told.checks.some((one: Check) => one.name === "integrity" && !one.isOk);
  };
  await eventually(isDamaged, WITHIN_MS, "it is not ready for its log");
});

it("is believed of the node that wrote it only, and remembers every decision", async () => {
  const { alert } = await altered();
  await withDatabase(victim.mongodbUri, (db) =>
    db.collection("alerts").updateMany({}, { $set: { status: "resolved", resolution: "dismissed" } }),
  );
  const told = await shown(
    ({ kind, node, detail }) => kind === "state_altered" && node === victim.id && detail.includes("alerts"),
  );
  expect(told.status).toBe("open");
  const still = await shown(({ id }) => id === alert.id);
  expect(still.status).toBe("open");

  const url = `${leader.url}/api/v1/alerts/${alert.id}`;
  const by = { actor: "grace", reason: "a test of the safe" };
  const { status } = await eventually(
    async () => {
      const etag = (await call(url)).headers.get("etag") as string;
      const answer = await postJson(`${url}/repair`, by, { "If-Match": etag });
      // More was found of it since it was looked at.
      return answer.status !== 412 && answer;
    },
    WITHIN_MS,
    "the repair is asked for",
  );
  expect(status).toBeLessThan(300);
  const resolved = await shown(
    ({ id, inLog }) => id === alert.id && (inLog?.height ?? 0) > (alert.inLog?.height ?? 0),
    "&status=resolved",
  );
  expect(resolved).toMatchObject({ resolution: "repaired", status: "resolved" });
  const actions = (await recordsOf(alert.id)).flatMap(({ control }) =>
    (control.notes as { id: string; action: string; actor?: string }[]).filter(({ id }) => id === alert.id),
  );
  await eventually(
    async () => (await recordsOf(alert.id)).some(({ text }) => text.includes('"repaired"')),
    WITHIN_MS,
    "the repair is in the log",
  );
  expect(actions[0]).toMatchObject({ action: "opened" });
  const all = (await recordsOf(alert.id)).map(({ text }) => text).join();
  expect(all).toContain("repair_begun");
  expect(all).toContain("a test of the safe");
});
