import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, startCluster } from "../../scripts/cluster/cluster.js";
import { poll } from "../../scripts/lib/processes.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const SLOW = { HEARTBEAT_MS: "3000", ELECTION_TIMEOUT_MS: "9000" };
/** Several election timeouts of the slowest node's followers, had they waited by their own. */
const WATCH_MS = 10_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster({
    env: { TAKEOVER_COOLDOWN_MS: "1000" },
    nodeEnv: (id) => (id === "n3" ? SLOW : {}),
  });
});
afterAll(() => cluster?.stop());

const standing = async (id: string): Promise<{ leaderId: string; term: number }> =>
  (await call(`${cluster.node(id).url}/api/v1/cluster`)).body;
const warns = (id: string, leaderMs: number, leader: string, ownMs: number): boolean =>
  cluster
    .logTail(id, 500)
    .includes(`ELECTION_TIMEOUT_MS is ${leaderMs} on ${leader}, which leads, and ${ownMs} on ${id}`);

it("a leader with heartbeats of 3 s stays in its term, and its followers name both timeouts", async () => {
  const leads = async () => {
    const { node, term } = await cluster.leader();
    return node.id === "n3" && { term };
  };
  const { term } = await eventually(leads, 40_000, "all know n3 as leader");

  // Nothing is written meanwhile: a block is as good as a heartbeat.
  const seen = new Set<string>();
  const until = performance.now() + WATCH_MS;
  await poll(
    async () => {
      for (const id of ["n1", "n2", "n3"]) {
        const { leaderId, term } = await standing(id);
        seen.add(`${leaderId} in term ${term}`);
      }
      return performance.now() > until;
    },
    { withinMs: 2 * WATCH_MS, everyMs: 500 },
  );
  expect([...seen]).toEqual([`n3 in term ${term}`]);

  for (const id of ["n1", "n2"])
    await eventually(() => warns(id, 9_000, "n3", 1_000), 20_000, `${id} warns of both timeouts`);
  const { body } = await call(`${cluster.node("n1").url}/api/v1/elections`);
  expect(body.elections[0].term).toBe(term);
  const event = { eventType: "T", sourceAppId: uniqueSource(), dataPayload: {} };
  expect((await postJson(`${cluster.node("n1").url}/api/v1/events`, event)).status).toBe(201);
});
