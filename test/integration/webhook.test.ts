import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BLOCK_EDITS, blocksOf, editableEvent } from "../../scripts/chaos/tamper/edits.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { withDatabase } from "../support/stored-blocks.js";
import { call, postJson } from "./api-support.js";

const SECRET = Buffer.alloc(32, 9);

let receiver: Server;
let status = 503;
const got: { headers: IncomingHttpHeaders; body: string }[] = [];
let cluster: Cluster;
let node: ClusterNode;

beforeAll(async () => {
  receiver = createServer(async (incoming, answer) => {
    got.push({ headers: incoming.headers, body: await text(incoming) });
    answer.writeHead(status).end();
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alerts`;
  cluster = await startSteadyCluster({
    nodes: 1,
    env: {
      ...{ ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: `whsec_${SECRET.toString("base64")}` },
      ALERT_WEBHOOK_ALLOW_PRIVATE: "true",
    },
  });
  node = cluster.nodes[0] as ClusterNode;
});
afterAll(async () => {
  await cluster?.stop();
  receiver?.closeAllConnections();
  receiver?.close();
});

const sentOf = (type: string) => got.filter(({ body }) => (JSON.parse(body) as { type: string }).type === type);

it("says whether the webhook takes a test", async () => {
  const refused = await postJson(`${node.url}/api/v1/webhook/test`, {});
  expect(refused).toMatchObject({ status: 200, body: { delivered: false, detail: "answered 503" } });
  status = 204;
  expect((await postJson(`${node.url}/api/v1/webhook/test`, {})).body).toEqual({ delivered: true });
  status = 503;
  expect((await postJson(`${node.url}/api/v1/webhook/test`, { to: "x" })).status).toBe(422);
});

it("tells of an alert, signed, with the field and without its values, again after a restart until it is taken", async () => {
  const { body } = await postJson(`${node.url}/api/v1/events`, editableEvent(1, "webhook"));
  await postJson(`${node.url}/api/v1/events`, editableEvent(2, "webhook"));
  await withDatabase(node.mongodbUri, (db) => BLOCK_EDITS[0]?.act(blocksOf(db), body.height) as Promise<unknown>);
  const opened = await eventually(() => sentOf("alert.opened")[0], 30_000, "the receiver is told");
  const areWarned = async (): Promise<boolean> =>
    (await call(`${node.url}/api/v1/cluster`)).body.warnings.some((one: string) =>
      one.startsWith(`the webhook of ${node.id} does not take its messages (answered 503)`),
    );
  await eventually(areWarned, 30_000, "the cluster's status tells of it");
  await cluster.kill(node.id);
  status = 204;
  await cluster.start(node.id);
  const id = opened.headers["webhook-id"];
  const isTaken = () => sentOf("alert.opened").filter(({ headers }) => headers["webhook-id"] === id).length > 1;
  await eventually(isTaken, 60_000, "it is told again");
  await eventually(async () => !(await areWarned()), 30_000, "nothing is known against it any more");
  for (const { headers, body: message } of got) {
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${message}`;
    const mac = createHmac("sha256", SECRET).update(signed).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${mac}`);
    expect(Math.abs(Number(headers["webhook-timestamp"]) * 1_000 - Date.now())).toBeLessThan(300_000);
  }
  const { data } = JSON.parse(opened.body);
  expect(data).toMatchObject({ kind: "payload_modified", node: node.id, sequence: body.sequence });
  expect(opened.body).not.toMatch(/"ada"|"eve"/);
  expect((await call(data.url)).body).toMatchObject({ id: data.id, kind: "payload_modified" });
});
