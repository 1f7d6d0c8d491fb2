import type { Binary, Document } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { withDatabase } from "../support/stored-blocks.js";
import { alertsOf, type Blocks, covers, editPayload, tamper } from "../support/tampering.js";
import { type Answer, call, postJson, uniqueSource } from "./api-support.js";

const WITHIN_MS = 60_000;
/** A pass over the log begins once a minute. */
const PASS_WITHIN_MS = 150_000;
const PATIENT = { timeout: 600_000 };

let cluster: Cluster;
let leader: ClusterNode;
let victim: ClusterNode;
/** Neither leads nor is altered. */
let other: ClusterNode;
const source = uniqueSource();
beforeAll(async () => {
  cluster = await startSteadyCluster();
  leader = (await cluster.leader()).node;
  [victim, other] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
  await eventually(async () => (await call(`${victim.url}/readyz`)).status === 200, WITHIN_MS, "it is ready");
});
afterAll(() => cluster?.stop());

const ada = (): object => ({ eventType: "paid", sourceAppId: source, dataPayload: { amount: 100, to: "ada" } });

async function write(): Promise<{ height: number; sequence: number }> {
  const { status, body } = await postJson(`${leader.url}/api/v1/events`, ada());
  expect(status).toBe(201);
  return body;
}

/** The open alert that a node shows of the victim. */
const alertAt = (at: number, kind: string): Promise<AlertRecord> =>
  eventually(
    async () => (await alertsOf(other)).find((one) => one.node === victim.id && one.kind === kind && covers(one, at)),
    WITHIN_MS,
    `${kind} at ${at} is found`,
  ) as Promise<AlertRecord>;

const BY = { actor: "grace", reason: "checked with the copy in the safe" };

/** The answer, and as what the alert had been seen. */
async function decide(
  id: string,
  action: string,
  by: object = BY,
  at = other,
): Promise<Answer & { seen: Record<string, string> }> {
  const url = `${at.url}/api/v1/alerts/${id}`;
  // While more is found of it, it is another alert at every look.
  return eventually(
    async () => {
      const seen = { "If-Match": (await call(url)).headers.get("etag") as string };
      const answer = await postJson(`${url}/${action}`, by, seen);
      return answer.status === 412 ? undefined : { ...answer, seen };
    },
    WITHIN_MS,
    "the decision is taken",
  );
}

async function settled(id: string, status: string, withinMs = WITHIN_MS): Promise<AlertRecord> {
  let last: AlertRecord | null = null;
  return eventually(
    async () => {
      last = (await call(`${other.url}/api/v1/alerts/${id}`)).body;
      return last?.status === status ? last : undefined;
    },
    withinMs,
    `the alert is ${status}`,
  ).catch((error) => {
    throw new Error(`${error}\n${JSON.stringify(last)}\n${cluster.logTail(victim.id, 20)}`);
  }) as Promise<AlertRecord>;
}

const stored = (node: ClusterNode, at: number): Promise<Document | null> =>
  withDatabase(node.mongodbUri, async (db) => {
    const found = await db.collection<Document & { _id: number }>("blocks").findOne({ _id: at });
    if (found === null) return null;
    const { writeId: _writeId, ...block } = found;
    return block as Document;
  });

type Note = { readonly id: string; readonly action: string };

/** What the log tells of an alert, as a node shows it that is not the altered one. */
async function notesInLog(id: string): Promise<Note[]> {
  const found: Note[] = [];
  const last = ((await call(`${other.url}/api/v1/alerts/${id}`)).body as AlertRecord).inLog?.height ?? 0;
  for (let at = 1; at <= last; at++) {
    const { kind, node, notes = [] } = (await call(`${other.url}/api/v1/blocks/${at}`)).body.header?.control ?? {};
    if (kind === "alert_records" && node === victim.id)
      found.push(...(notes as Note[]).filter((note) => note.id === id));
  }
  return found;
}

const isInLog = (id: string, action: string): Promise<Note> =>
  eventually(
    async () => (await notesInLog(id)).find((note) => note.action === action),
    WITHIN_MS,
    `the log tells of ${action}`,
  );

/** Nothing else is told of what was done here. */
async function nothingFurther(since: number): Promise<void> {
  const passes = async (): Promise<string | undefined> =>
    (await call(`${victim.url}/api/v1/cluster`)).body.nodes.find(({ id }: { id: string }) => id === victim.id)
      .lastPassAt ?? undefined;
  const before = await eventually(passes, WITHIN_MS, "a pass has ended");
  const after = async (): Promise<boolean> => ![undefined, before].includes(await passes());
  await eventually(after, PASS_WITHIN_MS, "a further pass has ended");
  expect((await alertsOf(other)).filter(({ openedAt }) => Date.parse(openedAt) >= since)).toEqual([]);
}

