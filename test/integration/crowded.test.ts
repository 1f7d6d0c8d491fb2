import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, uniqueSource } from "./api-support.js";

/** More than a node has places for. */
const CLIENTS = 4_400;
const AT_ONCE = 200;
const REQUEST = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

let cluster: Cluster;
const sockets: Socket[] = [];
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { TAKEOVER_COOLDOWN_MS: "1000", ELECTION_TIMEOUT_MS: "2500" } });
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

async function crowd(url: string): Promise<void> {
  for (let i = 0; i < CLIENTS; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => client(url)));
}

it("with more clients than places on every node, a node that comes back is heard, takes the lead, and forwards writes", async () => {
  for (const { url } of cluster.nodes) await crowd(url);
  // On a busy machine another one may have been first.
  const leads = async (): Promise<boolean> => (await cluster.leader()).node.id === "n3";
  await eventually(leads, 30_000, "n3 leads");
  const leader = cluster.node("n3");
  await cluster.kill(leader.id);
  const other = async (): Promise<boolean> => (await cluster.leader()).node.id !== leader.id;
  await eventually(other, 20_000, "another node leads");
  await cluster.start(leader.id);
  const isBack = async (): Promise<boolean> => (await cluster.leader()).node.id === leader.id;
  await eventually(isBack, 30_000, "n3 leads again");

  // The other two are as full as before: a client hears that, and a write through the node that has room is stored by all.
  const source = uniqueSource();
  const { status } = await postJson(`${leader.url}/api/v1/events`, {
    eventType: "T",
    sourceAppId: source,
    dataPayload: {},
  });
  expect(status).toBe(201);
  for (const { id, url } of cluster.nodes) {
    await eventually(async () => (await call(`${url}/readyz`)).status === 200, 30_000, `${id} is ready`);
    if (id === leader.id) continue;
    const isRefused = async (): Promise<boolean> => {
      const { status: told, body } = await call(`${url}/api/v1/events`);
      if (told === 503 && body.code === "too_many_connections") return true;
      // Clients that have said nothing for long were let go.
      await crowd(url);
      return false;
    };
    await eventually(isRefused, 20_000, `${id} is full`);
  }
  const isAvailable = async (): Promise<boolean> =>
    (await call(`${leader.url}/api/v1/cluster`)).body.state === "available";
  await eventually(isAvailable, 30_000, "all nodes are there");
  for (const socket of sockets) socket.destroy();
  const isFree = async (): Promise<boolean> =>
    (await Promise.all(cluster.nodes.map(({ url }) => call(`${url}/api/v1/events`)))).every(
      (one) => one.status === 200,
    );
  await eventually(isFree, 30_000, "there is room again");
}, 900_000);
