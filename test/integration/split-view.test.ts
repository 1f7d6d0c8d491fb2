import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { verifyEvidence } from "../../scripts/verify/evidence.js";
import { utf8 } from "../../shared/bytes.js";
import { term } from "../../shared/ids.js";
import { type ChainState, sealBlock } from "../../shared/log/chain.js";
import { type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { Liar } from "../support/liar.js";
import { alertsOf } from "../support/tampering.js";
import { postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 60_000;
const PATIENT = { timeout: 300_000 };
/** More often than a heartbeat is missed. */
const AGAIN_MS = 200;
/** Within which it is found, on a machine that answers at once. */
const FOUND_WITHIN_MS = 2_000;
/** What waits for each other to find it: sending, storing, asking, comparing, noting; each may have to wait for the machine. */
const STEPS = 10;

/** The longest time that a node took for an answer that it has at hand: what a busy machine adds to each step. */
async function slowest(nodes: readonly ClusterNode[], isOver: () => boolean): Promise<number> {
  let slowestMs = 0;
  while (!isOver()) {
    const at = performance.now();
    await Promise.all(nodes.map(({ url }) => fetch(`${url}/livez`).then((answer) => answer.text())));
    slowestMs = Math.max(slowestMs, performance.now() - at);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return slowestMs;
}

let cluster: Cluster;
let liar: Liar;
beforeAll(async () => {
  cluster = await startSteadyCluster();
});
afterAll(async () => {
  await liar?.close();
  await cluster?.stop();
});

function event(text: string): PreparedEvent {
  const payload = utf8(`{"for":"${text}"}`);
  const payloadSalt = new Uint8Array(16).fill(7);
  return {
    id: "0123456789abcdef01234567",
    eventType: "invoice.approved",
    timestamp: "2026-01-01T00:00:00.000Z",
    sourceAppId: "billing",
    payload,
    payloadSalt,
    payloadHash: payloadCommitment(payloadSalt, payload),
  };
}

it("a leader that shows two followers two blocks of one height is found by both, and named", PATIENT, async () => {
  const [first] = cluster.nodes;
  const written = { eventType: "a", sourceAppId: uniqueSource(), dataPayload: {} };
  expect((await postJson(`${first?.url}/api/v1/events`, written)).status).toBe(201);
  await cluster.kill("n3");
  liar = new Liar("n3", cluster);
  const before: ChainState = await eventually(
    async () => {
      const leader = await cluster.leader(WITHIN_MS);
      const [one, other] = await Promise.all([liar.chainOf("n1"), liar.chainOf("n2")]);
      return one.term === leader.term && one.blockHash === other.blockHash && one;
    },
    WITHIN_MS,
    "the log is level after the election",
  );
  const shown = ["n1", "n2"].map((to) => {
    const request = { term: term(1_000), leaderId: "n3", events: [event(to)], now: new Date().toISOString() };
    const { block } = sealBlock(before, { ...request, commitHeight: before.commitHeight }, liar.signer.block);
    return { to, block };
  });
  let round = 0;
  const lie = (): void => {
    round += 1;
    for (const { to, block } of shown) liar.append(to, before, { inTerm: 1_000, blocks: [block], round });
  };
  const at = Date.now();
  let isFound = false;
  const slowestMs = slowest([cluster.node("n1"), cluster.node("n2")], () => isFound);
  lie();
  const lying = setInterval(lie, AGAIN_MS);
  try {
    const alerts = await eventually(
      async () => {
        const forks = (await alertsOf(cluster.node("n1"))).filter(({ kind }: AlertRecord) => kind === "fork");
        return new Set(forks.map(({ node }) => node)).size === 2 && forks;
      },
      WITHIN_MS,
      "both have found it",
    );
    isFound = true;
    const foundMs = Math.max(...alerts.map(({ openedAt }) => Date.parse(openedAt))) - at;
    const answerMs = Math.ceil(await slowestMs);
    process.stdout.write(
      `the split view was found by both in ${foundMs} ms; no answer took longer than ${answerMs} ms\n`,
    );
    expect(foundMs).toBeGreaterThanOrEqual(0);
    expect(foundMs).toBeLessThan(FOUND_WITHIN_MS + STEPS * answerMs);
    for (const { node, ...alert } of alerts) {
      expect(alert).toMatchObject({ accused: "n3", height: before.height + 1, severity: "critical", status: "open" });
      for (const { block } of shown) expect(alert.detail).toContain(block.blockHash.slice(0, 16));
      expect(["n1", "n2"]).toContain(node);
    }
    // What one of them has kept proves it to whoever has the genesis.
    for (const { node, id } of alerts) {
      const answer = await fetch(`${first?.url}/api/v1/alerts/${id}/evidence`);
      const { findings } = verifyEvidence(await answer.text());
      expect([node, findings.kept]).toEqual([node, []]);
      expect(findings.notes.join("\n")).toMatch(/^Proved: n3 equivocated\. .*block \d+ of term 1000/m);
    }
  } finally {
    isFound = true;
    clearInterval(lying);
  }
  // None of the two takes the other's block, and none accuses the other: with an honest member there is a majority again.
  await cluster.start("n3");
  await eventually(
    async () => (await postJson(`${first?.url}/api/v1/events`, written)).status === 201,
    WITHIN_MS,
    "the cluster takes writes again",
  ).catch((error) => {
    throw new Error(`${error}\n${cluster.logTail("n1", 20)}\n${cluster.logTail("n2", 20)}`);
  });
  const accused = (await alertsOf(cluster.node("n1"))).filter(({ kind }) => kind === "fork").map((one) => one.accused);
  expect(new Set(accused)).toEqual(new Set(["n3"]));
});
