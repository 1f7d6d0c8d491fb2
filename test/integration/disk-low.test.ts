import { afterEach, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, readLog, uniqueSource } from "./api-support.js";

/** More than any disk has. */
const TOO_MUCH = { DISK_FREE_MIN_BYTES: "999999999999999" };

let cluster: Cluster | undefined;
afterEach(() => cluster?.stop());

it("refuses writes with disk_low, and writes nothing, where no node has the space; reads are served", async () => {
  cluster = await startSteadyCluster({ env: { ...TOO_MUCH, REQUEST_TIMEOUT_MS: "5000" } });
  const source = uniqueSource();
  const event = { eventType: "T", sourceAppId: source, dataPayload: {} };
  for (const { url } of cluster.nodes) {
    for (const path of ["/api/event-logs", "/events", "/api/v1/events"]) {
      const { status, headers, body } = await eventually(
        async () => {
          const answer = await postJson(url + path, event);
          // The leader may not have heard yet that no other node has space either.
          return answer.body.code !== "no_quorum" && answer;
        },
        30_000,
        "the leader knows of all disks",
      );
      expect([path, status, body.code, body.retryable]).toEqual([path, 503, "disk_low", true]);
      expect(body.detail).toContain("Nothing was written");
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect(await readLog(url)).toEqual([]);
    const isReady = async (): Promise<boolean> => {
      const { status, body } = await call(`${url}/readyz?verbose`);
      return status === 200 && /^\[-\]disk failed: \d+ bytes free/m.test(body);
    };
    await eventually(isReady, 30_000, "it is ready, and says what it lacks");
  }
});

it("a leader with a full disk hands over to a node with space, and does not ask for the lead again", async () => {
  const nodeEnv = (id: string) =>
    id === "n3" ? { ...TOO_MUCH, TAKEOVER_COOLDOWN_MS: "100" } : { TAKEOVER_COOLDOWN_MS: "100" };
  cluster = await startSteadyCluster({ nodeEnv });
  const found = cluster;
  const leaderIs = (isMeant: (id: string) => boolean) => async () => isMeant((await found.leader()).node.id);
  await eventually(
    leaderIs((id) => id !== "n3"),
    30_000,
    "a node with space leads",
  );
  const source = uniqueSource();
  for (let i = 0; i < 30; i++) {
    const { url } = cluster.nodes[i % 3] as { url: string };
    const { status } = await postJson(`${url}/api/v1/events`, { eventType: "T", sourceAppId: source, dataPayload: {} });
    expect(status).toBe(201);
  }
  await eventually(
    leaderIs((id) => id === "n2"),
    30_000,
    "n2 leads",
  );
});
