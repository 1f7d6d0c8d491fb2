import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import { editableEvent } from "../../scripts/chaos/tamper/edits.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { alertsOf, covers, editPayload, tamper } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 60_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { BENCH_NO_WATCH: "1", VERIFY_SCHEDULE: "*/2 * * * * *" } });
});
afterAll(() => cluster?.stop());

const standingOf = async ({ id, url }: ClusterNode): Promise<{ watch: string; lastPassAt: string | null }> =>
  (await call(`${url}/api/v1/cluster`)).body.nodes.find((node: { id: string }) => node.id === id);

/** Waits until a pass has ended that had not at the time before. */
async function passEnded(node: ClusterNode, before: string | null): Promise<string> {
  const ended = await eventually(
    async () => {
      const { lastPassAt } = await standingOf(node);
      return lastPassAt !== before && lastPassAt;
    },
    WITHIN_MS,
    "a pass has ended",
  );
  return ended as string;
}

it("with the watch switched off, one pass of the scrub finds what was edited, and names node, event and field", async () => {
  const { node: leader } = await cluster.leader();
  const [victim, other] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
  const source = uniqueSource();
  const written = [];
  for (let i = 0; i < 20; i++) {
    const { status, body } = await postJson(`${leader.url}/api/v1/events`, editableEvent(i, source));
    expect(status).toBe(201);
    written.push(body as { height: number; sequence: number });
  }
  const { height, sequence } = written[9] as { height: number; sequence: number };
  await levelHead(cluster.nodes);
  // The first pass of a node that watches nothing is due at its start.
  const before = await passEnded(victim, null);
  expect((await standingOf(victim)).watch).toBe("down");
  const isIt = (alert: AlertRecord): boolean => alert.node === victim.id && covers(alert, height);
  expect((await alertsOf(other)).filter(isIt)).toEqual([]);

  await tamper(victim, (blocks) => editPayload(blocks, height, '"ada"', '"eve"'));
  // One was perhaps under way, and past the block; the next one is whole.
  await passEnded(victim, await passEnded(victim, before));
  const found = (await alertsOf(other)).filter(isIt);
  expect(found).toMatchObject([{ kind: "payload_modified", accused: victim.id, foundBy: "scrub", sequence }]);
  expect(found[0]?.differences).toEqual([
    { height, sequence, field: "dataPayload.by.name", stored: "eve", expected: "ada" },
  ]);
}, 300_000);
