import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { type Cluster, startCluster } from "./cluster/cluster.js";
import { checkLogs } from "./kill/check-log.js";
import { Load } from "./kill/load.js";
import { UsageError, wholeNumber } from "./options.js";
import { poll } from "./processes.js";
import { messageOf } from "./project.js";

const USAGE = `Usage: npm run kill-leader -- [options]

Starts three nodes with mongods of their own in a temporary folder, puts them under load, kills with SIGKILL, and
measures from each kill to the first newly begun write that is acknowledged. Then it reads the logs of all nodes: every
acknowledged event must be there once, in its place and unchanged, and all heads must be equal.

  --kills N      kill the leader N times (default 20)
  --kill-all N   kill all nodes and mongods at once, N times, instead
  --nodes N      how many nodes (default 3)
  --writers N    how many writes are under way at any time (default 16)
  --data DIR     keep the data in DIR
`;
const INTEGRITY_FAILURE = 3;
const NEW_WRITE_WITHIN_MS = 60_000;
/** Between two kills this many writes are acknowledged: enough to be under load, and in the new leader's term. */
const WRITES_BETWEEN_KILLS = 200;

interface NodeStatus {
  id: string;
  health: string;
  lastSequence: number;
  headHash: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "20" },
      "kill-all": { type: "string" },
      nodes: { type: "string", default: "3" },
      writers: { type: "string", default: "16" },
      data: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const isAll = values["kill-all"] !== undefined;
  const times = wholeNumber(isAll ? "--kill-all" : "--kills", values["kill-all"] ?? values.kills, 1, 10_000);
  const writers = wholeNumber("--writers", values.writers, 1, 1_000);
  const cluster = await startCluster({
    nodes: wholeNumber("--nodes", values.nodes, 1, 9),
    ...(values.data === undefined ? {} : { dataDir: values.data }),
  });
  try {
    const load = new Load(
      cluster.nodes.map(({ url }) => url),
      randomBytes(4).toString("hex"),
    );
    load.start(writers);
    const gapsMs: number[] = [];
    for (let kill = 1; kill <= times; kill++) {
      await moreWrites(load, WRITES_BETWEEN_KILLS);
      const { who, gapMs } = isAll ? await killAll(cluster, load) : await killLeader(cluster, load);
      gapsMs.push(gapMs);
      console.log(`kill ${String(kill).padStart(3)}   ${who}   ${Math.round(gapMs)} ms`);
    }
    await moreWrites(load, WRITES_BETWEEN_KILLS);
    await load.stop();
    report(gapsMs, isAll ? "everything" : "the leader", load.acknowledged.size);
    return await verdict(cluster, load);
  } finally {
    await cluster.stop();
  }
}

async function killLeader(cluster: Cluster, load: Load): Promise<{ who: string; gapMs: number }> {
  const { id } = (await cluster.leader()).node;
  const killedAtMs = performance.now();
  const gone = cluster.kill(id);
  const gapMs = await load.firstNewAcknowledgement(killedAtMs, NEW_WRITE_WITHIN_MS);
  await gone;
  const { node } = await cluster.leader();
  const { lastSequence } = await statusOf(node.url, node.id);
  await cluster.start(id);
  await caughtUp(cluster, id, lastSequence);
  return { who: id, gapMs };
}

/** Here the gap holds the time that the processes take to start again. */
async function killAll(cluster: Cluster, load: Load): Promise<{ who: string; gapMs: number }> {
  const killedAtMs = performance.now();
  await cluster.killAll();
  await cluster.startAll();
  const gapMs = await load.firstNewAcknowledgement(killedAtMs, NEW_WRITE_WITHIN_MS);
  for (const { id } of cluster.nodes) await caughtUp(cluster, id, 0);
  return { who: "all", gapMs };
}

async function moreWrites(load: Load, count: number): Promise<void> {
  const target = load.acknowledged.size + count;
  const done = await poll(() => load.failure !== undefined || load.acknowledged.size >= target, {
    withinMs: NEW_WRITE_WITHIN_MS,
  });
  if (load.failure !== undefined) throw load.failure;
  if (done === undefined) throw new Error(`Fewer than ${count} writes were acknowledged in a minute.`);
}

async function caughtUp(cluster: Cluster, id: string, lastSequence: number): Promise<void> {
  const { url } = cluster.node(id);
  const done = await poll(
    async () => {
      const ready = await fetch(`${url}/readyz`).then(({ ok }) => ok);
      const own = await statusOf(url, id);
      return ready && own.health === "sound" && own.lastSequence >= lastSequence;
    },
    { withinMs: 60_000 },
  );
  if (done === undefined)
    throw new Error(`${id} has not caught up a minute after it was started:\n${cluster.logTail(id)}`);
}

async function statusOf(url: string, id: string): Promise<NodeStatus> {
  const answer = await fetch(`${url}/api/v1/cluster`);
  const { nodes } = (await answer.json()) as { nodes: NodeStatus[] };
  const own = nodes.find((node) => node.id === id);
  if (own === undefined) throw new Error(`${url} does not list ${id} in its cluster status.`);
  return own;
}

function report(gapsMs: number[], what: string, writes: number): void {
  const sorted = [...gapsMs].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const medianMs = ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
  console.log(`\nKilled ${what} ${gapsMs.length} times under load; ${writes} writes were acknowledged.`);
  console.log(
    `From the kill to a new write: median ${Math.round(medianMs)} ms, worst ${Math.round(sorted.at(-1) ?? 0)} ms.`,
  );
}

async function verdict(cluster: Cluster, load: Load): Promise<number> {
  await poll(() => headsAreEqual(cluster), { withinMs: 30_000 });
  const { events, head, faults } = await checkLogs(
    cluster.nodes.map(({ url }) => url),
    load.acknowledged,
  );
  if (faults.length === 0) {
    console.log(`All ${cluster.nodes.length} nodes hold the same ${events} events (head ${head.slice(0, 16)}…);`);
    console.log("every acknowledged event is there once, in its place and unchanged.");
    return 0;
  }
  console.error(`\nINTEGRITY FAILURE: ${faults.length} faults, of which the first are:`);
  for (const fault of faults.slice(0, 20)) console.error(`  - ${fault}`);
  return INTEGRITY_FAILURE;
}

async function headsAreEqual(cluster: Cluster): Promise<boolean> {
  const statuses = await Promise.all(cluster.nodes.map(({ url, id }) => statusOf(url, id)));
  return new Set(statuses.map(({ headHash }) => headHash)).size === 1;
}

main().then(
  (exitCode) => process.exit(exitCode),
  (error) => {
    console.error(messageOf(error));
    process.exit(error instanceof UsageError || error.code?.startsWith("ERR_PARSE_ARGS") ? 2 : 1);
  },
);
