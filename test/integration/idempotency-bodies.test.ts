import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { type Answer, postJson, postText, readLog, uniqueSource } from "./api-support.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { ELECTION_TIMEOUT_MS: "3000" } });
});
afterAll(() => cluster?.stop());

type Body = Record<string, unknown>;
const SINGLE = "/api/v1/events";
const BATCH = "/api/v1/events:batch";

const event = (sourceAppId: string, change: Body = {}): Body => ({
  eventType: "T",
  sourceAppId,
  dataPayload: { a: 1, b: [2, "x"] },
  ...change,
});
const batchOf = (...events: Body[]): Body => ({ events });
const post = (node: ClusterNode, path: string, body: Body, key: string): Promise<Answer> =>
  postJson(node.url + path, body, { "Idempotency-Key": key });
const onAll = (path: string, body: Body, key: string): Promise<Answer[]> =>
  Promise.all(cluster.nodes.map((node) => post(node, path, body, key)));

const isReplay = ({ headers }: Answer): boolean => headers.get("idempotent-replayed") === "true";
/** All that a client is told of what was written; who holds it can only grow. */
const toldBy = ({ status, headers, body }: Answer): unknown => {
  const { acknowledgedBy: _holders, ...rest } = body;
  return { status, location: headers.get("location"), etag: headers.get("etag"), ...rest };
};

/** Every answer repeats the first one, and says so. */
function expectRepeated(first: Answer, answers: readonly Answer[]): void {
  for (const answer of answers) {
    expect(toldBy(answer)).toEqual(toldBy(first));
    expect(isReplay(answer)).toBe(true);
    expect(answer.body.acknowledgedBy.length).toBeGreaterThanOrEqual(2);
  }
}

function expectRefused(answers: readonly Answer[], sequence: number): void {
  for (const { status, body } of answers) {
    expect([status, body.code, body.retryable]).toEqual([422, "idempotency_key_reused", false]);
    expect(body.detail).toContain(`event ${sequence}`);
  }
}

/** All events of a source, the same on every node. */
async function logged(source: string): Promise<Body[]> {
  await levelHead(cluster.nodes);
  const logs = await Promise.all(cluster.nodes.map(({ url }) => readLog(url, `&sourceAppId=${source}`)));
  for (const log of logs) expect(log).toEqual(logs[0]);
  return logs[0] as Body[];
}

const first = (): ClusterNode => cluster.nodes[0] as ClusterNode;

it("refuses another body with the same key on every node and all three APIs, and writes nothing of it", async () => {
  const source = uniqueSource();
  const made = await post(first(), SINGLE, event(source, { timestamp: "2026-05-01T12:00:00Z" }), "k");
  expect([made.status, isReplay(made)]).toEqual([201, false]);
  const others = [
    event(source, { eventType: "U" }),
    event(source, { dataPayload: { a: 1, b: [2, "y"] } }),
    event(source, { dataPayload: {} }),
    event(source, { timestamp: "2026-05-01T12:00:01Z" }),
    event(source, { timestamp: "2026-05-01T12:00:00.000Z" }),
  ];
  for (const other of others) expectRefused(await onAll(SINGLE, other, "k"), made.body.sequence);
  for (const path of ["/api/event-logs", "/events"])
    expectRefused(await onAll(path, others[0] as Body, "k"), made.body.sequence);
  expect(await logged(source)).toHaveLength(1);
});

it("takes the same JSON for the same body, however it is written, with and without its timestamp", async () => {
  const source = uniqueSource();
  const timestamp = "2026-05-01T12:00:00+02:00";
  const given = await post(first(), SINGLE, event(source, { timestamp }), "given");
  expectRepeated(given, await onAll(SINGLE, event(source, { timestamp }), "given"));
  expectRepeated(given, await onAll(SINGLE, event(source), "given"));
  const text = `{ "dataPayload": {"b":[2.0,"\\u0078"],\n"a":1e0}, "sourceAppId": "${source}", "eventType":"T" }`;
  for (const { url } of cluster.nodes)
    expectRepeated(given, [await postText(url + SINGLE, text, { "Idempotency-Key": '"given"' })]);

  const stamped = await post(first(), SINGLE, event(source), "stamped");
  expectRepeated(stamped, await onAll(SINGLE, event(source), "stamped"));
  const log = await logged(source);
  expect(log.map((one) => one.idempotencyKey)).toEqual(["given", "stamped"]);
  // The node's own timestamp is what the event says from then on.
  expectRepeated(stamped, await onAll(SINGLE, event(source, { timestamp: log[1]?.timestamp }), "stamped"));
});

it("answers a batch that comes again with its first events, and refuses any other batch with that key", async () => {
  const source = uniqueSource();
  const events = [1, 2, 3].map((n) => event(source, { dataPayload: { n } }));
  const [one, two, three] = events as [Body, Body, Body];
  const made = await post(first(), BATCH, batchOf(...events), "k");
  expect([made.status, isReplay(made), made.body.events.length]).toEqual([201, false, 3]);
  expectRepeated(made, await onAll(BATCH, batchOf(...events), "k"));

  const { sequence } = made.body.events[0];
  const others = [
    batchOf(one, two),
    batchOf(one, two, three, three),
    batchOf(one, three, two),
    batchOf(two, two, three),
    batchOf(one, two, event(source, { dataPayload: { n: 4 } })),
    batchOf(one),
  ];
  for (const other of others) expectRefused(await onAll(BATCH, other, "k"), sequence);
  expectRefused(await onAll(SINGLE, one, "k"), sequence);

  // Without the key, or with another, the same events are new ones; equal events in one batch are two.
  expect((await post(first(), BATCH, batchOf(one, one), "other")).body.events).toHaveLength(2);
  const log = await logged(source);
  expect(log.map(({ idempotencyKey, batch }) => [idempotencyKey, batch])).toEqual([
    ["k", [0, 3]],
    ["k", [1, 3]],
    ["k", [2, 3]],
    ["other", [0, 2]],
    ["other", [1, 2]],
  ]);
});

