import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { AlertRecord } from "../../node/storage/port.js";
import { BLOCK_EDITS, editableEvent } from "../../scripts/chaos/tamper/edits.js";
import { fillTo } from "../../scripts/chaos/tamper/load.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { temporaryFolder } from "../../scripts/mongod/reaper.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { startMongod, type TestMongod } from "../support/mongod.js";
import { type Place, READS, type Shown } from "../support/reads.js";
import { withDatabase } from "../support/stored-blocks.js";
import { alertsOf, type Blocks, covers } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 90_000;
const PATIENT = { timeout: 900_000 };
/** More than a start verifies by itself: all that is edited stands below. */
const FILL_EVENTS = 100_500;
/** A stream that shows nothing of an event for so long hides it. */
const STREAM_MS_MAX = 20_000;

/** What is done to a block, as what it has to be found, and which fields of it are named. */
interface Edit {
  readonly what: string;
  readonly kind: string;
  readonly fields: readonly string[];
  readonly act: (blocks: Blocks, at: number) => Promise<unknown>;
}
const ofBlock = (name: string): Edit => {
  const found = BLOCK_EDITS.find(({ what }) => what === name);
  if (found === undefined) throw new Error(`there is no edit "${name}"`);
  return found;
};
const EDITS: readonly Edit[] = [
  ofBlock("a payload that is edited"),
  ofBlock("a payload whose hashes were made anew"),
  ofBlock("a block that is deleted"),
  {
    what: "an index entry that is deleted",
    kind: "index_differs",
    fields: [],
    act: (blocks, at) => blocks.deleteOne({ _id: -at }),
  },
  {
    what: "an index entry without terms",
    kind: "index_differs",
    fields: [],
    act: (blocks, at) => blocks.updateOne({ _id: -at }, { $set: { terms: [] } }),
  },
];
const isOfIndex = ({ kind }: Edit): boolean => kind === "index_differs";

let mongods: readonly TestMongod[];
let cluster: Cluster;
/** One a test, as what is found stays open: first the followers, then who leads. */
let victims: readonly [ClusterNode, ClusterNode, ClusterNode];
const source = uniqueSource();
/** Of each victim, as many as there are edits. */
const places: Place[][] = [];
const payloadOf = (i: number): object => editableEvent(i, source).dataPayload;

beforeAll(async () => {
  mongods = await Promise.all([1, 2, 3].map((i) => startMongod({ dbPath: temporaryFolder(`mongod-${i}`) })));
  cluster = await startSteadyCluster({
    mongodbUris: mongods.map(({ uri }) => uri),
    // A pass runs after each start, and then none: what is found is found by the first one.
    env: { VERIFY_SCHEDULE: "0 0 1 1 *" },
  });
  const leader = (await cluster.leader()).node;
  victims = [...cluster.nodes.filter(({ id }) => id !== leader.id), leader] as unknown as typeof victims;
  for (const { id } of victims) {
    const own: Place[] = [];
    for (const i of EDITS.keys()) {
      const eventType = `below.${id}.${i}`;
      const { status, body } = await postJson(`${leader.url}/api/v1/events`, {
        ...editableEvent(i, source),
        eventType,
      });
      expect(status).toBe(201);
      own.push({ ...body, eventType, sourceAppId: source });
      expect((await postJson(`${leader.url}/api/v1/events`, editableEvent(i, "between"))).status).toBe(201);
    }
    places.push(own);
  }
  await fillTo(leader.url, FILL_EVENTS);
  await levelHead(cluster.nodes, WITHIN_MS);
  for (const victim of victims) await passEnded(victim);
}, PATIENT.timeout);
afterAll(async () => {
  await cluster?.stop();
  await Promise.all((mongods ?? []).map((mongod) => mongod.stop()));
});

const lastPassAt = async ({ id, url }: ClusterNode): Promise<string | null> =>
  (await call(`${url}/api/v1/cluster`)).body.nodes.find((node: { id: string }) => node.id === id)?.lastPassAt ?? null;

const passEnded = (node: ClusterNode, before: string | null = null): Promise<unknown> =>
  eventually(async () => (await lastPassAt(node)) !== before, WITHIN_MS, "a pass has ended");

const editAll = (uri: string, own: readonly Place[]): Promise<void> =>
  withDatabase(uri, async (db) => {
    for (const [i, { act }] of EDITS.entries()) await act(db.collection("blocks"), (own[i] as Place).height);
  });

