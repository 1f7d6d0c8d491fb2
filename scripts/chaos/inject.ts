import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../cluster/cluster.js";
import { loopback } from "../loopback.js";
import { poll } from "../processes.js";
import type { Blow, Fault } from "./faults.js";

const END_WITHIN_MS = 30_000;
const DONE = { kill: "killed", pause: "paused", stop: "asked to stop", "step-down": "asked to step down" };

interface Target extends Blow {
  id: string;
}

/** Who is meant by the ranks of a fault while `leaderId` leads. */
export function targetsOf(cluster: Cluster, { blows }: Fault, leaderId: string): Target[] {
  const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== leaderId);
  const byRank = [leaderId, ...others];
  return blows.map((blow) => ({ ...blow, id: byRank[blow.rank] as string }));
}

export function describeTargets(targets: Target[], lastsMs: number): string {
  const said = targets.map(({ id, act, programs }) => {
    const whom = programs.length === 2 ? `${id} and its mongod` : programs[0] === "node" ? id : `mongod of ${id}`;
    return `${whom} ${DONE[act]}`;
  });
  return `${said.join(", ")} (${(lastsMs / 1000).toFixed(1)} s)`;
}

/** Strikes all targets at once, and undoes it when the fault's time is over: resolves when all processes run again. */
export async function inject(cluster: Cluster, targets: Target[], lastsMs: number): Promise<void> {
  try {
    await Promise.all(targets.map((target) => strike(cluster, target)));
    // The fault itself lasts this long: nothing to poll for.
    await sleep(lastsMs);
  } finally {
    for (const target of targets) if (target.act === "pause") signalAll(cluster, target, "SIGCONT");
  }
  await Promise.all(targets.filter(({ act }) => act === "kill" || act === "stop").map(({ id }) => cluster.start(id)));
}

async function strike(cluster: Cluster, target: Target): Promise<void> {
  const { id, act, programs } = target;
  if (act === "pause") signalAll(cluster, target, "SIGSTOP");
  else if (act === "stop") await askToStop(cluster, id);
  else if (act === "step-down") await askToStepDown(cluster.node(id).url);
  else {
    const hasBoth = [
      programs.includes("node") && cluster.kill(id),
      programs.includes("mongod") && cluster.killMongod(id),
    ];
    await Promise.all(hasBoth);
  }
}

function signalAll(cluster: Cluster, { id, programs }: Target, name: NodeJS.Signals): void {
  if (programs.includes("node")) cluster.signal(id, name);
  if (programs.includes("mongod")) cluster.signalMongod(id, name);
}

/** A leader that just then cannot, or no longer leads, refuses: then this fault is none. */
export async function askToStepDown(url: string, target?: string): Promise<void> {
  const answer = await loopback(`${url}/api/v1/cluster/step-down`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ actor: "chaos", reason: "a fault of the chaos script", target }),
    signal: AbortSignal.timeout(END_WITHIN_MS),
  });
  if (answer.ok || answer.status === 409 || answer.status === 503) return;
  throw new Error(`${url} does not step down: ${answer.status} ${await answer.text()}`);
}

/** A node that ends by itself is started again by its supervisor. */
export async function askToStop(cluster: Cluster, id: string): Promise<void> {
  const node = cluster.node(id);
  const { pid } = node;
  cluster.signal(id, "SIGTERM");
  const hasEnded = await poll(() => node.pid !== pid, { withinMs: END_WITHIN_MS, everyMs: 10 });
  if (hasEnded === undefined) throw new Error(`${id} has not stopped ${END_WITHIN_MS / 1000} s after SIGTERM.`);
}
