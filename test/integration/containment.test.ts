import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, type ClusterNode, startCluster } from "../../scripts/cluster/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { type Place, READS } from "../support/reads.js";
import { alertsOf, type Blocks, covers, editPayload, tamper } from "../support/tampering.js";
import { type Answer, call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 90_000;
const PATIENT = { timeout: 600_000 };
/** More than a node keeps in memory of its blocks. */
const FILL_BYTES = 44 * 1024 * 1024;
const FILLER_BYTES = 240 * 1024;
const FILLERS_AT_ONCE = 16;

let cluster: Cluster;
let leader: ClusterNode;
let follower: ClusterNode;
let third: ClusterNode;
const source = uniqueSource();
const places: Place[] = [];

const typeOf = (i: number): string => `contained.${i}`;
const payloadOf = (i: number): object => ({ amount: 100 + i, to: "ada" });

beforeAll(async () => {
  cluster = await startCluster({ env: { TAKEOVER_COOLDOWN_MS: "600000" } });
  leader = (await cluster.leader()).node;
  [follower, third] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
  // Each in a block of its own, and between two of them one that a list may come upon.
  for (let i = 0; i < 16; i++) {
    const eventType = i % 2 === 0 ? typeOf(i / 2) : "between";
    const event = { eventType, sourceAppId: source, dataPayload: payloadOf(i / 2) };
    const { status, body } = await postJson(`${leader.url}/api/v1/events`, event);
    expect(status).toBe(201);
    if (i % 2 === 0) places.push({ ...body, eventType, sourceAppId: source });
  }
  // Then so much that no node has these in memory any more: what was proved once is not read again for each answer.
  const filler = { eventType: "filler", sourceAppId: uniqueSource(), dataPayload: { text: "x".repeat(FILLER_BYTES) } };
  for (let bytes = 0; bytes < FILL_BYTES; bytes += FILLERS_AT_ONCE * FILLER_BYTES) {
    const events = Array.from({ length: FILLERS_AT_ONCE }, () => filler);
    await eventually(
      async () => (await postJson(`${leader.url}/api/v1/events:batch`, { events })).status === 201,
      WITHIN_MS,
      "a batch is written",
    );
  }
  await levelHead(cluster.nodes, WITHIN_MS);
}, PATIENT.timeout);
afterAll(() => cluster?.stop());

/** Under load a peer may not answer in time; what is answered is right, and says from whom it is. */
async function answered(node: ClusterNode, path: string): Promise<Answer> {
  let last: Answer | undefined;
  return eventually(
    async () => {
      last = await call(`${node.url}${path}`);
      return last.status === 200 ? last : undefined;
    },
    WITHIN_MS,
    `${node.id} answers ${path}`,
  ).catch((error) => {
    throw new Error(`${error}\n${JSON.stringify(last?.body)}\n${cluster.logTail(node.id, 20)}`);
  });
}

const sourcesOf = ({ headers }: Answer): string[] => headers.get("x-answered-from")?.split(", ") ?? [];

async function isAnsweredByOthers(victim: ClusterNode, i: number): Promise<void> {
  const place = places[i] as Place;
  const { sequence } = place;
  const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== victim.id);
  for (const { how, pathOf, shownIn } of READS) {
    const answer = await answered(victim, pathOf(place));
    expect([how, shownIn(answer.body as never, sequence)?.dataPayload]).toEqual([how, payloadOf(i)]);
    expect([how, answer.headers.get("x-served-by")]).toEqual([how, victim.id]);
    const sources = sourcesOf(answer);
    expect([how, sources.length > 0 && sources.every((id) => others.includes(id))]).toEqual([how, true]);
  }
}

const isFound = (node: ClusterNode, i: number, kind: string): Promise<unknown> =>
  eventually(
    async () =>
      (await alertsOf(node)).some(
        (one) => one.node === node.id && one.kind === kind && covers(one, (places[i] as Place).height),
      ),
    WITHIN_MS,
    `${kind} is found`,
  );

