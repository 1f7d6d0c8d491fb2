import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, readLog, uniqueSource } from "./api-support.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { ELECTION_TIMEOUT_MS: "3000", REQUEST_TIMEOUT_MS: "15000" } });
});
afterAll(() => cluster?.stop());

const event = (sourceAppId: string, i = 0) => ({ eventType: "T", sourceAppId, dataPayload: { i } });
const others = (id: string) => cluster.nodes.filter((node) => node.id !== id);
const person = { actor: "ada", reason: "a test" };

/** Writes on all nodes at once until told to stop; every answer counts. */
function writeAlong(source: string, urls: readonly string[], clients = 6) {
  let isWriting = true;
  const statuses: number[] = [];
  const sequences: number[] = [];
  const work = Array.from({ length: clients }, async (_, client) => {
    for (let i = 0; isWriting; i++) {
      const { status, body } = await postJson(`${urls[client % urls.length]}/api/v1/events`, event(source, i));
      statuses.push(status);
      if (status === 201) sequences.push(body.sequence);
    }
  });
  return {
    sequences,
    statuses,
    async stop(): Promise<void> {
      isWriting = false;
      await Promise.all(work);
    },
  };
}

async function expectAllThere(url: string, source: string, sequences: readonly number[]): Promise<void> {
  const stored = await readLog(url, `&sourceAppId=${source}&minSequence=${Math.max(...sequences)}`);
  expect(stored.map((one) => one.sequence)).toEqual([...sequences].sort((a, b) => a - b));
}

it("a leader steps down on request, at any node, to the one named; writes go on and none is refused or lost", async () => {
  const source = uniqueSource();
  const { node: leader, term } = await cluster.leader();
  const target = others(leader.id)[0]?.id;
  const asked = others(leader.id)[1]?.url;
  const writes = writeAlong(
    source,
    cluster.nodes.map((node) => node.url),
  );
  await eventually(() => writes.sequences.length > 50, 20_000, "writes");
  const { status, body } = await postJson(`${asked}/api/v1/cluster/step-down`, { ...person, target });
  expect([status, body.leaderId]).toEqual([200, target]);
  expect(body.term).toBeGreaterThan(term);
  const before = writes.sequences.length;
  await eventually(() => writes.sequences.length > before + 50, 20_000, "further writes");
  await writes.stop();
  expect(new Set(writes.statuses)).toEqual(new Set([201]));
  for (const { url } of cluster.nodes) {
    await expectAllThere(url, source, writes.sequences);
    const found = await eventually(
      async () => {
        const { body: told } = await call(`${url}/api/v1/elections?limit=1`);
        return told.unreachable.length === 0 && told;
      },
      30_000,
      "every node says what it knows of the election",
    );
    expect(found.elections).toMatchObject([
      {
        term: body.term,
        leaderId: target,
        reason: "hand_over",
        previousLeader: leader.id,
        handOver: true,
        writesRefused: {},
      },
    ]);
    expect(found.elections[0].votes.length).toBeGreaterThanOrEqual(2);
  }
});

it("elections are listed newest first, down to the genesis", async () => {
  const { body } = await call(`${cluster.nodes[0]?.url}/api/v1/elections`);
  const terms = body.elections.map((election: { term: number }) => election.term);
  expect(terms).toEqual([...terms].sort((a, b) => b - a));
  expect(body.elections.at(-1)).toMatchObject({ reason: "genesis", height: 1, previousLeader: null, handOver: false });
  expect((await call(`${cluster.nodes[0]?.url}/api/v1/elections?limit=501`)).status).toBe(400);
});

it("a step-down that nobody can answer is refused, and says why", async () => {
  const { node: leader } = await cluster.leader();
  const url = `${others(leader.id)[0]?.url}/api/v1/cluster/step-down`;
  const toItself = await postJson(url, { ...person, target: leader.id });
  expect([toItself.status, toItself.body.code]).toEqual([409, "step_down_conflict"]);
  expect((await postJson(url, { ...person, target: "nobody" })).body.detail).toContain("not a member");
  const unnamed = await postJson(url, { target: leader.id });
  expect(unnamed.body.errors.map((error: { pointer: string }) => error.pointer)).toEqual(["#/actor", "#/reason"]);
  expect((await cluster.leader()).node.id).toBe(leader.id);
});

it("SIGTERM of the leader hands over first: no write fails on any other node", async () => {
  const source = uniqueSource();
  const { node: leader, term } = await cluster.leader();
  const { pid } = leader;
  const writes = writeAlong(
    source,
    others(leader.id).map((node) => node.url),
  );
  await eventually(() => writes.sequences.length > 50, 20_000, "writes");
  cluster.signal(leader.id, "SIGTERM");
  const next = await eventually(
    async () => {
      const { body } = await call(`${others(leader.id)[0]?.url}/api/v1/elections?limit=1`);
      return body.elections[0]?.term > term && body.elections[0];
    },
    20_000,
    "another node leads",
  );
  expect(next).toMatchObject({ reason: "hand_over", previousLeader: leader.id, handOver: true });
  const before = writes.sequences.length;
  await eventually(() => writes.sequences.length > before + 50, 20_000, "further writes");
  await writes.stop();
  expect(new Set(writes.statuses)).toEqual(new Set([201]));
  // The supervisor starts it again; until the old process has ended, `start` would find it still there.
  await eventually(() => leader.pid !== undefined && leader.pid !== pid, 30_000, "the old leader is back");
  await cluster.start(leader.id);
  await cluster.leader();
  for (const { url } of cluster.nodes) await expectAllThere(url, source, writes.sequences);
});

