import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { reapWithUs } from "../../scripts/mongod/reaper.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const event = (sourceAppId: string) => ({ eventType: "T", sourceAppId, dataPayload: {} });

interface Program {
  readonly file: string;
  readonly args: string[];
  readonly env: NodeJS.ProcessEnv;
}

/** What a running node was started with. */
function programOf({ pid }: ClusterNode): Program {
  const read = (what: string) => readFileSync(`/proc/${pid}/${what}`, "utf8").split("\0").filter(Boolean);
  const env = Object.fromEntries(read("environ").map((line) => line.split(/=(.*)/s, 2)));
  // The supervisor's channel is the first one's.
  delete env.NODE_CHANNEL_FD;
  const [file, ...args] = read("cmdline") as [string, ...string[]];
  return { file, args, env };
}

function run({ file, args, env }: Program) {
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  reapWithUs(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const ended = once(child, "close").then(([exitCode]) => ({ child, exitCode: exitCode as number | null, output }));
  return { child, ended };
}

async function ownerOf({ mongodbUri }: ClusterNode): Promise<unknown> {
  const client = new MongoClient(mongodbUri);
  try {
    const state = await client.db().collection("state").findOne();
    expect(state?.owner.bootId).toEqual(expect.any(String));
    return [state?.owner, state?.bootCounter];
  } finally {
    await client.close();
  }
}

// The environment of a running process is read from /proc.
describe.runIf(process.platform === "linux")("a second start of a node that runs", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startSteadyCluster({ env: { ELECTION_TIMEOUT_MS: "3000" } });
  });
  afterAll(() => cluster?.stop());

  it("ends with 78 and touches nothing: the first one votes and takes writes once the leader is dead", async () => {
    const source = uniqueSource();
    const { node: leader, term } = await cluster.leader();
    const [twice, other] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
    const { pid } = twice;
    const identity = () => readFileSync(join(cluster.dataDir, twice.id, "identity.json"), "utf8");
    const bootCounter = () => JSON.parse(identity()).bootCounter;
    const before = [await ownerOf(twice), bootCounter()];

    const { exitCode, output } = await run(programOf(twice)).ended;
    expect(exitCode).toBe(78);
    expect(output).toContain(`A node at ${new URL(twice.url).host} runs already, or is being started.`);
    expect([await ownerOf(twice), bootCounter()]).toEqual(before);
    expect(readdirSync(join(cluster.dataDir, twice.id)).filter((name) => name.endsWith(".tmp"))).toEqual([]);

    await cluster.kill(leader.id);
    // Of three, each of the two that are left is needed.
    expect((await postJson(`${other.url}/api/v1/events`, event(source))).status).toBe(201);
    expect((await postJson(`${twice.url}/api/v1/events`, event(source))).status).toBe(201);
    expect((await cluster.leader()).term).toBeGreaterThan(term);
    expect(twice.pid).toBe(pid);
    await cluster.startAll();
  });

  it("while the first one recovers ends with 78, too, and the first one goes on", async () => {
    const source = uniqueSource();
    const { node: leader } = await cluster.leader();
    const [twice, other] = cluster.nodes.filter(({ id }) => id !== leader.id) as [ClusterNode, ClusterNode];
    const program = programOf(twice);
    // After an unclean end a start waits before it listens, which gives the second one its time.
    await cluster.kill(twice.id);
    const both = [run(program), run(program)];
    try {
      const first = await Promise.race(both.map(({ ended }) => ended));
      expect(first.exitCode).toBe(78);
      expect(first.output).toContain("runs already, or is being started.");
      const runs = both.find(({ child }) => child !== first.child)?.child;
      await eventually(async () => (await call(`${twice.url}/readyz`)).status === 200, 20_000, `${twice.id} is ready`);
      await cluster.kill(leader.id);
      expect((await postJson(`${other.url}/api/v1/events`, event(source))).status).toBe(201);
      expect((await postJson(`${twice.url}/api/v1/events`, event(source))).status).toBe(201);
      expect(runs?.exitCode).toBeNull();
    } finally {
      for (const { child } of both) child.kill("SIGKILL");
      await Promise.all(both.map(({ ended }) => ended));
    }
  });
});