it.each<[string, number, string, (blocks: Blocks, at: number) => Promise<unknown>]>([
  ["an edited payload", 1, "payload_modified", (blocks, at) => editPayload(blocks, at, '"ada"', '"eve"')],
  [
    "an edited header",
    2,
    "header_modified",
    (blocks, at) => blocks.updateOne({ _id: at }, { $inc: { "header.term": 7 } }),
  ],
  ["a deleted block", 3, "missing", (blocks, at) => blocks.deleteOne({ _id: at })],
])("of %s a follower answers another node's copy by each API, and says so", PATIENT, async (_, i, kind, act) => {
  const { height, sequence, hash } = places[i] as Place;
  // Of what is sound nothing is said.
  expect(sourcesOf(await answered(follower, `/api/v1/events/${(places[0] as Place).sequence}`))).toEqual([]);
  await tamper(follower, (blocks) => act(blocks, height));
  await isAnsweredByOthers(follower, i);
  const known = await call(`${follower.url}/api/v1/events/${sequence}`, { headers: { "If-None-Match": `"${hash}"` } });
  if (known.status !== 409) expect([known.status, sourcesOf(known).length]).toEqual([304, 1]);
  await isFound(follower, i, kind);
  await isAnsweredByOthers(follower, i);
  // Whoever compares copies sees what stands there.
  const { body } = await call(`${follower.url}/api/v1/events/${sequence}/nodes`);
  expect(body.nodes.find(({ node }: { node: string }) => node === follower.id)).toMatchObject({ event: null });
});

it("of an edited payload a leader answers another node's copy by each API, and hands over", PATIENT, async () => {
  leader = (await cluster.leader()).node;
  await tamper(leader, (blocks) => editPayload(blocks, (places[5] as Place).height, '"ada"', '"eve"'));
  await isAnsweredByOthers(leader, 5);
  await eventually(
    async () => (await cluster.leader()).node.id !== leader.id,
    WITHIN_MS,
    "another node leads after the leader's log was altered",
  );
});

it(
  "two altered nodes elect a leader while the sound one is down, and answer nothing that nobody can prove",
  PATIENT,
  async () => {
    const second = leader.id === follower.id ? third : leader;
    const sound = cluster.nodes.find(({ id }) => id !== follower.id && id !== second.id) as ClusterNode;
    const altered = [follower, second];
    for (const node of altered)
      for (const i of [6, 7])
        await tamper(node, (blocks) => editPayload(blocks, (places[i] as Place).height, '"ada"', '"eve"'));
    for (const node of altered) await isAnsweredByOthers(node, 6);
    await cluster.kill(sound.id);
    const event = { eventType: "later", sourceAppId: source, dataPayload: {} };
    for (const node of altered)
      await eventually(
        async () => (await postJson(`${node.url}/api/v1/events`, event)).status === 201,
        WITHIN_MS,
        "both take writes",
      );
    // What came from the sound node before it went is at hand; this did not come.
    const { sequence } = places[7] as Place;
    for (const node of altered) {
      const refused = await eventually(
        async () => {
          const answer = await call(`${node.url}/api/v1/events/${sequence}`);
          return answer.status === 503 ? undefined : answer;
        },
        WITHIN_MS,
        "it is answered",
      );
      expect([refused.status, refused.body.code, sourcesOf(refused)]).toEqual([409, "event_altered", []]);
    }
    // Of what only one of them has lost the other one answers.
    const { sequence: lost } = places[5] as Place;
    const mate = altered.find(({ id }) => id !== leader.id) as ClusterNode;
    expect(sourcesOf(await answered(leader, `/api/v1/events/${lost}`))).toEqual([mate.id]);
    await cluster.start(sound.id);
    for (const node of altered)
      expect(sourcesOf(await answered(node, `/api/v1/events/${sequence}`))).toEqual([sound.id]);
  },
);

it("of an edited index a follower has filters decided by another node, and says so", PATIENT, async () => {
  const { height, sequence } = places[4] as Place;
  await tamper(follower, (blocks) => blocks.updateOne({ _id: -height }, { $set: { terms: [] } }));
  await isFound(follower, 4, "index_differs");
  const filter = `sourceAppId=${source}`;
  const due = (await answered(third, `/api/v1/events?order=asc&limit=500&${filter}`)).body.events;
  /** Where no other node says it in time, its own index does, which is made anew by now. */
  const elsewhere = (path: string): Promise<Answer> =>
    eventually(
      async () => {
        const answer = await answered(follower, path);
        return sourcesOf(answer).length > 0 ? answer : undefined;
      },
      WITHIN_MS,
      `${path} is decided by another node`,
    );
  const own = await elsewhere(`/api/v1/events?order=asc&limit=500&${filter}`);
  expect(own.body.events).toEqual(due);
  const ofA = await elsewhere(`/api/event-logs?${filter}&limit=500`);
  expect([ofA.body.total, ofA.body.data.length]).toEqual([due.length, due.length]);
  const counted = await elsewhere(`/api/v1/events/histogram?${filter}&buckets=1`);
  expect([counted.body.total, sourcesOf(counted).length]).toEqual([due.length, 1]);
  await elsewhere(`/api/v1/events?eventType=contained.*`);
  // What entries say nothing of is its own, as its copy is sound.
  expect(sourcesOf(await answered(follower, `/api/v1/events/${sequence}`))).toEqual([]);
});