it("a batch's key is each of its sources' own, and an event's key no batch's", async () => {
  const [a, b, c] = [uniqueSource(), uniqueSource(), uniqueSource()];
  const batch = batchOf(event(a), event(b));
  const made = await post(first(), BATCH, batch, "k");
  expectRepeated(made, await onAll(BATCH, batch, "k"));
  const { sequence } = made.body.events[0];
  expectRefused(await onAll(SINGLE, event(b), "k"), sequence);
  expectRefused(await onAll(BATCH, batchOf(event(c), event(b)), "k"), sequence);
  const single = await post(first(), SINGLE, event(c), "k");
  expect([single.status, isReplay(single)]).toEqual([201, false]);
  expectRefused(await onAll(SINGLE, event(a), "k"), sequence);
  expect([(await logged(a)).length, (await logged(b)).length]).toEqual([1, 1]);
});

it("of batches and of different bodies posted everywhere at once with one key, one request is written", async () => {
  const source = uniqueSource();
  for (let i = 0; i < 10; i++) {
    const same = await onAll(BATCH, batchOf(event(source), event(source)), `same-${i}`);
    expect(same.map(isReplay).sort()).toEqual([false, true, true]);
    for (const answer of same) expect(toldBy(answer)).toEqual(toldBy(same[0] as Answer));

    const different = await Promise.all(
      cluster.nodes.map((node, n) => post(node, SINGLE, event(source, { dataPayload: { n } }), `different-${i}`)),
    );
    const written = different.filter(({ status }) => status === 201);
    expect(written).toHaveLength(1);
    const refused = different.filter(({ status }) => status !== 201);
    expectRefused(refused, written[0]?.body.sequence);
  }
  expect(await logged(source)).toHaveLength(30);
});

it("answers the same after the leader was killed, all was killed, and by a leader that lost its disk and copied the log", async () => {
  const source = uniqueSource();
  const batch = batchOf(event(source), event(source, { eventType: "U" }));
  const { node: leader } = await cluster.leader();
  const single = await post(leader, SINGLE, event(source), "single");
  const many = await post(leader, BATCH, batch, "many");
  await cluster.kill(leader.id);
  const rest = cluster.nodes.filter(({ id }) => id !== leader.id);
  const check = async (nodes: readonly ClusterNode[]): Promise<void> => {
    for (const node of nodes) {
      expectRepeated(single, [await post(node, SINGLE, event(source), "single")]);
      expectRepeated(many, [await post(node, BATCH, batch, "many")]);
      expectRefused([await post(node, SINGLE, event(source, { eventType: "U" }), "single")], single.body.sequence);
    }
  };
  await check(rest);
  await cluster.startAll();
  await cluster.leader();
  await check(cluster.nodes);

  await cluster.killAll();
  await cluster.startAll();
  await cluster.leader();
  await check(cluster.nodes);

  const { node: present } = await cluster.leader();
  const { id } = cluster.nodes.find((node) => node.id !== present.id) as ClusterNode;
  await cluster.kill(id);
  await cluster.killMongod(id);
  rmSync(join(cluster.dataDir, id, "db"), { recursive: true });
  await cluster.start(id);
  const steppedDown = async (): Promise<boolean> => {
    const request = { actor: "test", reason: "a node that copied the log shall lead", target: id };
    const { status } = await postJson(`${present.url}/api/v1/cluster/step-down`, request);
    // Whoever asked may not have been told.
    return status === 200 || (await cluster.leaderNow())?.id === id;
  };
  await eventually(steppedDown, 30_000, `${id} is admitted and leads`);
  await check(cluster.nodes);
  expect(await logged(source)).toHaveLength(3);
});

it("without a key, a forwarder whose answers are lost doubles nothing: the leader is killed or stopped under load", async () => {
  for (const end of ["SIGKILL", "SIGSTOP"] as const) {
    const source = uniqueSource();
    const { node: leader } = await cluster.leader();
    const followers = cluster.nodes.filter(({ id }) => id !== leader.id);
    const write = (n: number): Promise<Answer> => {
      const node = followers[n % followers.length] as ClusterNode;
      const body = event(source, { dataPayload: { n } });
      return n % 3 === 0 ? postJson(node.url + BATCH, batchOf(body)) : postJson(node.url + SINGLE, body);
    };
    const sent = Array.from({ length: 60 }, (_, n) => write(n));
    if (end === "SIGKILL") await cluster.kill(leader.id);
    else cluster.signal(leader.id, "SIGSTOP");
    const answers = await Promise.all(sent);
    if (end === "SIGKILL") await cluster.start(leader.id);
    else cluster.signal(leader.id, "SIGCONT");
    await cluster.leader();

    const log = (await logged(source)).map((one) => (one.dataPayload as { n: number }).n);
    expect(new Set(log).size, `${end}: logged twice`).toBe(log.length);
    for (const [n, { status }] of answers.entries()) {
      expect([201, 503, 504]).toContain(status);
      if (status !== 504) expect(log.includes(n), `${end}: write ${n} was answered ${status}`).toBe(status === 201);
    }
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
  }
});
