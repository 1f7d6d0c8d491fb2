import { setTimeout as sleep } from "node:timers/promises";
import { askToStepDown, askToStop } from "../inject.js";
import type { FaultDefinition, Field, Heal } from "./fault.js";

const PAUSE_MS = [300, 6_000] as const;
const DOWN_MS = [100, 4_000] as const;

/** Faults of the nodes' own processes. */
export const PROCESS_FAULTS = {
  "node-kill": {
    about: "SIGKILL of a minority of the nodes, of the leader in every second draw",
    lastsMs: DOWN_MS,
    draw: (draw) => ({ ranks: draw.minority() }),
    strike: (field, ids) => killed(field, ids, []),
  },
  "node-pause": {
    about: "SIGSTOP, then SIGCONT, of a minority of the nodes (also what a blocked event loop looks like)",
    lastsMs: PAUSE_MS,
    draw: (draw) => ({ ranks: draw.minority() }),
    strike: ({ cluster }, ids) => {
      for (const id of ids) cluster.signal(id, "SIGSTOP");
      return () => {
        for (const id of ids) cluster.signal(id, "SIGCONT");
      };
    },
  },
  "all-nodes-kill": {
    about: "SIGKILL of every node at once",
    lastsMs: DOWN_MS,
    draw: (draw) => ({ ranks: draw.ranks(draw.nodes), settings: { staggerMs: draw.between(0, 1_000) } }),
    strike: (field, ids, { staggerMs }) => killed(field, ids, [], Number(staggerMs)),
  },
  "all-kill": {
    about: "SIGKILL of every node and every mongod at once, started again in random order",
    lastsMs: DOWN_MS,
    draw: (draw) => ({
      ranks: draw.shuffled(draw.ranks(draw.nodes)),
      settings: { staggerMs: draw.between(0, 1_000) },
    }),
    strike: (field, ids, { staggerMs }) => killed(field, ids, ids, Number(staggerMs)),
  },
  "hand-over": {
    about: "SIGTERM of the leader, which hands over before it stops",
    lastsMs: [100, 1_000],
    draw: () => ({ ranks: [0] }),
    strike: async ({ cluster }, [id = ""]) => {
      await askToStop(cluster, id);
      return () => cluster.start(id);
    },
  },
  "step-down": {
    about: "the leader asked to hand over and to stay",
    lastsMs: [100, 1_000],
    draw: () => ({ ranks: [0] }),
    strike: async ({ cluster }, [id = ""]) => {
      await askToStepDown(cluster.node(id).url);
      return () => {};
    },
  },
} satisfies Record<string, FaultDefinition>;

async function killed(
  { cluster }: Field,
  nodes: readonly string[],
  mongods: readonly string[],
  staggerMs = 0,
): Promise<Heal> {
  await Promise.all([...nodes.map((id) => cluster.kill(id)), ...mongods.map((id) => cluster.killMongod(id))]);
  const start = async (id: string, place: number): Promise<void> => {
    await sleep(place * staggerMs);
    await cluster.start(id);
  };
  return async () => {
    await Promise.all(nodes.map(start));
  };
}