/** Edits a stopped node's data by a mongod that notes it nowhere, and starts all as it was. */
async function editUnlogged(victim: ClusterNode, edit: (uri: string) => Promise<void>): Promise<void> {
  const mongod = mongods[cluster.nodes.indexOf(victim)] as TestMongod;
  await cluster.kill(victim.id);
  await mongod.stop();
  const bare = await startMongod({ replSet: false, dbPath: mongod.dbPath });
  await withDatabase(bare.uri, async (db) => {
    expect(await db.admin().command({ hello: 1 })).not.toHaveProperty("setName");
  });
  await edit(bare.uri);
  await bare.stop();
  await mongod.start();
  await cluster.start(victim.id);
}

const otherThan = (victim: ClusterNode): ClusterNode => cluster.nodes.find(({ id }) => id !== victim.id) as ClusterNode;

/** The alert of each edit, as one node tells of it. */
const alertsAbout = async (
  victim: ClusterNode,
  own: readonly Place[],
  asked = otherThan(victim),
): Promise<(AlertRecord | undefined)[]> => {
  const told = (await alertsOf(asked)).filter(({ node }) => node === victim.id);
  return EDITS.map(({ kind }, i) => told.find((one) => one.kind === kind && covers(one, (own[i] as Place).height)));
};

function expectAlert(alert: AlertRecord, { fields, what }: Edit, victim: ClusterNode, place: Place): void {
  expect([what, alert]).toMatchObject([what, { node: victim.id, accused: victim.id, status: "open" }]);
  const { sequences = [], differences = [] } = alert;
  expect([what, sequences.some(([a, b]) => a <= place.sequence && place.sequence <= b)]).toEqual([what, true]);
  const named = differences.filter(({ height }) => height === place.height).map(({ field }) => field);
  expect([what, named]).toEqual([what, expect.arrayContaining([...fields])]);
}

/** All of them, each as it should be. */
async function foundAll(victim: ClusterNode, own: readonly Place[]): Promise<AlertRecord[]> {
  const found = await eventually(
    async () => {
      const alerts = await alertsAbout(victim, own);
      return alerts.every((alert) => alert !== undefined) && (alerts as AlertRecord[]);
    },
    WITHIN_MS,
    "another node shows an alert of each edit",
  ).catch(async (error) => {
    const shown = JSON.stringify(await alertsOf(otherThan(victim)), null, 1);
    throw new Error(`${error}\n${shown}\n${cluster.logTail(victim.id, 20)}`);
  });
  for (const [i, alert] of found.entries()) expectAlert(alert, EDITS[i] as Edit, victim, own[i] as Place);
  const [payload] = found as [AlertRecord];
  expect(payload.differences).toContainEqual({
    ...{ height: own[0]?.height, sequence: own[0]?.sequence },
    ...{ field: "dataPayload.by.name", stored: "eve", expected: "ada" },
  });
  return found;
}

it("what was done to old blocks by a mongod of the same set is found before the node is ready", PATIENT, async () => {
  const [victim] = victims;
  const own = places[0] as Place[];
  await cluster.kill(victim.id);
  await editAll(victim.mongodbUri, own);
  await cluster.start(victim.id);
  const isReady = async (): Promise<boolean> => (await call(`${victim.url}/readyz`)).status === 200;
  let wasReady = false;
  await eventually(
    async () => {
      wasReady ||= await isReady();
      // Not what it finds is asked of it, but when: another node hears of it later.
      return (await alertsAbout(victim, own, victim)).every((alert) => alert !== undefined);
    },
    WITHIN_MS,
    "the node shows an alert of each edit",
  );
  expect([wasReady, await isReady()]).toEqual([false, false]);
  const found = await foundAll(victim, own);
  for (const { foundBy, kind } of found) expect([kind, foundBy]).toEqual([kind, expect.stringMatching(/watch|start/)]);
  expect(found[0]?.foundBy).toBe("watch");
  const { body } = await call(`${victim.url}/readyz?verbose`);
  expect(body).toContain("[-]integrity failed");
});

it("the first pass finds what a mongod without --replSet did to a stopped node's old blocks", PATIENT, async () => {
  const victim = victims[1];
  const own = places[1] as Place[];
  const before = await lastPassAt(victim);
  await editUnlogged(victim, (uri) => editAll(uri, own));
  await passEnded(victim, before);
  // A start that looks for where to begin may come upon a hole.
  for (const { kind, foundBy } of await foundAll(victim, own))
    expect(["scrub", ...(kind === "missing" ? ["start"] : [])]).toContain(foundBy);
});