it(
  "repairs a block by a decision that rests on what was seen, keeps what was there, and opens again when it is altered again",
  PATIENT,
  async () => {
    const written = await write();
    await write();
    await levelHead(cluster.nodes);
    await tamper(victim, (blocks) => editPayload(blocks, written.height, '"ada"', '"eve"'));
    const { id } = await alertAt(written.height, "payload_modified");
    const url = `${other.url}/api/v1/alerts/${id}`;

    expect(await postJson(`${url}/repair`, BY)).toMatchObject({ status: 428, body: { code: "precondition_required" } });
    expect((await postJson(`${url}/repair`, { actor: "a" }, { "If-Match": '"x"' })).status).toBe(422);
    expect((await decide(id, "acknowledge", { actor: "ada", reason: "I look at it" })).body.status).toBe(
      "acknowledged",
    );
    const repaired = await decide(id, "repair");
    expect([200, 202]).toContain(repaired.status);
    const stale = await postJson(`${url}/dismiss`, { actor: "mallory", reason: "r" }, repaired.seen);
    expect(stale).toMatchObject({ status: 412, body: { code: "stale_alert" } });
    expect(stale.body.detail).toContain("grace");

    const alert = await settled(id, "resolved");
    expect(alert).toMatchObject({ resolution: "repaired" });
    expect(alert.history?.map(({ action, actor }) => [action, actor])).toEqual([
      ["opened", undefined],
      ["acknowledged", "ada"],
      ["repair_begun", "grace"],
      ["repaired", undefined],
    ]);
    expect(await stored(victim, written.height)).toEqual(await stored(leader, written.height));
    await withDatabase(victim.mongodbUri, async (db) => {
      const kept = await db.collection("quarantine").findOne({ _id: alert.evidence?.[0] as never });
      expect(Buffer.from((kept as unknown as { payloads: Binary }).payloads.value()).toString("latin1")).toContain(
        '"eve"',
      );
    });
    const read = await call(`${victim.url}/api/v1/events/${written.sequence}`);
    expect([read.status, read.body.dataPayload?.to]).toEqual([200, "ada"]);
    await nothingFurther(Date.now());

    await tamper(victim, (blocks) => editPayload(blocks, written.height, '"ada"', '"bob"'));
    const again = await settled(id, "open");
    expect(again.history?.at(-1)).toMatchObject({ action: "reopened" });
    // It says what stands there now, and since when: not what it said before the repair.
    expect(again.differences).toEqual([{ ...alert.differences?.[0], stored: "bob" }]);
    expect(again.detail).toContain('"bob"');
    expect(again.hashes?.body?.recomputed).not.toBe(alert.hashes?.body?.recomputed);
    const repairedAt = alert.history?.at(-1)?.at as string;
    expect([again.changedAt, again.lastKnownGoodAt].every((at) => at !== undefined && at >= repairedAt)).toBe(true);
    expect((again.lastKnownGoodAt as string) <= (again.changedAt as string)).toBe(true);
    // What is altered further is named, and is another version to decide about.
    const seen = { "If-Match": (await call(url)).headers.get("etag") as string };
    await tamper(victim, (blocks) => editPayload(blocks, written.height, ":100", ":999"));
    const isNamed = async (): Promise<boolean> =>
      ((await call(url)).body as AlertRecord).differences?.map(({ field }) => field).join() ===
      "dataPayload.amount,dataPayload.to";
    await eventually(isNamed, WITHIN_MS, "both fields are named");
    expect((await postJson(`${url}/repair`, BY, seen)).status).toBe(412);
    expect((await decide(id, "dismiss")).body).toMatchObject({ status: "resolved", resolution: "dismissed" });
    expect(await isInLog(id, "dismissed")).toMatchObject(BY);
    // The scrub finds it once more: what was dismissed is still so.
    await settled(id, "open", PASS_WITHIN_MS);
    expect((await decide(id, "repair")).status).toBeLessThan(300);
    await settled(id, "resolved");
  },
);

