import type { Cluster } from "../cluster/cluster.js";
import { firstOf } from "../judge/first-of.js";
import { loopback } from "../lib/loopback.js";
import { poll } from "../lib/processes.js";

const HEAL_WITHIN_MS = 240_000;
const ANSWER_WITHIN_MS = 30_000;

export interface NodeStatus {
  id: string;
  address: string;
  health: string;
  term: number;
  lastSequence: number;
  headHash: string;
}

export interface ClusterView {
  leaderId: string | null;
  term: number;
  /** Ids by rank, the highest first. */
  priority: string[];
  nodes: NodeStatus[];
}

export async function clusterView(url: string): Promise<ClusterView> {
  const answer = await loopback(`${url}/api/v1/cluster`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!answer.ok) throw new Error(`${url} does not tell its cluster: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as ClusterView;
}

/** What a node says of itself. */
async function statusOf(url: string, id: string): Promise<NodeStatus> {
  const own = (await clusterView(url)).nodes.find((node) => node.id === id);
  if (own === undefined) throw new Error(`${url} does not list ${id} in its cluster status.`);
  return own;
}

/** Sound, ready, and holding all up to `lastSequence`. */
export async function isLevel(url: string, id: string, lastSequence: number): Promise<boolean> {
  try {
    const ready = await loopback(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!ready.ok) return false;
    const own = await statusOf(url, id);
    return own.health === "sound" && own.lastSequence >= lastSequence;
  } catch {
    return false;
  }
}

/** Waits until all nodes are level and agree on a leader; throws, with the logs' ends, if they do not come to it. */
export async function healed(cluster: Cluster, lastSequence: number): Promise<void> {
  for (const { id, url } of cluster.nodes) {
    if (await poll(() => isLevel(url, id, lastSequence), { withinMs: HEAL_WITHIN_MS })) continue;
    const said = await clusterView(url).catch(String);
    throw new Error(
      `${id} has not healed after ${HEAL_WITHIN_MS / 1000} s: ${JSON.stringify(said)}\n${cluster.logTail(id)}`,
    );
  }
  await cluster.leader(HEAL_WITHIN_MS);
}

/**
 * What was opened since then, also what is over by now: kills and pauses alone must not make a node accuse another, or itself,
 * not for a moment either. One whose state was altered says that, and joins anew.
 */
export async function alertsSince(url: string, at: Date, otherState: ReadonlySet<string>): Promise<string[]> {
  const answer = await loopback(`${url}/api/v1/alerts?status=all&limit=500`, {
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  const { alerts, more } = (await answer.json()) as {
    more: number;
    alerts: { kind: string; node: string; detail: string; openedAt: string }[];
  };
  const fresh = alerts.filter(({ openedAt }) => new Date(openedAt) >= at);
  const isRight = ({ kind, node }: { kind: string; node: string }): boolean =>
    kind === "state_altered" && otherState.has(node);
  const wrong = fresh.filter((alert) => !isRight(alert));
  const told = wrong.map(({ kind, node, detail }) => `${kind} by ${node}: ${detail}`);
  // The newest come first: where all of them are new, those that are not listed may be new as well.
  return firstOf(told, told.length, told.length + (fresh.length === alerts.length ? more : 0));
}

/** Once no one writes: waits until all heads are equal, and answers the last sequence. */
export async function settledSequence(cluster: Cluster): Promise<number> {
  const last = await poll(
    async () => {
      const statuses = await Promise.all(cluster.nodes.map(({ url, id }) => statusOf(url, id))).catch(() => []);
      const isEqual = new Set(statuses.map(({ headHash }) => headHash)).size === 1;
      return isEqual && { sequence: statuses[0]?.lastSequence ?? -1 };
    },
    { withinMs: HEAL_WITHIN_MS },
  );
  if (last === undefined) throw new Error(`The heads are not equal ${HEAL_WITHIN_MS / 1000} s after the last write.`);
  return last.sequence;
}
