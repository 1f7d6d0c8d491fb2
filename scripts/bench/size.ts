import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { loopback } from "../lib/loopback.js";
import { poll } from "../lib/processes.js";
import { wholeNumber } from "../lib/usage.js";
import { findMongod } from "../mongod/ladder.js";
import { calibrate, calibrationText } from "./calibration.js";
import { fillWith } from "./fill.js";
import { MemorySampler } from "./samples.js";
import { memoryVerdict } from "./soak.js";
import { clusterAnswer, QuorumlogTarget, readableSize } from "./targets/quorumlog.js";

const EVENTS_MIN = 1_000;
const LOAD_SECONDS_MAX = 7_200;
const CAUGHT_UP_WITHIN_MS = 3_600_000;
const READY_WITHIN_MS = 600_000;
const LOAD_CLIENTS = 64;

/** A large log: how fast a node is ready again, and how a node that was away for all of it catches up. */
export async function runSize(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { events: { type: "string", default: "1000000" }, rate: { type: "string", default: "500" } },
  });
  const events = wholeNumber("--events", values.events, EVENTS_MIN, 100_000_000);
  const rate = wholeNumber("--rate", values.rate, 1, 100_000);
  console.log(calibrationText(await calibrate()));
  const target = await QuorumlogTarget.start({ mongodBinary: await findMongod() });
  const sampler = new MemorySampler();
  try {
    const { cluster } = target;
    const leader = (await cluster.leader()).node.id;
    const [away = "", other = ""] = cluster.nodes.map(({ id }) => id).filter((id) => id !== leader);
    await cluster.kill(away);
    console.log(`${away} is down. Appending ${events} events in batches …`);
    sampler.watch(await target.processes(), "build");
    await build(target, events);
    await catchUp(target, { away, rate, sampler });
    // With all three up: a node that restarts needs a majority to be ready, and that must not be what is measured.
    for (const [id, role] of [
      [other, "a follower"],
      [leader, "the leader"],
      [away, "the follower that was away"],
    ] as const)
      await restart(target, { id, role, sampler });
    console.log(memoryVerdict(sampler.stop()));
  } finally {
    sampler.stop();
    await target.stop();
  }
}

async function build(target: QuorumlogTarget, events: number): Promise<void> {
  const startMs = performance.now();
  const perSecond = await fillWith(target, { events, fill: "batch" });
  console.log(`Acknowledged at ${Math.round(perSecond)} a second by two nodes.`);
  console.log(`Readable on both nodes ${((performance.now() - startMs) / 1_000).toFixed(1)} s after the start.`);
}

/** Under a steady load: caught up is a node that has what the leader had at the look before. */
async function catchUp(
  target: QuorumlogTarget,
  { away, rate, sampler }: { away: string; rate: number; sampler: MemorySampler },
): Promise<void> {
  const { cluster, load } = target;
  const node = cluster.node(away);
  const behind = (await target.standing()).size;
  console.log(`\nStarting ${away}, ${behind} events behind, while ${rate} events a second are appended …`);
  const to = await target.at("leader");
  const work = { kind: "append", batch: 1 } as const;
  const loading = load.run({ target: to, work, clients: LOAD_CLIENTS, perSecond: rate, seconds: LOAD_SECONDS_MAX });
  const startMs = performance.now();
  await cluster.start(away);
  sampler.watch(await target.processes(), "catch-up");
  const seconds = () => ((performance.now() - startMs) / 1_000).toFixed(1);
  const logLevel = await levelWith(() => committedSizes(node.url, away), CAUGHT_UP_WITHIN_MS);
  console.log(`  Its log is level after ${seconds()} s${logLevel ? "" : ": NO, given up"}.`);
  const shown = await levelWith(async () => {
    const { leader } = await committedSizes(node.url, away);
    return { own: (await readableSize(node.url)) ?? -1, leader };
  }, CAUGHT_UP_WITHIN_MS);
  console.log(`  Its reads are level after ${seconds()} s${shown ? "" : ": NO, given up"}.`);
  load.finish();
  const { events, errors, dropped } = await loading;
  console.log(`  Meanwhile ${events} events were acknowledged, ${dropped} dropped; failed: ${JSON.stringify(errors)}`);
  await target.caughtUp();
}

interface Sizes {
  own: number;
  leader: number;
}

async function committedSizes(url: string, id: string): Promise<Sizes> {
  const { leaderId, nodes } = await clusterAnswer(url);
  const sizeOf = (of: string | null) => (nodes.find((node) => node.id === of)?.lastSequence ?? -1) + 1;
  return { own: sizeOf(id), leader: leaderId === null ? Number.POSITIVE_INFINITY : sizeOf(leaderId) };
}

async function levelWith(sizes: () => Promise<Sizes>, withinMs: number): Promise<true | undefined> {
  let leaderBefore = Number.POSITIVE_INFINITY;
  return poll(
    async () => {
      const { own, leader } = await sizes().catch(() => ({ own: -1, leader: Number.POSITIVE_INFINITY }));
      const isLevel = own >= leaderBefore;
      leaderBefore = leader;
      return isLevel || undefined;
    },
    { withinMs, everyMs: 250 },
  );
}

/** SIGKILL, then start: from the start to the first 200 of /readyz. */
async function restart(
  target: QuorumlogTarget,
  { id, role, sampler }: { id: string; role: string; sampler: MemorySampler },
): Promise<void> {
  const { cluster } = target;
  await cluster.leader(60_000);
  const { url } = cluster.node(id);
  await cluster.kill(id);
  // The others elect meanwhile if this was the leader: not a part of what is measured.
  await sleep(3_000);
  const startMs = performance.now();
  const started = cluster.start(id);
  const isReady = () => isAnswered(`${url}/readyz`);
  const ready = await poll(isReady, { withinMs: READY_WITHIN_MS, everyMs: 20 });
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(2);
  await started;
  console.log(`${id} (${role}) is ${ready ? "ready" : "NOT READY"} ${seconds} s after its start from SIGKILL.`);
  sampler.watch(await target.processes(), `restart of ${id}`);
  await target.caughtUp();
}

async function isAnswered(url: string): Promise<boolean> {
  try {
    const answer = await loopback(url);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
