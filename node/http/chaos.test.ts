import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ChaosConflict } from "../../scripts/start/chaos/desk.js";
import { ChaosServer } from "../../scripts/start/chaos/server.js";
import type { ChaosRequest, ChaosState } from "../../shared/protocol/chaos.js";
import { type Door, openDoor } from "../../test/doubles/door.js";
import { ChaosClient } from "../host/chaos-client.js";

const STATE: ChaosState = {
  nodes: [{ node: "n1", up: true, paused: false, cut: false }],
  record: [{ at: "2026-05-01T12:00:00.000Z", node: "n1", what: "kill" }],
};
const asked: ChaosRequest[] = [];
const desk = {
  state: () => STATE,
  strike: async (request: ChaosRequest) => {
    if (request.action === "resume") throw new ChaosConflict("n1 is not paused.");
    asked.push(request);
    return STATE;
  },
};
let server: ChaosServer;
let door: Door;
let quiet: Door;

beforeAll(async () => {
  server = await ChaosServer.open(desk);
  const { username, origin } = new URL(server.url);
  door = await openDoor({ chaos: new ChaosClient({ url: `${origin}/`, token: username }) });
  quiet = await openDoor();
});
afterAll(async () => {
  await Promise.all([door.close(), quiet.close(), server.close()]);
});

const post = (to: Door, body: string, type = "application/json"): Promise<Response> =>
  fetch(`${to.url}/api/v1/chaos`, { method: "POST", body, headers: { "Content-Type": type } });
const KILL = JSON.stringify({ action: "kill", node: "n1" });

it("where nobody has allowed faults, the node says so and passes nothing on", async () => {
  const state = await fetch(`${quiet.url}/api/v1/chaos`);
  expect(await state.json()).toEqual({ allowed: false, nodes: [], record: [] });
  const refused = await post(quiet, KILL);
  expect([refused.status, await refused.json()]).toMatchObject([404, { code: "not_found" }]);
});

it("where they are allowed, a request goes to the start script as it is, and its word comes back", async () => {
  expect(await (await fetch(`${door.url}/api/v1/chaos`)).json()).toEqual({ allowed: true, ...STATE });
  const struck = await post(door, KILL);
  expect([struck.status, await struck.json()]).toEqual([200, { allowed: true, ...STATE }]);
  expect(asked).toEqual([{ action: "kill", node: "n1" }]);
});

it("what cannot be done now is a conflict, and what is none of the faults is refused here", async () => {
  const conflict = await post(door, JSON.stringify({ action: "resume", node: "n1" }));
  expect([conflict.status, await conflict.json()]).toMatchObject([
    409,
    { code: "chaos_conflict", detail: "n1 is not paused." },
  ]);
  const before = asked.length;
  for (const body of [{ action: "erase", node: "n1" }, { action: "kill" }, { action: "kill", node: "n1", now: true }])
    expect((await post(door, JSON.stringify(body))).status).toBe(422);
  expect(asked).toHaveLength(before);
});

it.each(["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"])(
  "a form cannot ask for it: %s",
  async (type) => {
    const before = asked.length;
    expect((await post(door, KILL, type)).status).toBe(415);
    expect(asked).toHaveLength(before);
  },
);

it("without the token the start script does nothing; when it is gone, the node says that", async () => {
  const { origin } = new URL(server.url);
  for (const headers of [{}, { Authorization: "Bearer x" }, { Authorization: `Bearer ${"0".repeat(64)}` }])
    expect((await fetch(origin, { method: "POST", body: KILL, headers })).status).toBe(401);
  const stranger = await openDoor({ chaos: new ChaosClient({ url: `${origin}/`, token: "x" }) });
  const refused = await post(stranger, KILL);
  expect([refused.status, await refused.json()]).toMatchObject([503, { code: "not_ready" }]);
  await stranger.close();
  const lost = await openDoor({ chaos: new ChaosClient({ url: "http://127.0.0.1:1/", token: "x" }) });
  expect((await fetch(`${lost.url}/api/v1/chaos`)).status).toBe(503);
  await lost.close();
});

it("of a fault whose answer is lost it is not said that nobody was asked", async () => {
  let requests = 0;
  const deaf = createServer((socket) => {
    socket.once("data", () => {
      requests++;
      socket.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(deaf, "listening");
  const { port } = deaf.address() as AddressInfo;
  const lost = await openDoor({ chaos: new ChaosClient({ url: `http://127.0.0.1:${port}/`, token: "x" }) });
  const struck = await post(lost, KILL);
  const problem = (await struck.json()) as { detail: string };
  expect([struck.status, requests]).toEqual([503, 1]);
  expect(problem.detail).toBe(
    "The start script, which makes faults, has not answered: GET /api/v1/chaos shows whether this one was made.",
  );
  await lost.close();
  deaf.close();
});
