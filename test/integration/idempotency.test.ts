import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { type Answer, call, postJson, readLog, uniqueSource } from "./api-support.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { ELECTION_TIMEOUT_MS: "3000", REQUEST_TIMEOUT_MS: "15000" } });
});
afterAll(() => cluster?.stop());

const event = (sourceAppId: string, i = 0) => ({ eventType: "T", sourceAppId, dataPayload: { i } });
const write = (node: ClusterNode, source: string, key?: string, path = "/api/v1/events"): Promise<Answer> =>
  postJson(node.url + path, event(source), key === undefined ? {} : { "Idempotency-Key": key });
const isReplay = ({ headers }: Answer): boolean => headers.get("idempotent-replayed") === "true";
const others = (id: string): [ClusterNode, ClusterNode] =>
  cluster.nodes.filter((node) => node.id !== id) as [ClusterNode, ClusterNode];

/** All events of a source, the same on every node. */
async function logged(source: string): Promise<Record<string, unknown>[]> {
  await levelHead(cluster.nodes);
  const [first, ...rest] = await Promise.all(cluster.nodes.map(({ url }) => readLog(url, `&sourceAppId=${source}`)));
  for (const log of rest) expect(log).toEqual(first);
  return first as Record<string, unknown>[];
}

async function startAgain(id: string): Promise<void> {
  await cluster.start(id);
  await cluster.leader();
}

it("one key posted to all nodes at once stores one event, and all answers name it", async () => {
  const source = uniqueSource();
  const sequences: number[] = [];
  for (let i = 0; i < 20; i++) {
    const answers = await Promise.all(cluster.nodes.map((node) => write(node, source, `key-${i}`)));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    const [first] = answers as [Answer];
    for (const { body } of answers)
      expect([body.sequence, body.hash, body.id]).toEqual([first.body.sequence, first.body.hash, first.body.id]);
    expect(answers.map(isReplay).sort()).toEqual([false, true, true]);
    sequences.push(first.body.sequence);
  }
  expect((await logged(source)).map((one) => [one.sequence, one.idempotencyKey])).toEqual(
    sequences.map((sequence, i) => [sequence, `key-${i}`]),
  );
});

it("a key holds on all three POST routes, quoted or bare, and is its source's own", async () => {
  const source = uniqueSource();
  const [n1, n2, n3] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  const made = await write(n1, source, "order 17", "/api/event-logs");
  const { _id: id, hash, sequence } = made.body;
  expect([made.status, isReplay(made)]).toEqual([201, false]);
  const own = await write(n2, source, '"order 17"');
  expect([own.status, isReplay(own), own.body.id, own.body.hash, own.body.sequence]).toEqual([
    201,
    true,
    id,
    hash,
    sequence,
  ]);
  const other = await write(n3, source, "order 17", "/events");
  const { _id, currentHash } = other.body.event;
  expect([other.status, isReplay(other), _id, currentHash]).toEqual([201, true, id, hash]);
  const same = await write(n3, source, "order 17", "/api/event-logs");
  expect([same.status, isReplay(same), same.body]).toEqual([201, true, made.body]);
  const foreign = await write(n3, uniqueSource(), "order 17", "/events");
  expect([foreign.status, isReplay(foreign)]).toEqual([201, false]);
  expect(foreign.body.event._id).not.toBe(id);
  expect(await logged(source)).toHaveLength(1);
});

it("a key written before its leader was killed is answered with the same event by the next one", async () => {
  const source = uniqueSource();
  const { node: leader, term } = await cluster.leader();
  const made = await write(leader, source, "before");
  expect([made.status, isReplay(made)]).toEqual([201, false]);
  await cluster.kill(leader.id);
  for (const node of others(leader.id)) {
    const again = await write(node, source, "before");
    expect([again.status, isReplay(again)]).toEqual([201, true]);
    expect([again.body.sequence, again.body.hash, again.body.term]).toEqual([made.body.sequence, made.body.hash, term]);
  }
  await startAgain(leader.id);
  const back = await write(leader, source, "before");
  expect([back.status, isReplay(back), back.body.hash]).toEqual([201, true, made.body.hash]);
  expect(await logged(source)).toHaveLength(1);
});

it("a write that meets an election is answered 201 after it, without a retry of the client, and is logged once", async () => {
  for (const key of [undefined, "in the election"]) {
    const source = uniqueSource();
    const { node: leader, term } = await cluster.leader();
    await cluster.kill(leader.id);
    const answers = await Promise.all(others(leader.id).map((node) => write(node, source, key)));
    for (const { status, body } of answers) {
      expect(status).toBe(201);
      expect(body.term).toBeGreaterThan(term);
    }
    await startAgain(leader.id);
    const ids = new Set(answers.map(({ body }) => body.id));
    expect(ids.size).toBe(key === undefined ? 2 : 1);
    expect((await logged(source)).map(({ id }) => id).sort()).toEqual([...ids].sort());
  }
});

it("writes under way at the leader when it is killed are logged once, whoever the client asked", async () => {
  const source = uniqueSource();
  const { node: leader } = await cluster.leader();
  // Sent through the followers, and on their way when the leader dies.
  const sent = others(leader.id).flatMap((node) =>
    Array.from({ length: 10 }, (_, i) => write(node, source, `${node.id}-${i}`)),
  );
  await cluster.kill(leader.id);
  const answers = await Promise.all(sent);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  await startAgain(leader.id);
  const keys = (await logged(source)).map((one) => one.idempotencyKey);
  expect(keys).toHaveLength(20);
  expect(new Set(keys).size).toBe(20);
});

it("without a majority a write is refused with 503, and after healing nothing of it is in the log", async () => {
  const source = uniqueSource();
  const { node: leader } = await cluster.leader();
  await Promise.all(others(leader.id).map(({ id }) => cluster.kill(id)));
  await eventually(async () => (await call(`${leader.url}/readyz`)).status === 503, 30_000, "the majority is missed");
  for (const refused of await Promise.all([write(leader, source, "refused"), write(leader, source)])) {
    expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([503, "no_quorum", true]);
    expect(refused.body.detail).toContain("Nothing was written");
  }
  await cluster.startAll();
  await cluster.leader();
  expect(await logged(source)).toEqual([]);
  const made = await write(leader, source, "refused");
  expect([made.status, isReplay(made)]).toEqual([201, false]);
  expect(await logged(source)).toHaveLength(1);
});

it("a sealed write that cannot be decided in time is 504, its repetition 409, and its key returns the one event afterwards", async () => {
  const source = uniqueSource();
  const { node: leader } = await cluster.leader();
  const followers = others(leader.id);
  for (const { id } of followers) cluster.signal(id, "SIGSTOP");
  let answers: Answer[];
  try {
    answers = await Promise.all([1, 2, 3].map(() => write(leader, source, "undecided")));
  } finally {
    for (const { id } of followers) cluster.signal(id, "SIGCONT");
  }
  expect(answers.map(({ body }) => body.code).sort()).toEqual(["in_progress", "in_progress", "outcome_unknown"]);
  for (const { status, headers, body } of answers) {
    expect([status, body.retryable]).toEqual([body.code === "in_progress" ? 409 : 504, true]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  }

  await cluster.leader();
  answers = await Promise.all(cluster.nodes.map((node) => write(node, source, "undecided")));
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(new Set(answers.map(({ body }) => `${body.sequence} ${body.hash}`)).size).toBe(1);
  expect((await logged(source)).map((one) => one.hash)).toEqual([answers[0]?.body.hash]);
});