it(
  "a pass comes to the log's end, and names old blocks that were altered together with all anchors",
  PATIENT,
  async () => {
    const victim = victims[1];
    // The blocks after those that were edited before: nothing below the upper one can be proved any more.
    const [lower, upper] = (places[1] as Place[]).slice(-2).map(({ height }) => height + 1) as [number, number];
    const before = await lastPassAt(victim);
    await editUnlogged(victim, (uri) =>
      withDatabase(uri, async (db) => {
        const blocks: Blocks = db.collection("blocks");
        await db.collection("anchors").deleteMany({});
        await blocks.deleteOne({ _id: lower });
        await blocks.updateOne({ _id: upper }, { $set: { "header.sealedAt": "2020-01-01T00:00:00.000Z" } });
      }),
    );
    await passEnded(victim, before);
    const isNamed = async (kind: string, at: number): Promise<boolean> =>
      (await alertsOf(victim)).some((one) => one.node === victim.id && one.kind === kind && covers(one, at));
    await eventually(async () => isNamed("missing", lower), WITHIN_MS, "the deleted block is named");
    await eventually(async () => isNamed("header_modified", upper), WITHIN_MS, "the altered block is named");
  },
);

/** The first event that a stream shows after a sequence. */
const STREAMS: readonly [string, (url: string, after: number) => Promise<Shown | undefined>][] = [
  ["on our own stream", (url, after) => firstOfSse(`${url}/api/v1/stream?after=${after}`)],
  ["on the stream of reference API A", (url, after) => firstOfSse(`${url}/api/event-logs/stream?after=${after}`)],
  ["on the WebSocket of reference API B", (url, after) => firstOfSocket(`${url}/?after=${after}`)],
];

async function firstOfSse(url: string): Promise<Shown | undefined> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), STREAM_MS_MAX);
  try {
    const { body } = await fetch(url, { headers: { Accept: "text/event-stream" }, signal: abort.signal });
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const event = text
        .split("\n\n")
        .slice(0, -1)
        .find((block) => /^id: /m.test(block) && /^data: /m.test(block));
      if (event !== undefined) return JSON.parse(/^data: (.*)$/m.exec(event)?.[1] as string);
    }
    return undefined;
  } catch (error) {
    if (abort.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

function firstOfSocket(url: string): Promise<Shown | undefined> {
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  return new Promise<Shown | undefined>((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), STREAM_MS_MAX);
    socket.once("message", (data) => resolve(JSON.parse(String(data))));
    socket.once("close", () => resolve(undefined));
    socket.once("error", reject);
    socket.once("close", () => clearTimeout(timer));
  }).finally(() => socket.terminate());
}

interface Seen {
  readonly how: string;
  /** Nothing was shown: it was refused, or hidden. */
  readonly isShown: boolean;
}

/** Asks in each way for each edited event. Whatever is shown is what was written. */
async function readAll(victim: ClusterNode, own: readonly Place[]): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const [i, place] of own.entries()) {
    const edit = EDITS[i] as Edit;
    for (const { how, pathOf, shownIn, isFiltered } of READS) {
      const { status, body } = await call(`${victim.url}${pathOf(place)}`);
      const what = `${how}, ${edit.what}`;
      expect([what, JSON.stringify(body)]).not.toEqual([what, expect.stringContaining('"eve"')]);
      const shown = status === 200 ? shownIn(body as never, place.sequence) : undefined;
      if (shown !== undefined) expect([what, shown.dataPayload]).toEqual([what, payloadOf(i)]);
      // Until it is found, an entry that was altered hides its event from filters; nothing else denies what is there.
      else expect([what, status !== 200 || (isFiltered && isOfIndex(edit))]).toEqual([what, true]);
      seen.push({ how: what, isShown: shown !== undefined });
    }
    for (const [how, first] of STREAMS) {
      const what = `${how}, ${edit.what}`;
      const shown = await first(victim.url, place.sequence - 1);
      if (shown !== undefined) expect([what, shown.dataPayload]).toEqual([what, payloadOf(i)]);
      seen.push({ how: what, isShown: shown !== undefined });
    }
    const copies = await call(`${victim.url}/api/v1/events/${place.sequence}/nodes`);
    expect(JSON.stringify(copies.body)).not.toContain('"eve"');
  }
  return seen;
}

it("none of it is shown by any read before it is found, nor afterwards", PATIENT, async () => {
  const victim = victims[2];
  const own = places[2] as Place[];
  await editUnlogged(victim, (uri) => editAll(uri, own));
  let rounds = 0;
  const isAllFound = async (): Promise<boolean> =>
    (await alertsAbout(victim, own)).every((alert) => alert !== undefined);
  const until = performance.now() + 6 * WITHIN_MS;
  for (let isFound = false; !isFound && performance.now() < until; rounds++) {
    isFound = await isAllFound();
    await readAll(victim, own);
    await sleep(50);
  }
  process.stdout.write(`all was found after ${rounds} rounds of reads\n`);
  await foundAll(victim, own);
  // By now each way shows each event: the node asks another one for what it has not.
  await eventually(
    async () => {
      const hidden = (await readAll(victim, own)).filter(({ isShown }) => !isShown);
      if (hidden.length > 0) throw new Error(JSON.stringify(hidden));
      return true;
    },
    WITHIN_MS,
    "all is shown",
  );
});
