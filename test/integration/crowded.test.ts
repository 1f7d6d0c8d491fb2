import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, startCluster } from "../../scripts/cluster/cluster.js";
import { poll } from "../../scripts/lib/processes.js";
import { call, postJson, uniqueSource } from "./api-support.js";

/** More than a node has places for. */
const CLIENTS = 4_400;
const AT_ONCE = 200;
const REQUEST = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

let cluster: Cluster;
const sockets: Socket[] = [];
beforeAll(async () => {
  cluster = await startCluster({ env: { TAKEOVER_COOLDOWN_MS: "1000" } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await cluster?.stop();
});

/** Resolves when it was answered, or turned away. */
const client = (url: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => resolve()).on("close", () => resolve());
    socket.on("data", () => resolve());
    socket.write(REQUEST);
  });

it("with more clients than places on every node, a node that comes back is heard, takes the lead, and forwards writes", async () => {
  for (const { url } of cluster.nodes)
    for (let i = 0; i < CLIENTS; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => client(url)));
  // On a busy machine another one may have been first.
  const leads = async (): Promise<boolean> => (await cluster.leader(30_000)).node.id === "n3";
  expect(await poll(leads, { withinMs: 30_000 })).toBe(true);
  const leader = cluster.node("n3");
  await cluster.kill(leader.id);
  const other = async (): Promise<boolean> => (await cluster.leader()).node.id !== leader.id;
  expect(await poll(other, { withinMs: 20_000 })).toBe(true);
  await cluster.start(leader.id);
  const isBack = async (): Promise<boolean> => (await cluster.leader()).node.id === leader.id;
  expect(await poll(isBack, { withinMs: 30_000 })).toBe(true);

  // The other two are as full as before: a client hears that, and a write through the node that has room is stored by all.
  const source = uniqueSource();
  const { status } = await postJson(`${leader.url}/api/v1/events`, {
    eventType: "T",
    sourceAppId: source,
    dataPayload: {},
  });
  expect(status).toBe(201);
  for (const { id, url } of cluster.nodes) {
    expect((await call(`${url}/readyz`)).status).toBe(200);
    if (id === leader.id) continue;
    const refused = await call(`${url}/api/v1/events`);
    expect([refused.status, refused.body.code]).toEqual([503, "too_many_connections"]);
  }
  const isAvailable = async (): Promise<boolean> =>
    (await call(`${leader.url}/api/v1/cluster`)).body.state === "available";
  expect(await poll(isAvailable, { withinMs: 30_000 })).toBe(true);
  for (const socket of sockets) socket.destroy();
  const isFree = async (): Promise<boolean> =>
    (await Promise.all(cluster.nodes.map(({ url }) => call(`${url}/api/v1/events`)))).every(
      (one) => one.status === 200,
    );
  expect(await poll(isFree, { withinMs: 30_000 })).toBe(true);
}, 180_000);
