import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AlertRecord } from "../../node/storage/port.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead, standings } from "../support/level.js";
import { MemberEvents } from "../support/member-events.js";
import { alterPayloads, readStoredBlocks } from "../support/stored-blocks.js";
import { alertsOf } from "../support/tampering.js";
import { type Answer, call, postJson, readLog, uniqueSource } from "./api-support.js";

const event = (sourceAppId: string, i = 0) => ({ eventType: "T", sourceAppId, dataPayload: { i, text: "as it was" } });
const write = (node: ClusterNode, source: string, i = 0): Promise<Answer> =>
  postJson(`${node.url}/api/v1/events`, event(source, i));

/** A node that was killed waits for two election timeouts when it starts, and a write without a majority is refused late. */
const OFTEN_KILLED = { ELECTION_TIMEOUT_MS: "2500", REQUEST_TIMEOUT_MS: "15000" };

/** The node's own files; its logs stay where the supervisor writes them. */
const OWN_FILES = ["db", "identity.json"];

async function loseDisk(cluster: Cluster, id: string): Promise<void> {
  await cluster.kill(id);
  await cluster.killMongod(id);
  for (const name of OWN_FILES) rmSync(join(cluster.dataDir, id, name), { recursive: true });
}

async function expectEqualLogs(cluster: Cluster): Promise<void> {
  await levelHead(cluster.nodes);
  const [first, ...rest] = await Promise.all(cluster.nodes.map(({ url }) => readLog(url)));
  for (const log of rest) expect(log).toEqual(first);
  const [blocks, ...others] = await Promise.all(cluster.nodes.map(({ mongodbUri }) => readStoredBlocks(mongodbUri)));
  for (const other of others) expect(other.map(({ height }) => height)).toEqual(blocks?.map(({ height }) => height));
}

/** With the other follower killed, the leader's majority needs this node: then its acknowledgement counts. */
async function expectToCount(cluster: Cluster, id: string): Promise<void> {
  const { node: leader } = await cluster.leader();
  const other = cluster.nodes.find((node) => node.id !== id && node.id !== leader.id) as ClusterNode;
  await cluster.kill(other.id);
  const { node: writable } = await cluster.leader();
  const { status, body } = await write(writable, uniqueSource());
  expect([status, body.acknowledgedBy?.includes(id)]).toEqual([201, true]);
  await cluster.start(other.id);
  await cluster.leader();
}

