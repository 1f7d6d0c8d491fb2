import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const IDLE_SOCKETS = 10_000;
const SLOW_SENDERS = 200;
/** Sooner than a server gives up on a request whose headers do not come to their end. */
const BYTE_EVERY_MS = 500;

let cluster: Cluster;
const sockets: Socket[] = [];
beforeAll(async () => {
  // Opening so many sockets takes this process a second of one core, and the leader another: what is tried is whether it
  // can be kept from its work, and not whether two cores are enough.
  cluster = await startSteadyCluster();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await cluster?.stop();
});

function open(url: string): Socket {
  // What the server drops or resets is its own affair here.
  const socket = connect(Number(new URL(url).port), "127.0.0.1")
    .on("error", () => {})
    .resume();
  sockets.push(socket);
  return socket;
}

/** On a connection of its own, as a new client would have one. */
const answers = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => resolve(false));
    socket
      .on("close", () => resolve(false))
      .on("data", (data) => {
        resolve(data.toString().startsWith("HTTP/1.1 200"));
        socket.destroy();
      });
    socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  });

it("10,000 idle sockets and 200 slow senders at the leader cost it neither the lead nor a write of the other nodes, and make room again", async () => {
  const leader = (await cluster.leader()).node;
  const others = cluster.nodes.filter(({ id }) => id !== leader.id);
  const electionsOf = async (): Promise<number> =>
    (await call(`${others[0]?.url}/api/v1/elections`)).body.elections.length;
  const elections = await electionsOf();

  const slow = Array.from({ length: SLOW_SENDERS }, () => open(leader.url));
  for (const socket of slow) socket.write("POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  const trickle = setInterval(() => {
    for (const socket of slow) if (socket.writable) socket.write("x");
  }, BYTE_EVERY_MS);
  for (let i = 0; i < IDLE_SOCKETS; i++) open(leader.url);

  const source = uniqueSource();
  const statuses: number[] = [];
  const areDropped = async (): Promise<boolean> => {
    const { url } = others[statuses.length % others.length] as { url: string };
    const { status } = await postJson(`${url}/api/v1/events`, { eventType: "T", sourceAppId: source, dataPayload: {} });
    statuses.push(status);
    // Of the idle ones some never came further than the kernel's queue, and know nothing of their end.
    return slow.every((socket) => socket.closed) && (await answers(leader.url));
  };
  await eventually(areDropped, 60_000, "the slow senders are dropped, and there is room").finally(() =>
    clearInterval(trickle),
  );
  expect(new Set(statuses)).toEqual(new Set([201]));
  expect(statuses.length).toBeGreaterThan(20);

  expect((await call(`${leader.url}/livez`)).status).toBe(200);
  expect(await electionsOf()).toBe(elections);
  expect((await cluster.leader()).node.id).toBe(leader.id);
}, 600_000);
