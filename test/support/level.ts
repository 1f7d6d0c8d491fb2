import type { ClusterNode } from "../../scripts/cluster/cluster.js";
import { eventually } from "./eventually.js";

interface Standing {
  id: string;
  health: string;
  headHash: string;
  lastSequence: number;
  lastHeight: number;
  commitHeight: number;
}

/** What each node says of itself, gathered by one of them. */
export async function standings({ url }: ClusterNode): Promise<Standing[]> {
  const answer = await fetch(`${url}/api/v1/cluster`, { signal: AbortSignal.timeout(30_000) });
  return ((await answer.json()) as { nodes: Standing[] }).nodes;
}

/** A damaged node counts as well. */
const COUNTS = new Set(["sound", "damaged"]);

/** Waits until all of these nodes count, and have one head; gives its hash. */
export function levelHead(nodes: readonly ClusterNode[], withinMs = 30_000): Promise<string> {
  return eventually(
    async () => {
      const ids = new Set(nodes.map(({ id }) => id));
      const found = (await standings(nodes[0] as ClusterNode)).filter(({ id }) => ids.has(id));
      const [first] = found;
      const isLevel = (one: Standing): boolean =>
        COUNTS.has(one.health) &&
        one.headHash === first?.headHash &&
        one.lastHeight === first.lastHeight &&
        one.commitHeight === first.lastHeight;
      if (first !== undefined && found.length === nodes.length && found.every(isLevel)) return first.headHash;
      throw new Error(JSON.stringify(found));
    },
    withinMs,
    "all heads are equal",
  );
}
