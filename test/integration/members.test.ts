import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Cluster, type ClusterNode, type ClusterOptions, launchCluster } from "../../scripts/cluster/cluster.js";
import { freePorts } from "../../scripts/lib/processes.js";
import { temporaryFolder } from "../../scripts/mongod/reaper.js";
import { STEADY, startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { MemberEvents } from "../support/member-events.js";
import { startMongod, type TestMongod } from "../support/mongod.js";
import { call, postJson, readLog, uniqueSource } from "./api-support.js";

const event = (sourceAppId: string, i = 0) => ({ eventType: "T", sourceAppId, dataPayload: { i } });

async function writeOnAll(nodes: readonly ClusterNode[], source: string, from = 0): Promise<void> {
  for (const [i, { url }] of nodes.entries())
    expect((await postJson(`${url}/api/v1/events`, event(source, from + i))).status).toBe(201);
}

async function expectLog(nodes: readonly ClusterNode[], source: string, count: number): Promise<void> {
  await levelHead(nodes);
  const logs = await Promise.all(nodes.map(({ url }) => readLog(url, `&sourceAppId=${source}`)));
  for (const log of logs) {
    expect(log.map((one) => (one.dataPayload as { i: number }).i)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(log).toEqual(logs[0]);
  }
}

describe("three nodes on three standalone mongods of the user's", () => {
  const source = uniqueSource();
  const dataDir = temporaryFolder("members");
  let mongods: TestMongod[] = [];
  let uris: [string, string, string];
  let ports: number[];
  let cluster: Cluster | undefined;

  beforeAll(async () => {
    mongods = await Promise.all([1, 2, 3].map(() => startMongod({ replSet: false })));
    uris = mongods.map(({ uri }) => uri) as typeof uris;
    ports = await freePorts(3);
  });
  afterAll(async () => {
    await stop();
    await Promise.all(mongods.map((mongod) => mongod.stop()));
  });

  /** Starts n2 and n3 as they were and n1 otherwise, and waits until n1 has ended. */
  async function startWithWrongN1(
    options: Partial<ClusterOptions>,
  ): Promise<{ reason: string; right: readonly ClusterNode[] }> {
    const events = new MemberEvents();
    const wrong = await launchCluster({
      dataDir,
      ports,
      mongodbUris: uris,
      onEvent: events.onEvent,
      env: STEADY,
      ...options,
    });
    cluster = wrong;
    const { exitCode, reason } = await events.down("n1");
    expect(exitCode).toBe(78);
    expect(wrong.logTail("n1")).toContain(reason);
    // It says so at once, and the others go on without it.
    await Promise.all(["n2", "n3"].map((id) => wrong.start(id)));
    await wrong.leader();
    return { reason, right: wrong.nodes.slice(1) };
  }

  async function stop(): Promise<void> {
    const running = cluster;
    cluster = undefined;
    await running?.stop();
  }

  it("form a cluster, keep one log, and say what a standalone server lacks", async () => {
    cluster = await startSteadyCluster({ dataDir, ports, mongodbUris: uris });
    await writeOnAll(cluster.nodes, source);
    await expectLog(cluster.nodes, source, 3);
    for (const { id } of cluster.nodes) expect(cluster.logTail(id, 200)).toContain("lacks change streams");
    await stop();
  });

  it("a node with other MEMBERS ends with 78 and names the cluster that its database belongs to", async () => {
    const addresses = ports.map((port) => `http://127.0.0.1:${port}`);
    const MEMBERS = ["n1", "n2", "n4"].map((id, i) => `${id}=${addresses[i]}`).join(",");
    const { reason, right } = await startWithWrongN1({ nodeEnv: (id) => (id === "n1" ? { MEMBERS } : {}) });
    expect(reason).toContain("belongs to a cluster of n1, n2, n3");
    expect(reason).toContain("n1, n2, n4");
    await writeOnAll(right, source, 3);
    await expectLog(right, source, 5);
    await stop();
  });

  it("a node on another node's database ends with 78 and names that node", async () => {
    const { reason, right } = await startWithWrongN1({ mongodbUris: [uris[1], uris[1], uris[2]] });
    expect(reason).toContain("belongs to node n2");
    expect(reason).toContain("this node is n1");
    await writeOnAll(right, source, 5);
    await expectLog(right, source, 7);
    await stop();
  });

  it("goes on with all three once it is configured as it was", async () => {
    cluster = await startSteadyCluster({ dataDir, ports, mongodbUris: uris });
    await writeOnAll(cluster.nodes, source, 7);
    await expectLog(cluster.nodes, source, 10);
    const { url } = cluster.nodes[0] as ClusterNode;
    const body = await eventually(
      async () => {
        const { body: told } = await call(`${url}/api/v1/alerts`);
        return told.unreachable.length === 0 && told.alerts.length >= 3 && told;
      },
      30_000,
      "every node tells of its alerts",
    );
    // A standalone server says nothing of changes; each node says that once, however often it was started.
    const alerts = body.alerts as { node: string; kind: string; severity: string }[];
    expect(alerts.map(({ node, kind, severity }) => `${node} ${kind} ${severity}`).sort()).toEqual(
      ["n1", "n2", "n3"].map((id) => `${id} watch_down warning`),
    );
    expect(body.more).toBe(0);
    await stop();
  });
});

describe("five nodes", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startSteadyCluster({ nodes: 5 });
  });
  afterAll(() => cluster?.stop());

  it("go on without two of them, the leader among these, and all have one log afterwards", async () => {
    const source = uniqueSource();
    await writeOnAll(cluster.nodes, source);
    const { url } = cluster.nodes[0] as ClusterNode;
    const standing = async (): Promise<string> => {
      const { quorum, failureTolerance, state } = (await call(`${url}/api/v1/cluster`)).body;
      return `${quorum} ${failureTolerance} ${state}`;
    };
    await eventually(async () => (await standing()) === "3 2 available", 30_000, "all five are there");
    const { node: leader, term } = await cluster.leader();
    const dead = [leader, cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode];
    await Promise.all(dead.map(({ id }) => cluster.kill(id)));
    const alive = cluster.nodes.filter((node) => !dead.includes(node));
    await writeOnAll(alive, source, 5);
    expect((await cluster.leader()).term).toBeGreaterThan(term);
    await expectLog(alive, source, 8);
    await cluster.startAll();
    await cluster.leader();
    await writeOnAll(cluster.nodes, source, 8);
    await expectLog(cluster.nodes, source, 13);
  });
});
