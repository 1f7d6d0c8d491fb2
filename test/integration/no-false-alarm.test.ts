import { afterAll, beforeAll, expect, it } from "vitest";
import { CalmCluster } from "../../scripts/chaos/calm.js";
import { stayCalm } from "../../scripts/chaos/no-alarm.js";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { levelHead } from "../support/level.js";
import { withDatabase } from "../support/stored-blocks.js";

/** How long writers write; `npm run chaos -- no-alarm` does it for longer. */
const MINUTES = 40 / 60;
const WRITERS = 2;

const calm = new CalmCluster();
let cluster: Cluster;
beforeAll(async () => {
  cluster = await calm.start();
});
afterAll(() => cluster?.stop());

it("raises no alert under load, failovers, replaced tails, restarts of nodes and servers, repairs, rebuilds and scrubs", async () => {
  const { written, troubles, passes, alerts } = await stayCalm(calm, { minutes: MINUTES, writers: WRITERS }, () => {});
  expect(written).toBeGreaterThan(100);
  expect([...troubles.keys()]).toEqual(expect.arrayContaining(calm.troubles.map(({ name }) => name)));
  expect(passes).toBeGreaterThanOrEqual(cluster.nodes.length);
  expect(alerts).toEqual([]);
  await levelHead(cluster.nodes, 60_000);
  for (const { mongodbUri } of cluster.nodes)
    await withDatabase(mongodbUri, async (db) => {
      expect(await db.collection("alerts").countDocuments({ _id: { $nin: calm.ids as never[] } })).toBe(0);
    });
}, 900_000);
