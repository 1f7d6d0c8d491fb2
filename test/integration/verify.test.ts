import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Long, MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BLOCK_EDITS, type Blocks, blocksOf, editableEvent } from "../../scripts/chaos/tamper/edits.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { ExpectedHead } from "../../scripts/verify/expected.js";
import type { Difference } from "../../scripts/verify/fault.js";
import { fsck } from "../../scripts/verify/fsck.js";
import { NodeDatabase } from "../../scripts/verify/mongodb.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { alertsOf } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

/** More than one page of anchors. */
const BLOCKS = 300;

interface Found {
  readonly node: string;
  readonly height?: number;
  readonly sequence?: number;
  readonly field: string;
  readonly stored?: string;
  readonly expected?: string;
}
interface Run {
  readonly exitCode: number;
  readonly stderr: string;
  readonly json: { verified: boolean; head: string | null; differences: number; first: Found | null; nodes: string[] };
  readonly stdout: string;
}

function verify(...args: string[]): Promise<Run> {
  const script = join(projectRoot(), "dist/scripts/verify.js");
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) => {
      const json = args.includes("--json") && stdout !== "" ? JSON.parse(stdout) : null;
      resolve({ exitCode: Number(error?.code ?? 0), stdout, stderr, json });
    });
  });
}

/** Each run is a process, and a machine may do much else. */
const PATIENT = 600_000;

let cluster: Cluster;
interface Place {
  readonly height: number;
  readonly sequence: number;
}
let heights: Place[] = [];
let head: string;
const source = uniqueSource();

async function write(url: string, count: number): Promise<Place[]> {
  const places: Place[] = [];
  for (let i = 0; i < count; i++) {
    const key = i % 7 === 0 ? { "Idempotency-Key": `${source}-${places.length}-${count}` } : {};
    const event = {
      ...editableEvent(100 + i, source),
      ...(i % 5 === 0 ? { timestamp: "2026-01-02 03:04:05.67891+01:00" } : {}),
    };
    const { status, body } = await postJson(`${url}/api/v1/events`, event, key);
    expect(status).toBe(201);
    places.push(body);
  }
  return places;
}

beforeAll(async () => {
  cluster = await startSteadyCluster();
  const { node } = await cluster.leader();
  heights = await write(node.url, BLOCKS);
  const events = Array.from({ length: 200 }, (_, i) => editableEvent(i, source));
  const { status } = await postJson(`${node.url}/api/v1/events:batch`, { events });
  expect(status).toBe(201);
  heights.push(...(await write(node.url, 3)));
  await levelHead(cluster.nodes);
});
afterAll(() => cluster?.stop());

describe("npm run verify on a log that nobody has touched", () => {
  it("verifies each node's database, and a live cluster by one of its nodes: all have one head", {
    timeout: PATIENT,
  }, async () => {
    const heads = new Set<string | null>();
    for (const { mongodbUri, id } of cluster.nodes) {
      const run = await verify("--mongodb-uri", mongodbUri, "--json", "--signatures");
      expect(run).toMatchObject({ exitCode: 0, json: { verified: true, nodes: [id], differences: 0 } });
      heads.add(run.json.head);
    }
    const live = await verify("--url", cluster.nodes[0]?.url as string, "--json", "--signatures");
    expect(live).toMatchObject({ exitCode: 0, json: { verified: true, nodes: ["n1", "n2", "n3"] } });
    heads.add(live.json.head);
    expect(heads.size).toBe(1);
    head = [...heads][0] as string;
    expect(head).toMatch(new RegExp(`^${BLOCKS + 203}:[0-9a-f]{64}$`));
  });

  it("holds a log against the head of an earlier run", { timeout: PATIENT }, async () => {
    const { url, mongodbUri } = cluster.nodes[0] as ClusterNode;
    await write(url, 2);
    await levelHead(cluster.nodes);
    for (const target of [
      ["--url", url],
      ["--mongodb-uri", mongodbUri],
    ]) {
      expect((await verify(...target, "--expect", head)).exitCode).toBe(0);
      const other = await verify(...target, "--json", "--expect", `${BLOCKS}:${"0".repeat(64)}`);
      expect(other).toMatchObject({ exitCode: 3, json: { head: null, first: { field: "rootHash" } } });
      const longer = await verify(...target, "--json", "--expect", `100000:${"0".repeat(64)}`);
      expect(longer).toMatchObject({ exitCode: 3, json: { first: { field: "rootHash" } } });
    }
  });

  it("says what it was asked wrongly, and what it cannot reach", async () => {
    expect(await verify()).toMatchObject({ exitCode: 2, stdout: "" });
    expect(await verify("--url", "n1", "--json")).toMatchObject({ exitCode: 2 });
    expect(await verify("--mongodb-uri", "mongodb://x", "--file", "y")).toMatchObject({ exitCode: 2 });
    for (const uri of ["mongodb://ada:hunter2@secret@x:y/", "mongodb+srv://ada:hunter2@x.example"]) {
      const { exitCode, stderr } = await verify("--mongodb-uri", uri);
      expect([exitCode, stderr]).toEqual([2, expect.not.stringContaining("hunter2")]);
    }
    expect(await verify("--file", "/no/such/file")).toMatchObject({ exitCode: 4 });
    const silent = await verify("--url", "http://127.0.0.1:1");
    expect(silent).toMatchObject({ exitCode: 1, stdout: "" });
    expect(silent.stderr).toContain("does not answer");
  });
});

