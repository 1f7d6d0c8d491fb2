import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Door, EVENT, get, openDoor, post, SSE, WEB_SOCKET } from "../../test/doubles/door.js";
import { connectionOf } from "./connections.js";

const UNREAD_MS = 600;
let door: Door;
beforeEach(async () => {
  door = await openDoor({ unreadMs: UNREAD_MS });
  const view = { ...door.log.store(), dataPayload: { text: "x".repeat(250_000) } };
  door.log.stored[0] = view;
  door.log.append = async () => ({ events: [view], acknowledgedBy: ["n1"], isReplay: false });
});
afterEach(() => door.close());

const LARGE = JSON.stringify({ eventType: "T", sourceAppId: "S", dataPayload: { text: "x".repeat(250_000) } });

const connections = (): Promise<number> =>
  new Promise((resolve, reject) => {
    door.server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });

it.each([
  ["answers to writes", post(EVENT, "", "/events").repeat(100)],
  ["single events", get("/api/v1/events/0").repeat(100)],
  ["lists", get("/events").repeat(100)],
  ["the body of a write whose answer waits behind others", get("/").repeat(40_000) + post(LARGE)],
])("a client that takes nothing of %s is cut, though it sends on, and nothing is held for it", async (_what, text) => {
  const client = door.open();
  client.socket.pause();
  client.send(text);
  const sending = setInterval(() => client.send("\r\n"), UNREAD_MS / 10);
  await expect.poll(connections).toBe(1);
  await expect.poll(connections).toBe(0);
  clearInterval(sending);
  await expect.poll(() => door.bodies.bytes).toBe(0);
});

it("small answers are held for a client that takes none of them up to a bound of bytes, and the rest are refused", async () => {
  const ASKED = 1_500;
  const patient = await openDoor({ unreadMs: 60_000 });
  patient.log.stored[0] = { ...patient.log.store(), dataPayload: { text: "x".repeat(60_000) } };
  let owed = (): number => 0;
  patient.server.on("connection", (socket) => {
    owed = () => connectionOf(socket)?.owed.size ?? 0;
  });
  const client = patient.open();
  client.socket.pause();
  client.send(get("/api/v1/events/0").repeat(ASKED));
  await expect.poll(() => owed()).toBeGreaterThan(1_000);
  client.socket.resume();
  await expect.poll(() => client.statuses.length).toBe(ASKED);
  const held = client.statuses.filter((status) => status === 200).length;
  // 16 MiB are taken, and 4 MiB if it is the only one; 128 wait.
  expect(held).toBeGreaterThan(200);
  expect(held).toBeLessThan(600);
  expect(client.statuses.filter((status) => status === 503).length).toBe(ASKED - held);
  await patient.close();
});

it("a client that takes little at a time is served to the end", async () => {
  const client = door.open();
  client.socket.pause();
  client.send(get("/api/v1/events/0").repeat(40));
  const slowly = setInterval(() => {
    client.socket.resume();
    setImmediate(() => client.socket.pause());
  }, UNREAD_MS / 20);
  await expect.poll(() => client.statuses.length).toBe(40);
  clearInterval(slowly);
});

it("whoever has nothing waiting stays, however long that is", async () => {
  const idle = [
    door.open(),
    door.open().send(get("/api/v1/stream", SSE)),
    door.open().send(get("/api/v1/stream", WEB_SOCKET)),
  ];
  for (const client of idle.slice(1)) await expect.poll(() => client.statuses.length).toBe(1);
  await sleep(3 * UNREAD_MS);
  expect(idle.map(({ hasEnded }) => hasEnded)).toEqual([false, false, false]);
});
