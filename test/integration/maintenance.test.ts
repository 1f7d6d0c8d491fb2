import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { alertsOf, covers, editPayload, tamper } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 90_000;

let receiver: Server;
const messages: { type: string; data: AlertRecord }[] = [];
let cluster: Cluster;
let asked: ClusterNode;
let worked: ClusterNode;
let other: ClusterNode;
beforeAll(async () => {
  receiver = createServer(async (incoming, answer) => {
    messages.push(JSON.parse(await text(incoming)));
    answer.writeHead(204).end();
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alerts`;
  cluster = await startSteadyCluster({
    env: {
      ...{ ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 9).toString("base64")}` },
      ALERT_WEBHOOK_ALLOW_PRIVATE: "true",
    },
  });
  [asked, worked, other] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  for (const { url: at } of cluster.nodes)
    await eventually(async () => (await call(`${at}/readyz`)).status === 200, WITHIN_MS, "it is ready");
});
afterAll(async () => {
  await cluster?.stop();
  receiver?.closeAllConnections();
  receiver?.close();
});

/** Whoever leads. One that gave no word may have recorded it all the same: said again in the same words it is the same window. */
async function announced(node: ClusterNode, reason: string): Promise<MaintenanceWindow> {
  const [from, until] = [0, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
  const said = { node: node.id, from, until, actor: "ada", reason };
  const record = async () => {
    const { status, body } = await postJson(`${asked.url}/api/v1/cluster/maintenance`, said);
    expect([201, 503]).toContain(status);
    return status === 201 && (body as MaintenanceWindow);
  };
  return eventually(record, WITHIN_MS, "it is recorded");
}

const windowsOf = async ({ url }: ClusterNode): Promise<MaintenanceWindow[]> =>
  (await call(`${url}/api/v1/cluster/maintenance`)).body.windows;

/** What the node's stream has told so far. */
async function streamOf({ url }: ClusterNode): Promise<{ heard: () => string; end: () => Promise<void> }> {
  const stop = new AbortController();
  let heard = "";
  const events = await fetch(`${url}/api/v1/stream`, {
    headers: { Accept: "text/event-stream" },
    signal: stop.signal,
  });
  const reading = (async () => {
    for await (const chunk of events.body as unknown as AsyncIterable<Uint8Array>)
      heard += Buffer.from(chunk).toString();
  })().catch(() => undefined);
  const end = async (): Promise<void> => {
    stop.abort();
    await reading;
  };
  return { heard: () => heard, end };
}

const isAnnotated = (line: string): boolean =>
  line.startsWith("data:") && line.includes('"maintenance":[{') && line.includes("mongod is upgraded");

async function altered(node: ClusterNode): Promise<number> {
  const event = { eventType: "paid", sourceAppId: uniqueSource(), dataPayload: { to: "ada lovelace" } };
  const { body } = await postJson(`${asked.url}/api/v1/events`, event);
  await postJson(`${asked.url}/api/v1/events`, event);
  await levelHead(cluster.nodes);
  await tamper(node, (blocks) => editPayload(blocks, body.height, '"ada lovelace"', '"eve lovelace"'));
  return body.height;
}

const alertOn = (shower: ClusterNode, finder: ClusterNode, at: number): Promise<AlertRecord> =>
  eventually(
    async () => (await alertsOf(shower)).find((one) => one.node === finder.id && covers(one, at)),
    WITHIN_MS,
    "the alert is shown",
  );

it("stands beside the alerts of that node on every node, in the stream and the webhook's messages, also after a restart, and mutes none", async () => {
  const window = await announced(worked, "mongod is upgraded");
  expect(window).toMatchObject({ node: worked.id, actor: "ada", reason: "mongod is upgraded" });
  for (const node of cluster.nodes)
    await eventually(
      async () => (await windowsOf(node)).some(({ height }) => height === window.height),
      WITHIN_MS,
      "every node knows it",
    );
  expect(await windowsOf(other)).toContainEqual(window);
  const block = await call(`${other.url}/api/v1/blocks/${window.height}`);
  const { height: _height, recordedAt, ...said } = window;
  expect(block.body.header).toMatchObject({ sealedAt: recordedAt, control: { kind: "maintenance", ...said } });

  const stream = await streamOf(worked);
  const at = await altered(worked);
  for (const shower of cluster.nodes) {
    const alert = await alertOn(shower, worked, at);
    expect(alert).toMatchObject({ severity: "critical", status: "open", kind: "payload_modified" });
    expect(alert.maintenance).toContainEqual(window);
    const one = await call(`${shower.url}/api/v1/alerts/${alert.id}`);
    expect(one.body.maintenance).toContainEqual(window);
  }
  const isTold = async (): Promise<boolean> =>
    (await call(`${other.url}/api/v1/cluster`)).body.state === "integrity_alert";
  await eventually(isTold, WITHIN_MS, "the cluster's state tells of it");
  await eventually(() => stream.heard().split("\n").some(isAnnotated), WITHIN_MS, "the stream tells of it");
  await stream.end();
  const sent = await eventually(
    () => messages.find(({ type, data }) => type === "alert.opened" && covers(data, at)),
    WITHIN_MS,
    "the webhook is told",
  );
  expect(sent.data).toMatchObject({ severity: "critical", status: "open" });
  expect(sent.data.maintenance).toContainEqual(window);

  await cluster.kill(other.id);
  await cluster.start(other.id);
  const again = await alertOn(other, worked, at);
  expect(again.maintenance).toContainEqual(window);
  expect(await windowsOf(other)).toContainEqual(window);
});

it("stands beside no other node's alerts, and is recorded for members only", async () => {
  await announced(worked, "a new disk");
  const at = await altered(other);
  const alert = await alertOn(asked, other, at);
  expect(alert.maintenance).toBeUndefined();
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const stranger = { node: "n9", until, actor: "ada", reason: "nobody's disk" };
  await eventually(
    async () => {
      const { status, body } = await postJson(`${asked.url}/api/v1/cluster/maintenance`, stranger);
      expect([409, 503]).toContain(status);
      return status === 409 && body.code === "maintenance_conflict";
    },
    WITHIN_MS,
    "it is refused",
  );
  expect((await windowsOf(asked)).some(({ node }) => node === "n9")).toBe(false);
});