describe("npm run verify on a node whose database somebody has changed", () => {
  let victim: ClusterNode;
  let client: MongoClient;
  let blocks: Blocks;
  beforeAll(async () => {
    const { node: leader } = await cluster.leader();
    victim = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    // What a node that runs would do about it is not what is tested here.
    await cluster.kill(victim.id);
    client = await MongoClient.connect(victim.mongodbUri);
    blocks = blocksOf(client.db());
  });
  afterAll(() => client?.close());

  /** As npm run verify does it, in this process. */
  async function look(options: { signatures?: boolean; expect?: string } = {}): Promise<Difference[]> {
    const [size, root] = (options.expect ?? ":").split(":") as [string, string];
    const expected = options.expect === undefined ? null : new ExpectedHead({ size: Number(size), root });
    const database = await NodeDatabase.open(victim.mongodbUri);
    try {
      const { signatures = false } = options;
      const { findings } = await fsck(database, { signatures, expected, onProgress: () => {} });
      return findings.kept;
    } finally {
      await database.close();
    }
  }

  /** Does it, verifies, and puts everything back that stood at these places and above. */
  async function whileChanged(
    from: number,
    act: () => Promise<unknown>,
    options?: Parameters<typeof look>[0],
  ): Promise<Difference[]> {
    const places = { $or: [{ _id: { $gte: from } }, { _id: { $lte: -from } }, { _id: { $type: "string" } }] } as never;
    const before = await blocks.find(places, { promoteValues: false }).toArray();
    await act();
    try {
      return await look(options);
    } finally {
      await blocks.deleteMany(places);
      await blocks.insertMany(before as never);
    }
  }

  /** By one copy alone it is not known which of the two was changed. */
  const EVENT = "record or dataPayload";
  const FIELDS: Record<string, string> = {
    "a payload that is edited": EVENT,
    "a record that is edited": EVENT,
    "a payload whose hashes were made anew": EVENT,
    "a whole document in the place of another": "header.height",
    "a block that is deleted": "block",
  };
  const cases = BLOCK_EDITS.filter(({ what }) => !/put back/.test(what)).flatMap((edit) => [
    { ...edit, where: "in the middle" as const },
    ...(edit.kind === "payload_modified" || edit.kind === "missing" ? [{ ...edit, where: "the first" as const }] : []),
    { ...edit, where: "near the end" as const },
  ]);

  it.each(cases)("names block, event and field of $what, $where", async ({ what, fields, act, where }) => {
    const at = { "in the middle": heights[220], "the first": heights[0], "near the end": heights.at(-2) }[
      where
    ] as Place;
    const signatures = fields[0] === "signature";
    const found = await whileChanged(at.height, () => act(blocks, at.height), { signatures });
    expect(found[0]).toMatchObject({ node: victim.id, height: at.height, field: FIELDS[what] ?? fields[0] });
    if (found[0]?.field === EVENT) expect(found[0].sequence).toBe(at.sequence);
    // One change is one difference, whatever follows from it.
    expect(found).toHaveLength(1);
  });

  it.each([true, false])(
    "an altered first block, which names the members, is one difference (signatures: %s)",
    async (signatures) => {
      const act = () => blocks.updateOne({ _id: 1 }, { $set: { "header.sealedAt": "2000-01-01T00:00:00.000Z" } });
      const found = await whileChanged(1, act, { signatures });
      expect(found.map(({ height }) => height)).toEqual([1]);
    },
  );

  const onEntries: readonly (readonly [what: string, act: (at: number) => Promise<unknown>, field: string])[] = [
    ["an entry without its terms", (at) => blocks.updateOne({ _id: -at }, { $set: { terms: [] } }), "entry.terms"],
    ["an entry with another count", (at) => blocks.updateOne({ _id: -at }, { $set: { count: 2 } }), "entry.count"],
    ["an entry that is deleted", (at) => blocks.deleteOne({ _id: -at }), "entry"],
  ];
  it.each(onEntries)("names the block of %s", async (_, act, field) => {
    const { height, sequence } = heights[277] as Place;
    const found = await whileChanged(height, () => act(height));
    expect(found).toMatchObject([{ height, sequence, field }]);
  });

  it("finds that the index's own account is gone, and which entries are then; nothing in what a node's work leaves", async () => {
    const marker = { _id: Number.MIN_SAFE_INTEGER };
    expect(await whileChanged(200, () => blocks.deleteOne(marker))).toMatchObject([{ field: "index" }]);
    expect(await whileChanged(200, () => blocks.updateOne(marker, { $set: { terms: [] } }))).toHaveLength(1);
    for (const terms of [[7], ["whole"], [Long.fromString("-1")]])
      expect(await whileChanged(200, () => blocks.updateOne(marker, { $set: { terms } }))).toMatchObject([
        { field: "index", fault: "bad_entry" },
      ]);
    expect(await whileChanged(200, () => blocks.updateOne(marker, { $push: { terms: 7 } as never }))).toHaveLength(1);
    // What a node adds to a whole index, it says so.
    expect(await whileChanged(200, () => blocks.updateOne(marker, { $set: { work: "w" } }))).toEqual([]);
    const [account, entry] = await whileChanged(1, () => blocks.deleteMany({ _id: { $lt: 0 } }));
    expect([account?.field, entry?.field]).toEqual(["index", "entry"]);
    expect(await whileChanged(200, () => blocks.updateOne(marker, { $set: { terms: [], work: "w" } }))).toEqual([]);
  });

  it("finds a document that is none of the log's, and a log that was cut off, by what the node had noted", async () => {
    const copy = async () => {
      const { _id, ...document } = (await blocks.findOne({ _id: 205 })) as { _id: number };
      await blocks.insertMany([
        { _id: "evil", ...document },
        { _id: 205.5, ...document },
      ] as never);
    };
    const strangers = await whileChanged(200, copy);
    expect(strangers.map(({ field }) => field)).toEqual(["_id", "_id"]);
    const cut = await whileChanged(200, () => blocks.deleteMany({ _id: { $gte: 200 } }));
    expect(cut[0]).toMatchObject({ height: 200, field: "block" });
    // What was not noted in a page yet is missed by whoever kept a head.
    const at = heights.at(-1)?.height as number;
    const cutLast = () => blocks.deleteMany({ _id: { $gte: at } });
    expect(await whileChanged(at, cutLast)).toEqual([]);
    expect(await whileChanged(at, cutLast, { expect: head })).toMatchObject([{ field: "rootHash" }]);
  });

  it("names an anchor that notes another block", async () => {
    const anchors = client.db().collection("anchors");
    const page = await anchors.findOne({ _id: 0 as never });
    const hashes = Buffer.from(page?.hashes.value());
    hashes.fill(7, 64 * 50, 64 * 50 + 32);
    await anchors.updateOne({ _id: 0 as never }, { $set: { hashes } });
    expect(await look()).toMatchObject([{ height: 50, field: "anchor" }]);
    await anchors.replaceOne({ _id: 0 as never }, page as never);
    expect(await look()).toEqual([]);
  });

  it("names node, block, event, field and both values on the live cluster", { timeout: PATIENT }, async () => {
    await cluster.start(victim.id);
    await levelHead(cluster.nodes);
    const at = heights[140] as Place;
    const payload = BLOCK_EDITS[0] as (typeof BLOCK_EDITS)[number];
    await payload.act(blocks, at.height);
    const other = cluster.nodes.find(({ id }) => id !== victim.id) as ClusterNode;
    const isNamed = async (): Promise<boolean> =>
      (await alertsOf(other)).some(
        ({ node, differences = [] }) => node === victim.id && differences.some(({ height }) => height === at.height),
      );
    await eventually(isNamed, 30_000, "the field is known");
    const { exitCode, json } = await verify("--url", other.url, "--json");
    expect(exitCode).toBe(3);
    expect(json.first).toMatchObject({
      ...{ node: victim.id, height: at.height, sequence: at.sequence, field: "dataPayload.by.name" },
      ...{ stored: "eve", expected: "ada" },
    });
    const text = await verify("--url", other.url);
    expect(text.stdout).toContain(
      `NOT WHAT WAS COMMITTED: ${victim.id}, block ${at.height}, event ${at.sequence}, dataPayload.by.name`,
    );
  });

  it("checks the evidence of an alert offline, and refuses one that was changed", { timeout: PATIENT }, async () => {
    const { url } = cluster.nodes.find(({ id }) => id !== victim.id) as ClusterNode;
    const at = heights[140] as Place;
    const { body } = await call(`${url}/api/v1/alerts?limit=500`);
    const isMeant = ({ kind, differences = [] }: { kind: string; differences?: { height: number }[] }) =>
      kind === "payload_modified" && differences.some(({ height }) => height === at.height);
    const bundle = (await call(`${url}/api/v1/alerts/${body.alerts.find(isMeant).id}/evidence`)).body;
    const folder = mkdtempSync(join(tmpdir(), "quorumlog-evidence-"));
    try {
      const check = (changed: object) => {
        writeFileSync(join(folder, "evidence.json"), JSON.stringify(changed));
        return verify("--file", join(folder, "evidence.json"));
      };
      const sound = await check(bundle);
      expect(sound.stdout).toContain(
        `Shown: ${victim.id}, block ${at.height}, event ${at.sequence}, dataPayload.by.name was found as eve; committed was ada.`,
      );
      expect(sound).toMatchObject({ exitCode: 0, stderr: "" });
      const changed = (change: (copy: typeof bundle) => void) => {
        const copy = structuredClone(bundle);
        change(copy);
        return check(copy);
      };
      // What was changed and put back before is in it as well.
      const b = bundle.blocks.findIndex(({ stored }: { stored: unknown[] }) => stored.length > 0);
      const untrue: readonly (readonly [string, (copy: typeof bundle) => void])[] = [
        ["membership", (copy) => (copy.clusterId = "0".repeat(64))],
        ["signature", (copy) => (copy.blocks[b].committed.signature = "00".repeat(64))],
        ["committed", (copy) => (copy.blocks[b].committed.payloads = copy.blocks[b].committed.records)],
        ["links", (copy) => copy.blocks[b].links.unshift(copy.membership[0])],
        ["stored", (copy) => (copy.blocks[b].stored[0].sha256 = "0".repeat(64))],
        ["evidenceHash", (copy) => (copy.evidenceHash = "0".repeat(64))],
        [
          "alert.differences",
          (copy) =>
            copy.alert.differences.unshift({ height: at.height, sequence: at.sequence, field: "dataPayload.amount" }),
        ],
      ];
      for (const [field, change] of untrue) {
        const { exitCode, stdout } = await changed(change);
        expect([field, exitCode]).toEqual([field, 3]);
        expect(stdout, field).toContain(field);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
