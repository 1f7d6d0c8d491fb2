import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import { BLOCK_EDITS, type BlockEdit, editableEvent } from "../../scripts/chaos/tamper/edits.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { alertsOf, covers, tamper } from "../support/tampering.js";
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

const KINDS = ["payload_modified", "hash_rewritten", "missing"] as const;

it.each(["follower", "leader"] as const)(
  "with the watch switched off, one pass of the scrub finds three kinds of edits on the %s, and names node, event and field",
  async (role) => {
    const { node: leader } = await cluster.leader();
    const follower = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const victim = role === "leader" ? leader : follower;
    const other = cluster.nodes.find(({ id }) => id !== leader.id && id !== victim.id) as ClusterNode;
    const source = uniqueSource();
    const written: { height: number; sequence: number }[] = [];
    for (let i = 0; i < 20; i++) {
      const { status, body } = await postJson(`${leader.url}/api/v1/events`, editableEvent(i, source));
      expect(status).toBe(201);
      written.push(body);
    }
    await levelHead(cluster.nodes);
    // The first pass of a node that watches nothing is due at its start.
    const before = await passEnded(victim, null);
    expect((await standingOf(victim)).watch).toBe("down");
    const edits = KINDS.map((kind, i) => ({
      ...(BLOCK_EDITS.find((one) => one.kind === kind) as BlockEdit),
      ...(written[5 * i + 3] as { height: number; sequence: number }),
    }));
    const found = async ({ height }: { height: number }): Promise<AlertRecord[]> =>
      (await alertsOf(other)).filter((alert) => alert.node === victim.id && covers(alert, height));
    for (const one of edits) expect(await found(one)).toEqual([]);

    await tamper(victim, async (blocks) => {
      for (const { act, height } of edits) await act(blocks, height);
    });
    // One was perhaps under way, and past the blocks; the next one is whole.
    await passEnded(victim, await passEnded(victim, before));
    for (const { kind, height, sequence, fields, ...one } of edits) {
      const alerts = await found({ height });
      expect(alerts, one.what).toMatchObject([{ kind, accused: victim.id, foundBy: "scrub", sequence }]);
      const differing = (alerts[0]?.differences ?? []).filter((difference) => difference.height === height);
      expect(differing.map(({ field }) => field).sort(), one.what).toEqual([...fields].sort());
      const named = differing.filter(({ field }) => field === "dataPayload.by.name");
      if (fields.includes("dataPayload.by.name"))
        expect(named).toEqual([{ height, sequence, field: "dataPayload.by.name", stored: "eve", expected: "ada" }]);
    }
  },
  300_000,
);
