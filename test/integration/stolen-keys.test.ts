import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { utf8 } from "../../shared/bytes.js";
import { term } from "../../shared/ids.js";
import { sealBlock } from "../../shared/log/chain.js";
import { payloadCommitment } from "../../shared/log/event.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { Liar } from "../support/liar.js";
import { alertsOf } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 30_000;
const AGAIN_MS = 500;
const PATIENT = { timeout: 300_000 };
const source = uniqueSource();

let cluster: Cluster;
let liar: Liar;
beforeAll(async () => {
  cluster = await startSteadyCluster();
});
afterAll(async () => {
  await liar?.close();
  await cluster?.stop();
});

it(
  "whoever holds a node's database and its keys makes no other node take an altered committed event",
  PATIENT,
  async () => {
    const event = { eventType: "paid", sourceAppId: source, dataPayload: { to: "ada" } };
    const [first] = cluster.nodes;
    const written = (await postJson(`${first?.url}/api/v1/events`, event)).body as { sequence: number; height: number };
    await postJson(`${first?.url}/api/v1/events`, event);
    await levelHead(cluster.nodes);
    await cluster.kill("n3");
    liar = new Liar("n3", cluster);
    // In the place of the committed block one with another payload, which is all that it should be, and well signed.
    const before = await liar.chainOf("n3", written.height - 1);
    const payload = utf8('{"to":"eve"}');
    const payloadSalt = new Uint8Array(16).fill(7);
    const { eventType, sourceAppId } = event;
    const prepared = {
      ...{ id: "0123456789abcdef01234567", eventType, sourceAppId, timestamp: "2026-01-01T00:00:00.000Z" },
      ...{ payload, payloadSalt, payloadHash: payloadCommitment(payloadSalt, payload) },
    };
    const { block } = sealBlock(
      before,
      {
        ...{ term: term(1_000), leaderId: "n3", events: [prepared], now: new Date().toISOString() },
        commitHeight: before.commitHeight,
      },
      liar.signer.block,
    );
    const honest = cluster.nodes.filter(({ id }) => id !== "n3");
    let round = 0;
    const lie = (): void => {
      round += 1;
      for (const { id } of honest) liar.append(id, before, { inTerm: 1_000, blocks: [block], round });
    };
    lie();
    const lying = setInterval(lie, AGAIN_MS);
    try {
      for (const { id } of honest)
        await eventually(
          async () =>
            (await alertsOf(honest[0] as (typeof honest)[number])).find(
              ({ kind, node, accused, height }) =>
                ["conflict_below_commit", "fork"].includes(kind) &&
                node === id &&
                accused === "n3" &&
                height === written.height,
            ),
          WITHIN_MS,
          `${id} refuses it, and accuses n3`,
        );
      const results = liar.answers.flatMap(({ body }) => (body.kind === "append_answer" ? [body.result] : []));
      expect(results).toContain("rejected");
      expect(results).not.toContain("ok");
      for (const { url } of honest) {
        const { body } = await call(`${url}/api/v1/events/${written.sequence}`);
        expect(body.dataPayload).toEqual({ to: "ada" });
      }
    } finally {
      clearInterval(lying);
    }
    await eventually(
      async () => (await postJson(`${first?.url}/api/v1/events`, event)).status === 201,
      WITHIN_MS,
      "the cluster takes writes",
    );
  },
);
