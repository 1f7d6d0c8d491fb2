import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { utf8 } from "../../shared/bytes.js";
import { term } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { sealBlock } from "../../shared/log/chain.js";
import { type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { Liar } from "../support/liar.js";
import { call, postJson } from "./api-support.js";

const FOUND_WITHIN_MS = 10_000;

let cluster: Cluster;
let liar: Liar;

beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { LOG_LEVEL: "info" } });
});
afterAll(async () => {
  await liar?.close();
  await cluster?.stop();
});

function preparedEvent(): PreparedEvent {
  const payload = utf8('{"amount":125000}');
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

/** One byte of the event's hash altered, under an honest header: a record ends with the beginning of its hash. */
function forge(block: Block): Block {
  const records = Buffer.from(block.records);
  const last = records.length - 1;
  records[last] = (records[last] as number) ^ 1;
  return { ...block, records };
}

it("a follower given a block with one forged hash refuses it, keeps its log, and every node shows the alert, in less than two seconds where nothing else runs", async () => {
  const event = { eventType: "a", sourceAppId: "b", dataPayload: {} };
  const first = cluster.nodes[0] as Cluster["nodes"][number];
  expect((await postJson(`${first.url}/api/v1/events`, event)).status).toBe(201);
  await cluster.kill("n3");
  const leader = await cluster.leader();
  liar = new Liar("n3", cluster);
  const before = await eventually(
    async () => {
      const [state, other] = await Promise.all([liar.chainOf("n1"), liar.chainOf("n2")]);
      // Whoever leads begins its term with a block; another one than n3 may have led before.
      return state.term === leader.term && state.blockHash === other.blockHash && state;
    },
    30_000,
    "the log is level after the election",
  );

  // Our own stream shows it too, on the node that finds it.
  const shown: { kind: string; alert?: { kind: string } }[] = [];
  const stream = new WebSocket(`${cluster.node("n1").url.replace(/^http/, "ws")}/api/v1/stream`);
  stream.on("message", (data) => shown.push(JSON.parse(String(data))));
  await once(stream, "open");

  const inTerm = 1_000;
  const request = { term: term(inTerm), leaderId: "n3", events: [preparedEvent()], now: "2030-01-01T00:00:00.000Z" };
  const { block } = sealBlock(before, { ...request, commitHeight: before.commitHeight }, liar.signer.block);
  liar.append("n1", before, { inTerm, blocks: [forge(block)], round: 1 });

  const sentAt = performance.now();
  await eventually(
    () => shown.some(({ alert }) => alert?.kind === "bad_body"),
    FOUND_WITHIN_MS,
    "the stream shows the alert",
  );
  stream.terminate();
  await eventually(
    () => liar.answers.some(({ body }) => body.kind === "append_answer" && body.result === "rejected"),
    FOUND_WITHIN_MS,
    "n1 refuses the block",
  );
  for (const node of cluster.nodes.filter(({ id }) => id !== "n3")) {
    const alert = await eventually(
      async () => {
        const { alerts } = (await call(`${node.url}/api/v1/alerts`)).body as {
          alerts: { kind: string; node: string; accused: string; sequence: number }[];
        };
        return alerts.find((one) => one.kind === "bad_body");
      },
      FOUND_WITHIN_MS,
      `${node.id} shows the alert`,
    );
    process.stdout.write(`${node.id} shows the alert ${Math.round(performance.now() - sentAt)} ms after the block\n`);
    expect(alert).toMatchObject({ node: "n1", accused: "n3", sequence: 1 });
  }

  // It goes on with the honest ones: the forged event is nowhere, the next write is event 1 on all.
  await cluster.start("n3");
  const answer = await eventually(
    async () => {
      const { status, body } = await postJson(`${first.url}/api/v1/events`, event);
      return status === 201 && (body as { sequence: number });
    },
    30_000,
    "the cluster takes writes again",
  );
  expect(answer.sequence).toBe(1);
  for (const node of cluster.nodes) {
    const { events } = (await eventually(
      async () => {
        const page = (await call(`${node.url}/api/v1/events`)).body as { events: { eventType: string }[] };
        return page.events.length === 2 && page;
      },
      30_000,
      `${node.id} has both events`,
    )) as { events: { eventType: string }[] };
    expect(events.map((event) => event.eventType)).toEqual(["a", "a"]);
  }
});