describe("a node whose data were altered or lost", () => {
  const events = new MemberEvents();
  let cluster: Cluster;
  let n1: ClusterNode;
  beforeAll(async () => {
    cluster = await startSteadyCluster({ onEvent: events.onEvent, env: OFTEN_KILLED });
    n1 = cluster.node("n1");
  });
  afterAll(() => cluster?.stop());

  /** One event a block, on every node. */
  async function fill(count: number): Promise<void> {
    const source = uniqueSource();
    for (let i = 0; i < count; i++) expect((await write(n1, source, i)).status).toBe(201);
    await levelHead(cluster.nodes);
  }

  it("reports an altered block in the middle of its log on every node, truncates nothing, and still counts", async () => {
    await fill(8);
    await cluster.kill("n1");
    const blocks = (await readStoredBlocks(n1.mongodbUri)).filter((block) => block.hasPayloads);
    const altered = blocks.at(-5)?.height as number;
    await alterPayloads(n1.mongodbUri, altered);
    const before = await readStoredBlocks(n1.mongodbUri);
    await cluster.start("n1");

    for (const node of cluster.nodes) {
      const alert = await eventually(
        async () => {
          const { body } = await call(`${node.url}/api/v1/alerts`);
          return body.alerts.find((one: { kind: string }) => one.kind === "payload_modified");
        },
        30_000,
        `${node.id} shows the alert`,
      );
      expect(alert).toMatchObject({ node: "n1", accused: "n1", height: altered, severity: "critical", status: "open" });
    }
    await cluster.leader();
    await eventually(
      async () => (await call(`${n1.url}/api/v1/cluster`)).body.state === "integrity_alert",
      30_000,
      "the cluster's state tells of it",
    );

    await expectToCount(cluster, "n1");
    const after = await readStoredBlocks(n1.mongodbUri);
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.slice(0, before.length)).toEqual(before);
  });

  it("ends with 78 when its newest block is altered, names block and folder, and is whole again without its data", async () => {
    await fill(3);
    await cluster.kill("n1");
    const newest = (await readStoredBlocks(n1.mongodbUri)).at(-1);
    expect(newest?.hasPayloads).toBe(true);
    await alterPayloads(n1.mongodbUri, newest?.height as number);
    const before = await readStoredBlocks(n1.mongodbUri);
    const folder = join(cluster.dataDir, "n1");

    const down = await events.startToEnd(cluster, "n1");
    expect(down.exitCode).toBe(78);
    expect(down.reason).toContain(`Stored block ${newest?.height} fails its check`);
    expect(down.reason).toContain("No block was changed or deleted");
    expect(down.reason).toContain(folder);
    expect(cluster.logTail("n1")).toContain(`Stored block ${newest?.height} fails its check`);
    expect(await readStoredBlocks(n1.mongodbUri)).toEqual(before);
    expect(cluster.logTail("n1")).toContain("the leader has an alert of it for the cluster's log");
    const other = cluster.node("n2");
    const isIt = ({ height, node }: AlertRecord): boolean => height === newest?.height && node === "n1";
    const alert = (await eventually(
      async () => (await alertsOf(other)).find(isIt),
      30_000,
      "another node shows the alert",
    )) as AlertRecord;
    expect(alert).toMatchObject({ kind: "payload_modified", accused: "n1", status: "open", isFromLogOnly: true });
    // One more start is no further alert.
    await events.startToEnd(cluster, "n1");
    const source = uniqueSource();
    expect((await write((await cluster.leader()).node, source)).status).toBe(201);

    await cluster.killMongod("n1");
    const evidence = join(cluster.dataDir, "evidence");
    mkdirSync(evidence);
    for (const name of OWN_FILES) renameSync(join(folder, name), join(evidence, name));
    await cluster.start("n1");
    await expectEqualLogs(cluster);
    expect(existsSync(join(evidence, "db"))).toBe(true);
    await expectToCount(cluster, "n1");
    expect((await alertsOf(other)).filter(isIt)).toHaveLength(1);
    // It is about the copy that was moved away: a person says that it is seen to, and nothing of the new one is damaged.
    const url = `${other.url}/api/v1/alerts/${alert.id}`;
    const etag = (await call(url)).headers.get("etag") as string;
    const by = { actor: "ada", reason: "the data were moved away" };
    const dismissed = await postJson(`${url}/dismiss`, by, { "If-Match": etag });
    expect([dismissed.status, dismissed.body.status]).toEqual([200, "resolved"]);
    expect((await standings(other)).find(({ id }) => id === "n1")?.health).toBe("sound");
  });

  it("joins anew by itself after its disk is lost, where new keys are admitted", async () => {
    await loseDisk(cluster, "n1");
    const source = uniqueSource();
    expect((await write((await cluster.leader()).node, source)).status).toBe(201);
    await cluster.start("n1");
    await expectEqualLogs(cluster);
    expect(cluster.logTail("n1", 200)).toContain("n1 is admitted");
    await expectToCount(cluster, "n1");
  });

  it("loses nothing when everything is killed at once under writes", async () => {
    const source = uniqueSource();
    const acknowledged = new Map<number, string>();
    let isWriting = true;
    const clients = cluster.nodes.map(async (node) => {
      for (let i = 0; isWriting; i++) {
        // A connection that the kill closes is no answer: nothing is known of that write.
        const answer = await write(node, source, i).catch(() => undefined);
        if (answer?.status === 201) acknowledged.set(answer.body.sequence, answer.body.hash);
      }
    });
    await eventually(() => acknowledged.size >= 60, 20_000, "60 writes are acknowledged");
    await cluster.killAll();
    isWriting = false;
    await Promise.all(clients);
    await cluster.startAll();
    await cluster.leader();
    await expectEqualLogs(cluster);
    const stored = new Map((await readLog(n1.url, `&sourceAppId=${source}`)).map((one) => [one.sequence, one.hash]));
    for (const [sequence, hash] of acknowledged) expect([sequence, stored.get(sequence)]).toEqual([sequence, hash]);
    // Each client had at most one write under way when everything died.
    expect(stored.size).toBeLessThanOrEqual(acknowledged.size + clients.length);
  });

  it("does not lead while another can, once a block of it fails its check, though its priority is the highest", async () => {
    await fill(8);
    const n3 = cluster.node("n3");
    await cluster.kill("n3");
    const blocks = (await readStoredBlocks(n3.mongodbUri)).filter((block) => block.hasPayloads);
    await alterPayloads(n3.mongodbUri, blocks.at(-5)?.height as number);
    await cluster.start("n3");
    const { node: before } = await cluster.leader();
    expect(before.id).not.toBe("n3");
    await cluster.kill(before.id);
    try {
      const { node: after } = await cluster.leader();
      expect(after.id).not.toBe("n3");
      const { status, body } = await write(after, uniqueSource());
      expect([status, body.acknowledgedBy?.includes("n3")]).toEqual([201, true]);
    } finally {
      await cluster.start(before.id);
      await levelHead(cluster.nodes);
    }
  });

  it("is not handed the lead by a leader that stops, while another node is sound", async () => {
    const person = { actor: "ada", reason: "a test", target: "n1" };
    const { node: leader, term } = await eventually(
      async () => {
        const found = await cluster.leader();
        if (found.node.id === "n3") await postJson(`${n1.url}/api/v1/cluster/step-down`, person);
        return found.node.id !== "n3" && found;
      },
      30_000,
      "a sound node leads",
    );
    const { pid } = leader;
    cluster.signal(leader.id, "SIGTERM");
    const asked = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const next = await eventually(
      async () => {
        const [newest] = (await call(`${asked.url}/api/v1/elections?limit=1`)).body.elections;
        return newest.term > term && newest;
      },
      30_000,
      "another node leads",
    );
    // The supervisor starts it again.
    await eventually(() => leader.pid !== undefined && leader.pid !== pid, 30_000, "the old leader is back");
    expect(next).toMatchObject({ reason: "hand_over", previousLeader: leader.id });
    expect(next.leaderId).not.toBe("n3");
  });

  it("does not keep a node that lost its disk from the block, though a person gives it the lead", async () => {
    await cluster.leader();
    const person = { actor: "ada", reason: "a test" };
    // Whether it takes the lead or refuses: the other one must get all of the log.
    await postJson(`${n1.url}/api/v1/cluster/step-down`, { ...person, target: "n3" });
    const { node: leader } = await cluster.leader();
    const joining = cluster.nodes.find(({ id }) => id !== leader.id && id !== "n3") as ClusterNode;
    await loseDisk(cluster, joining.id);
    await cluster.start(joining.id);
    await levelHead(cluster.nodes);
    await cluster.leader();
  });
});

