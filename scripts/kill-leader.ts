import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { type Cluster, startCluster } from "./cluster/cluster.js";
import { INTEGRITY_FAILURE, runCommand } from "./command.js";
import { firstOf } from "./judge/first-of.js";
import { LogAudit } from "./kill/check-log.js";
import { healed, settledSequence, statusOf } from "./kill/health.js";
import { Load } from "./kill/load.js";
import { wholeNumber } from "./options.js";

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
const NEW_WRITE_WITHIN_MS = 60_000;
/** Between two kills this many writes are acknowledged: enough to be under load, and in the new leader's term. */
const WRITES_BETWEEN_KILLS = 200;

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
    const load = new Load({
      urls: cluster.nodes.map(({ url }) => url),
      runId: randomBytes(4).toString("hex"),
      sourceAppId: "kill-leader",
    });
    load.start(writers);
    const gapsMs: number[] = [];
    for (let kill = 1; kill <= times; kill++) {
      await load.moreAcknowledged(WRITES_BETWEEN_KILLS, NEW_WRITE_WITHIN_MS);
      const { who, gapMs } = isAll ? await killAll(cluster, load) : await killLeader(cluster, load);
      gapsMs.push(gapMs);
      console.log(`kill ${String(kill).padStart(3)}   ${who}   ${Math.round(gapMs)} ms`);
    }
    await load.moreAcknowledged(WRITES_BETWEEN_KILLS, NEW_WRITE_WITHIN_MS);
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
  await healed(cluster, lastSequence);
  return { who: id, gapMs };
}

/** Here the gap holds the time that the processes take to start again. */
async function killAll(cluster: Cluster, load: Load): Promise<{ who: string; gapMs: number }> {
  const killedAtMs = performance.now();
  await cluster.killAll();
  await cluster.startAll();
  const gapMs = await load.firstNewAcknowledgement(killedAtMs, NEW_WRITE_WITHIN_MS);
  await healed(cluster, 0);
  return { who: "all", gapMs };
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
  const audit = new LogAudit(cluster.nodes.map(({ url }) => url));
  const report = await audit.checkToEnd(load, await settledSequence(cluster));
  const { events, head } = report;
  const faults = [...load.faults, ...report.faults];
  if (faults.length === 0) {
    console.log(`All ${cluster.nodes.length} nodes hold the same ${events} events (head ${head.slice(0, 16)}…);`);
    console.log("every acknowledged event is there once, in its place and unchanged.");
    return 0;
  }
  console.error(`\nINTEGRITY FAILURE: ${faults.length} faults, of which the first are:`);
  for (const fault of firstOf(faults, 20)) console.error(`  - ${fault}`);
  return INTEGRITY_FAILURE;
}

runCommand(main);