it("a second signal ends a node at once, and that is what is said of its end", async () => {
  const { node: leader } = await cluster.leader();
  const [follower] = others(leader.id);
  const { id, pid } = follower as (typeof cluster.nodes)[number];
  // It cannot stop before its database answers.
  cluster.signalMongod(id, "SIGSTOP");
  const stops = (): number => cluster.logTail(id, 1_000).split("stopping (SIGTERM)").length;
  const before = stops();
  cluster.signal(id, "SIGTERM");
  await eventually(() => stops() > before, 20_000, "it stops");
  cluster.signal(id, "SIGTERM");
  await eventually(() => cluster.node(id).pid !== pid, 20_000, "it has ended");
  cluster.signalMongod(id, "SIGCONT");
  expect(cluster.logTail(id)).toContain("a second SIGTERM: the node ends at once");
  await cluster.start(id);
});

it("minSequence waits for an event on any node, and says when it does not come", async () => {
  const source = uniqueSource();
  for (let i = 0; i < 10; i++) {
    const { body } = await postJson(`${cluster.nodes[i % 3]?.url}/api/v1/events`, event(source));
    for (const { url } of cluster.nodes) {
      const one = await call(`${url}/api/v1/events/${body.sequence}?minSequence=${body.sequence}`);
      expect([one.status, one.body.hash]).toEqual([200, body.hash]);
      const list = await call(`${url}/api/v1/events?order=desc&sourceAppId=${source}&minSequence=${body.sequence}`);
      expect(list.body.events[0].sequence).toBeGreaterThanOrEqual(body.sequence);
    }
  }
  const far = await call(`${cluster.nodes[0]?.url}/api/v1/events?minSequence=99999999`);
  expect([far.status, far.body.code]).toEqual([503, "not_ready"]);
  for (const query of ["minSequence=x", "minSequence=-1", "consistency=strong"])
    expect((await call(`${cluster.nodes[0]?.url}/api/v1/events?${query}`)).status).toBe(400);
  expect((await call(`${cluster.nodes[0]?.url}/api/v1/events/0?min=1`)).body.code).toBe("invalid_parameter");
});

it("a linearizable read sees every acknowledged write, on any node", async () => {
  const source = uniqueSource();
  for (let i = 0; i < 10; i++) {
    const { body } = await postJson(`${cluster.nodes[i % 3]?.url}/api/v1/events`, event(source));
    const reads = cluster.nodes.map(({ url }) =>
      call(`${url}/api/v1/events?order=desc&limit=1&consistency=linearizable&sourceAppId=${source}`),
    );
    for (const read of await Promise.all(reads)) expect(read.body.events[0].sequence).toBe(body.sequence);
  }
});

it("a leader that was paused while another was elected serves no stale linearizable read", async () => {
  const source = uniqueSource();
  const { node: old } = await cluster.leader();
  await postJson(`${old.url}/api/v1/events`, event(source));
  cluster.signal(old.id, "SIGSTOP");
  const read = `${old.url}/api/v1/events?order=desc&limit=1&consistency=linearizable&sourceAppId=${source}`;
  // These wait in the paused node's sockets: it answers them with what it believed before, or asks first.
  const waiting = Array.from({ length: 5 }, () => call(read));
  const { body } = await postJson(`${others(old.id)[0]?.url}/api/v1/events`, event(source, 1));
  cluster.signal(old.id, "SIGCONT");
  for (const answer of [...(await Promise.all(waiting)), await call(read)]) {
    if (answer.status === 200) expect(answer.body.events[0].sequence).toBe(body.sequence);
    else expect([answer.status, answer.body.retryable]).toEqual([503, true]);
  }
  await cluster.leader();
});

it("without a majority a linearizable read is refused, and an ordinary one is answered as stale", async () => {
  const { node: leader, term } = await cluster.leader();
  await Promise.all(others(leader.id).map(({ id }) => cluster.kill(id)));
  const { url } = leader;
  const refused = await call(`${url}/api/v1/events?consistency=linearizable`);
  expect([refused.status, refused.body.code]).toEqual([503, "no_quorum"]);
  expect((await call(`${url}/api/v1/events`)).status).toBe(200);
  const source = uniqueSource();
  const writes = await Promise.all([1, 2, 3].map((i) => postJson(`${url}/api/v1/events`, event(source, i))));
  // Those that the leader had sealed before it knew are of unknown outcome.
  const refusedCount = writes.filter(({ body }) => body.code === "no_quorum").length;
  await cluster.startAll();
  await cluster.leader();
  interface Election {
    readonly term: number;
    readonly writesRefused: Record<string, number>;
  }
  // Told by the first leader that can tell it, and there may have been another one since.
  const toldSince = async (): Promise<number> =>
    ((await call(`${url}/api/v1/elections`)).body.elections as Election[])
      .filter((one) => one.term > term)
      .reduce((sum, { writesRefused }) => sum + (writesRefused[leader.id] ?? 0), 0);
  await eventually(async () => (await toldSince()) === refusedCount, 30_000, `${refusedCount} refusals are told`);
});