describe("where new keys are not admitted by themselves", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startSteadyCluster({ env: { ...OFTEN_KILLED, ADMIT_NEW_KEYS: "false" } });
  });
  afterAll(() => cluster?.stop());

  const source = uniqueSource();
  const ofN1 = async (asked: ClusterNode) => (await standings(asked)).find(({ id }) => id === "n1");

  it("a node that lost its disk waits as a learner with all of the log, and serves none of it", async () => {
    const n1 = cluster.node("n1");
    for (let i = 0; i < 5; i++) expect((await write(n1, source, i)).status).toBe(201);
    await loseDisk(cluster, "n1");
    const { node: leader } = await cluster.leader();
    await cluster.start("n1");
    await eventually(
      async () => {
        const all = await standings(leader);
        const [own, tip] = ["n1", leader.id].map((id) => all.find((one) => one.id === id));
        return own?.health === "learner" && own.lastHeight > 0 && own.lastHeight === tip?.lastHeight;
      },
      20_000,
      "n1 is a learner with all of the log",
    );
    for (const path of ["/api/v1/events", "/api/v1/events/0", "/events", "/api/event-logs"]) {
      const { status, body } = await call(n1.url + path);
      expect([path, status, body.code]).toEqual([path, 503, "not_ready"]);
    }
    // What it cannot do itself it forwards, as every node.
    const forwarded = await write(n1, source, 5);
    expect([forwarded.status, forwarded.body.acknowledgedBy?.includes("n1")]).toEqual([201, false]);
  });

  it("is not ready for traffic while it is a learner", async () => {
    expect((await call(`${cluster.node("n1").url}/readyz`)).status).toBe(503);
  });

  it("counts for nothing: the leader and a learner are no majority", async () => {
    const { node: leader } = await cluster.leader();
    const other = cluster.nodes.find(({ id }) => id !== "n1" && id !== leader.id) as ClusterNode;
    await cluster.kill(other.id);
    await eventually(async () => (await call(`${leader.url}/readyz`)).status === 503, 30_000, "no majority is left");
    const refused = await write(leader, source, 6);
    expect([refused.status, refused.body.code]).toEqual([503, "no_quorum"]);
    await cluster.start(other.id);
    await cluster.leader();
  });

  it("is admitted when a person asks for it at a follower, then serves and counts", async () => {
    const n1 = cluster.node("n1");
    const { node: leader } = await cluster.leader();
    const follower = cluster.nodes.find(({ id }) => id !== "n1" && id !== leader.id) as ClusterNode;
    await eventually(async () => (await ofN1(leader))?.health === "learner", 30_000, "n1 is a learner");
    const person = { actor: "ada", reason: "its disk was replaced" };
    const admit = `${follower.url}/api/v1/cluster/admit`;
    const refusal = (node: string): Promise<Answer> =>
      eventually(
        async () => {
          const answer = await postJson(admit, { node, ...person });
          // A leader that is slow has not said anything.
          return answer.status !== 503 && answer;
        },
        20_000,
        "the leader says something",
      );
    const foreign = await refusal("n9");
    expect([foreign.status, foreign.body.code]).toEqual([409, "admission_conflict"]);
    const admitted = await eventually(
      async () => {
        const answer = await postJson(admit, { node: "n1", ...person });
        if (answer.status === 200) return answer;
        // It is admitted, and whoever asked was not told in time.
        if ((await ofN1(leader))?.health === "sound") return null;
        throw new Error(answer.body.detail);
      },
      20_000,
      "n1 asks to be admitted",
    );
    if (admitted !== null) expect(admitted.body).toEqual({ node: "n1", admitted: true });
    await expectEqualLogs(cluster);
    expect(cluster.logTail("n1", 200)).toContain("n1 is admitted");
    await eventually(async () => (await call(`${n1.url}/readyz`)).status === 200, 30_000, "n1 is ready");
    expect(await readLog(n1.url, `&sourceAppId=${source}`)).toHaveLength(6);
    await expectToCount(cluster, "n1");
    const again = await refusal("n1");
    expect([again.status, again.body.code]).toEqual([409, "admission_conflict"]);
  });

  it("is told that the leader did not answer, when that is so", async () => {
    const { node: leader } = await cluster.leader();
    const follower = cluster.nodes.find(({ id }) => id !== "n1" && id !== leader.id) as ClusterNode;
    cluster.signal(leader.id, "SIGSTOP");
    try {
      const request = { node: "n1", actor: "ada", reason: "once more" };
      const answer = await postJson(`${follower.url}/api/v1/cluster/admit`, request);
      expect([answer.status, answer.body.code]).toEqual([503, "no_quorum"]);
      expect(answer.body.detail).toContain(`The leader ${leader.id} has not said that n1 is admitted`);
    } finally {
      cluster.signal(leader.id, "SIGCONT");
    }
  });
});
