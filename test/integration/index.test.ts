import type { Collection } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TERMS_INDEX } from "../../node/storage/mongo/entries.js";
import { entriesBetween, entryId, inOrder, MARKER_ID } from "../../node/storage/mongo/entry-ids.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { withDatabase } from "../support/stored-blocks.js";
import { call, postJson, uniqueSource } from "./api-support.js";

type Blocks = Collection<{ _id: number }>;

describe("the index of a node", () => {
  let cluster: Cluster;
  let nodes: readonly ClusterNode[];
  beforeAll(async () => {
    cluster = await startSteadyCluster({ env: { INDEX_PAYLOAD: "user,order.id" } });
    nodes = cluster.nodes;
  });
  afterAll(() => cluster?.stop());

  const list = (node: ClusterNode, query: string) => call(`${node.url}/api/v1/events?${query}`);
  const sequencesOf = (body: { events: { sequence: number }[] }) => body.events.map(({ sequence }) => sequence);
  const keyed = (node: ClusterNode, source: string, key: string, user = "ada") =>
    postJson(
      `${node.url}/api/v1/events`,
      { eventType: "role.granted", sourceAppId: source, dataPayload: { user } },
      { "Idempotency-Key": key },
    );

  it("finds by prefix of a type and by indexed paths of the payload, the same on every node", async () => {
    const source = uniqueSource();
    const events = [
      { eventType: "invoice.paid.eu", dataPayload: { user: "ada", order: { id: 42 } } },
      { eventType: "invoice.paid", dataPayload: { user: "bob", order: { id: "42" } } },
      { eventType: "invoice", dataPayload: { user: ["ada", "eve"], order: { id: 43 } } },
      { eventType: "invoices.paid", dataPayload: { order: { id: null } } },
    ].map((event) => ({ ...event, sourceAppId: source }));
    const { body } = await postJson(`${nodes[0]?.url}/api/v1/events:batch`, { events });
    const [first] = sequencesOf(body as { events: { sequence: number }[] }) as [number];
    await levelHead(nodes);
    for (const node of nodes) {
      const found = async (query: string) =>
        sequencesOf((await list(node, `sourceAppId=${source}&${query}`)).body).map((sequence) => sequence - first);
      expect(await found("eventType=invoice.*")).toEqual([0, 1]);
      expect(await found("eventType=invoice")).toEqual([2]);
      expect(await found("payload.order.id=42")).toEqual([0, 1]);
      expect(await found("payload.user=ada&order=desc")).toEqual([2, 0]);
      expect(await found("payload.order.id=null")).toEqual([3]);
      expect(await found("payload.user=ada&eventType=invoice.paid.*")).toEqual([0]);
      expect((await list(node, "payload.secret=1")).status).toBe(400);
      const status = async () => (await call(`${node.url}/api/v1/cluster`)).body;
      expect((await status()).index.payload).toEqual(["user", "order.id"]);
      await eventually(async () => (await status()).warnings.length === 0, 30_000, "there is nothing to warn of");
    }
  });

  it.each([
    { what: "all entries", drop: (blocks: Blocks) => blocks.deleteMany({ _id: { $lt: 0 } }) },
    { what: "its marker", drop: (blocks: Blocks) => blocks.deleteOne({ _id: MARKER_ID }) },
    { what: "the server's index of its terms", drop: (blocks: Blocks) => blocks.dropIndex(TERMS_INDEX.name) },
  ])(
    "is made anew after $what was lost on the leader under keyed writes: nothing is logged twice or denied",
    async ({ drop }) => {
      const source = uniqueSource();
      const leader = (await cluster.leader()).node;
      const known = Array.from({ length: 40 }, (_, i) => `key-${i}`);
      for (const key of known) expect((await keyed(leader, source, key)).status).toBe(201);
      const total = (await call(`${leader.url}/api/v1/events?limit=1&order=desc`)).body.events[0].sequence;

      let isOver = false;
      const answers: { key: string; status: number; code?: string }[] = [];
      const writers = nodes.map(async (node, n) => {
        for (let i = 0; !isOver; i++) {
          // Old keys and new ones, each of the new ones more than once.
          const key = i % 2 === 0 ? (known[i % known.length] as string) : `new-${n}-${Math.floor(i / 6)}`;
          const { status, body } = await keyed(node, source, key);
          answers.push({ key, status, code: body.code });
        }
      });
      await withDatabase<unknown>(leader.mongodbUri, (db) => drop(db.collection("blocks")));
      for (let sequence = 0; sequence <= total; sequence += 7)
        expect((await call(`${leader.url}/api/v1/events/${sequence}`)).status).toBe(200);
      const filtered = await list(leader, `sourceAppId=${source}&limit=500`);
      if (filtered.status === 200) expect(filtered.body.events.length).toBeGreaterThanOrEqual(known.length);
      else expect(filtered.body.code).toBe("index_rebuilding");
      await eventually(
        async () => (await list(leader, `sourceAppId=${source}&limit=500`)).status === 200,
        60_000,
        "the index is whole again",
      );
      const written = (): number => answers.filter(({ status }) => status === 201).length;
      await eventually(() => written() > 10, 60_000, "keyed writes are acknowledged");
      isOver = true;
      await Promise.all(writers);
      await levelHead(nodes);

      for (const { status, code } of answers) {
        expect([201, 503, 504, 409]).toContain(status);
        if (status === 503) expect(["index_rebuilding", "no_quorum"]).toContain(code);
      }
      const events: { idempotencyKey: string; sequence: number }[] = [];
      for (let after = ""; ; ) {
        const { body } = await list(leader, `sourceAppId=${source}&limit=500${after}`);
        events.push(...body.events);
        if (body.next === undefined) break;
        after = `&after=${body.next}`;
      }
      const keys = events.map(({ idempotencyKey }) => idempotencyKey);
      expect(new Set(keys).size).toBe(keys.length);
      for (const { key, status } of answers) if (status === 201) expect(keys).toContain(key);
    },
  );

  it("never answers with what an altered entry says: it is made anew from its block, kept as evidence, and told", async () => {
    const source = uniqueSource();
    const [node] = nodes as [ClusterNode];
    const { body: written } = await postJson(`${node.url}/api/v1/events`, {
      eventType: "audited",
      sourceAppId: source,
      dataPayload: {},
    });
    await levelHead(nodes);
    const at = written.height as number;
    // The entry of another block in its place: its terms, places and times are sound, and none of its own.
    await withDatabase(node.mongodbUri, async (db) => {
      const blocks: Blocks = db.collection("blocks");
      const other = await blocks.findOne({ _id: entriesBetween(1, at - 1) }, { sort: inOrder("asc") });
      const { _id, first, ...rest } = other as unknown as { _id: number; first: number };
      await blocks.updateOne({ _id: entryId(at) }, { $set: rest });
    });
    const types = await list(node, "eventType=invoice.paid.eu&limit=500");
    if (types.status === 200) for (const event of types.body.events) expect(event.eventType).toBe("invoice.paid.eu");
    await eventually(
      async () => {
        const { status, body } = await list(node, `sourceAppId=${source}&eventType=audited`);
        return status === 200 && body.events.length === 1;
      },
      30_000,
      "the event is found again",
    );
    const isTold = (alert: { kind: string; node: string; height: number }) =>
      alert.kind === "index_differs" && alert.node === node.id && alert.height === at;
    await eventually(
      async () => (await call(`${node.url}/api/v1/alerts`)).body.alerts.some(isTold),
      30_000,
      "an alert tells of it",
    );
    await withDatabase(node.mongodbUri, async (db) => {
      expect(await db.collection("quarantine").countDocuments({ height: at })).toBeGreaterThan(0);
    });
  });

  it("of an altered block shows nothing on its node, and the event on the others", async () => {
    const source = uniqueSource();
    const leader = (await cluster.leader()).node;
    const victim = nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const { body: written } = await postJson(`${leader.url}/api/v1/events`, {
      eventType: "altered",
      sourceAppId: source,
      dataPayload: { amount: 125_000 },
    });
    await levelHead(nodes);
    const at = written.height as number;
    // Past what the node keeps in memory.
    await cluster.kill(victim.id);
    for (let i = 0; i < 3; i++)
      await postJson(`${leader.url}/api/v1/events`, { eventType: "later", sourceAppId: source, dataPayload: { i } });
    await cluster.start(victim.id);
    await cluster.leader();
    await levelHead(nodes);
    await withDatabase(victim.mongodbUri, async (db) => {
      const blocks = db.collection<{ _id: number }>("blocks");
      const block = (await blocks.findOne({ _id: at })) as unknown as { payloads: { buffer: Uint8Array } };
      const payloads = Buffer.from(block.payloads.buffer);
      payloads[payloads.length - 3] = 0x36;
      await blocks.updateOne({ _id: at }, { $set: { payloads } });
    });
    interface Copy {
      readonly node: string;
      readonly event: unknown;
      readonly detail?: string;
    }
    /** As the one who was asked shows them once every node has told of its own. */
    const copiesAt = (asked: ClusterNode): Promise<Copy[]> =>
      eventually(
        async () => {
          const { body } = await call(`${asked.url}/api/v1/events/${written.sequence}/nodes`);
          return (body.nodes as Copy[]).every(({ event, node }) => event !== null || node === victim.id) && body.nodes;
        },
        30_000,
        "the others show their copies",
      );
    const isTold = async () =>
      (await copiesAt(leader)).some(
        ({ node, event, detail }) =>
          node === victim.id && event === null && detail?.includes("not what was committed") === true,
      );
    await eventually(isTold, 30_000, "the victim says that its copy is altered");
    expect((await call(`${leader.url}/api/v1/events/${written.sequence}`)).body.dataPayload).toEqual({
      amount: 125_000,
    });
    expect(await copiesAt(victim)).toEqual(await copiesAt(leader));
    const here = await call(`${victim.url}/api/v1/events/${written.sequence}`);
    if (here.status === 200) expect(here.body.dataPayload).toEqual({ amount: 125_000 });
    else expect([here.status, here.body.code]).toEqual([409, "event_altered"]);
  });
});
