import { afterEach, expect, it } from "vitest";
import { type Cluster, startCluster } from "../../scripts/cluster/cluster.js";
import { call, postJson, readLog, uniqueSource } from "./api-support.js";

/** More than any disk has. */
const TOO_MUCH = { DISK_FREE_MIN_BYTES: "999999999999999" };

let cluster: Cluster | undefined;
afterEach(() => cluster?.stop());

it("refuses writes with disk_low, and writes nothing, where no node has the space; reads are served", async () => {
  cluster = await startCluster({ env: TOO_MUCH });
  const source = uniqueSource();
  const event = { eventType: "T", sourceAppId: source, dataPayload: {} };
  for (const { url } of cluster.nodes) {
    for (const path of ["/api/event-logs", "/events", "/api/v1/events"]) {
      const { status, headers, body } = await postJson(url + path, event);
      expect([path, status, body.code, body.retryable]).toEqual([path, 503, "disk_low", true]);
      expect(body.detail).toContain("Nothing was written");
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect(await readLog(url)).toEqual([]);
    const ready = await call(`${url}/readyz?verbose`);
    expect([ready.status, ready.body]).toEqual([200, expect.stringMatching(/^\[-\]disk failed: \d+ bytes free/m)]);
  }
});

it("a leader with a full disk hands over to a node with space, and does not ask for the lead again", async () => {
  const nodeEnv = (id: string) =>
    id === "n3" ? { ...TOO_MUCH, TAKEOVER_COOLDOWN_MS: "100" } : { TAKEOVER_COOLDOWN_MS: "100" };
  cluster = await startCluster({ nodeEnv });
  const { node } = await cluster.leader();
  expect(node.id).not.toBe("n3");
  const source = uniqueSource();
  for (let i = 0; i < 30; i++) {
    const { url } = cluster.nodes[i % 3] as { url: string };
    const { status } = await postJson(`${url}/api/v1/events`, { eventType: "T", sourceAppId: source, dataPayload: {} });
    expect(status).toBe(201);
  }
  expect((await cluster.leader()).node.id).toBe("n2");
});