it(
  "puts back hundreds of altered and missing blocks of one incident, also when its process dies in between",
  PATIENT,
  async () => {
    const first = await write();
    for (let round = 0; round < 30; round++) await Promise.all(Array.from({ length: 10 }, () => write()));
    const last = await write();
    await write();
    await levelHead(cluster.nodes);
    const [from, through] = [first.height, last.height];
    const blocksOf = (node: ClusterNode) =>
      withDatabase(node.mongodbUri, (db) =>
        db
          .collection<Document & { _id: number }>("blocks")
          .find({ _id: { $gte: from, $lte: through } }, { projection: { writeId: 0 }, sort: { _id: 1 } })
          .toArray(),
      );
    const empty = new Set<number>();
    await tamper(victim, async (blocks: Blocks) => {
      for await (const { _id, header } of blocks.find({ _id: { $gte: from, $lte: through } }))
        if (header.eventCount > 0 && Number(_id) % 5 !== 0) await editPayload(blocks, Number(_id), '"ada"', '"eve"');
        else {
          empty.add(Number(_id));
          await blocks.deleteOne({ _id });
        }
    });
    const modified = await alertAt(from % 5 === 0 ? from + 1 : from, "payload_modified");
    const missing = await alertAt(Math.ceil(from / 5) * 5, "missing");
    const isWhole = async ({ id }: AlertRecord, isItsOwn: (at: number) => boolean) => {
      const { heights = [] } = (await call(`${other.url}/api/v1/alerts/${id}`)).body as AlertRecord;
      const due = Array.from({ length: through - from + 1 }, (_, i) => from + i).filter(isItsOwn);
      return due.every((at) => heights.some(([a, z]) => a <= at && at <= z));
    };
    const isMissing = (at: number): boolean => empty.has(at) || at % 5 === 0;
    await eventually(() => isWhole(missing, isMissing), WITHIN_MS, "all that is missing is found");
    await eventually(() => isWhole(modified, (at) => !isMissing(at)), WITHIN_MS, "all that is altered is found");
    // A node whose headers are not all there does not start.
    expect((await decide(missing.id, "repair")).status).toBeLessThan(300);
    expect(await settled(missing.id, "resolved")).toMatchObject({ resolution: "repaired" });
    expect((await decide(modified.id, "repair")).status).toBeLessThan(300);
    await cluster.kill(victim.id);
    await cluster.start(victim.id);
    expect(await settled(modified.id, "resolved")).toMatchObject({ resolution: "repaired" });
    expect(await blocksOf(victim)).toEqual(await blocksOf(leader));
    await nothingFurther(Date.now());
  },
);

it("takes documents out that no node wrote, and keeps them", async () => {
  await tamper(victim, async (blocks) => {
    const block = (await blocks.findOne({ _id: 2 })) as Document;
    await blocks.insertMany([
      { ...block, _id: "evil" },
      { ...block, _id: 2_000_000 },
    ]);
  });
  const forged = await eventually(
    async () => {
      const found = (await alertsOf(other)).filter(({ kind, node }) => kind === "forged" && node === victim.id);
      return found.length === 2 ? found : undefined;
    },
    WITHIN_MS,
    "both are found",
  );
  expect(forged.map(({ evidence = [] }) => evidence.length)).toEqual([1, 1]);
  for (const { id } of forged) expect((await decide(id, "repair")).status).toBeLessThan(300);
  for (const { id } of forged) await settled(id, "resolved");
  await withDatabase(victim.mongodbUri, async (db) => {
    const left = db.collection("blocks").find({ $or: [{ _id: "evil" as never }, { _id: 2_000_000 as never }] });
    expect(await left.toArray()).toEqual([]);
    expect(await db.collection("quarantine").countDocuments({ _id: /^forged-/ as never })).toBe(2);
  });
});

it("rebuilds a node from the others, and refuses where they cannot spare it", async () => {
  const written = await write();
  await levelHead(cluster.nodes);
  await tamper(victim, (blocks) => editPayload(blocks, written.height, '"ada"', '"eve"'));
  const { id } = await alertAt(written.height, "payload_modified");
  await cluster.kill(other.id);
  const refused = await decide(id, "rebuild", BY, leader);
  expect(refused).toMatchObject({ status: 409, body: { code: "alert_conflict" } });
  await cluster.start(other.id);
  await eventually(async () => (await call(`${other.url}/readyz`)).status === 200, WITHIN_MS, "it is ready again");
  expect((await decide(id, "rebuild")).status).toBeLessThan(300);
  const writing = write();
  expect(await settled(id, "resolved")).toMatchObject({ resolution: "rebuilt" });
  await writing;
  await isInLog(id, "rebuilt");
  expect(await isInLog(id, "rebuild_begun")).toMatchObject(BY);
  await levelHead(cluster.nodes);
  for (const at of [1, written.height]) expect(await stored(victim, at)).toEqual(await stored(leader, at));
  const isSound = async (): Promise<boolean> =>
    (await call(`${other.url}/api/v1/cluster`)).body.nodes.some(
      ({ id: node, health }: { id: string; health: string }) => node === victim.id && health === "sound",
    );
  await eventually(isSound, WITHIN_MS, "it is sound");
  await eventually(async () => (await call(`${victim.url}/readyz`)).status === 200, WITHIN_MS, "it is ready again");
  expect(await alertsOf(other)).toEqual([]);
});
