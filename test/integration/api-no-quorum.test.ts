import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, readLog, uniqueSource } from "./api-support.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { TAKEOVER_COOLDOWN_MS: "1000", REQUEST_TIMEOUT_MS: "10000" } });
});
afterAll(() => cluster?.stop());

it("without a majority refuses writes with 503 and writes nothing, reads on as stale, and recovers", async () => {
  const source = uniqueSource();
  const event = (eventType: string) => ({ eventType, sourceAppId: source, dataPayload: {} });
  const url = cluster.node("n1").url;
  // On a slow machine another node may lead at first: n1 must follow, or a write to it is sealed before it is refused.
  await eventually(async () => (await cluster.leaderNow())?.id === "n3", 60_000, "n3 leads");
  expect((await postJson(`${url}/events`, event("before"))).status).toBe(201);
  // A read sees what its node acknowledged: once this one is answered, n1 knows of the commit without the others.
  expect((await call(`${url}/api/v1/events?sourceAppId=${source}`)).body.events).toHaveLength(1);
  // It is, as soon as its database's changes are watched; unready is then for want of a majority only.
  await eventually(async () => (await call(`${url}/readyz`)).status === 200, 30_000, "n1 is ready");
  await Promise.all(["n2", "n3"].map((id) => cluster.kill(id)));

  // Not ready alone is not enough: on a slow machine that can be for another reason, and a write is forwarded or sealed then.
  const isMissed = async () => (await call(`${url}/readyz?verbose`)).body.includes("[-]quorum failed");
  await eventually(isMissed, 30_000, "the majority is missed");
  const refuse = async (path: string): Promise<void> => {
    const { status, headers, body } = await postJson(url + path, event(`refused ${path}`));
    expect([path, status, body.retryable]).toEqual([path, 503, true]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(body.detail).toContain("Nothing was written");
  };
  await Promise.all(["/api/event-logs", "/events", "/api/v1/events"].map(refuse));
  const ready = await call(`${url}/readyz?verbose`);
  expect(ready.body).toContain("[+]mongodb ok");
  expect(ready.body).toContain("[-]quorum failed");
  const read = await call(`${url}/api/v1/events?sourceAppId=${source}`);
  expect(read.status).toBe(200);
  expect(read.headers.get("x-stale")).toBe("true");
  expect(read.body.events).toHaveLength(1);

  await cluster.startAll();
  await cluster.leader();
  expect((await postJson(`${url}/events`, event("after"))).status).toBe(201);
  const types = (await readLog(url, `&sourceAppId=${source}`)).map((stored) => stored.eventType);
  expect(types).toEqual(["before", "after"]);
  await eventually(async () => (await call(`${url}/readyz`)).status === 200, 30_000, "n1 is ready again");
});

it("tells the clients of its streams when it stops", async () => {
  const { url } = cluster.node("n2");
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  await new Promise<void>((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  const sse = await fetch(`${url}/api/event-logs/stream`, { headers: { Accept: "text/event-stream" } });
  cluster.signal("n2", "SIGTERM");
  expect(await closed).toBe(1012);
  expect(await sse.text()).toContain(": restart");
});
