import { setTimeout as sleep } from "node:timers/promises";
import { majority } from "../../../cluster/quorum.js";
import type { Cluster } from "../../cluster/cluster.js";
import { loopback } from "../../lib/loopback.js";
import { poll } from "../../lib/processes.js";
import type { FaultDefinition, Field, Heal } from "./fault.js";

const PAUSE_MS = [300, 6_000] as const;
const DOWN_MS = [100, 4_000] as const;

const END_WITHIN_MS = 30_000;

/** Faults of the nodes' own processes. */
export const PROCESS_FAULTS = {
  "leader-kill": {
    about: "SIGKILL of the leader",
    nodesMin: 1,
    lastsMs: DOWN_MS,
    draw: () => ({ ranks: [0] }),
    strike: (field, ids) => killed(field, ids, []),
  },
  "leader-pause": {
    about: "SIGSTOP, then SIGCONT, of the leader",
    nodesMin: 1,
    lastsMs: PAUSE_MS,
    draw: () => ({ ranks: [0] }),
    strike: paused,
  },
  "node-kill": {
    about: "SIGKILL of a minority of the nodes, of the leader in every second draw, with or without their mongods",
    nodesMin: 1,
    lastsMs: DOWN_MS,
    draw: (draw) => ({ ranks: draw.minority(), settings: { mongods: draw.pick(["live", "die"]) } }),
    strike: (field, ids, { mongods }) => killed(field, ids, mongods === "die" ? ids : []),
  },
  "node-pause": {
    about: "SIGSTOP, then SIGCONT, of a minority of the nodes (also what a blocked event loop looks like)",
    nodesMin: 1,
    lastsMs: PAUSE_MS,
    draw: (draw) => ({ ranks: draw.minority() }),
    strike: paused,
  },
  "majority-kill": {
    about: "SIGKILL of as many nodes as are a majority, with or without their mongods",
    nodesMin: 1,
    lastsMs: DOWN_MS,
    draw: (draw) => ({
      ranks: draw.ranks(majority(draw.nodes)),
      settings: { mongods: draw.pick(["live", "die"]) },
    }),
    strike: (field, ids, { mongods }) => killed(field, ids, mongods === "die" ? ids : []),
  },
  "all-nodes-kill": {
    nodesMin: 1,
    about: "SIGKILL of every node at once",
    lastsMs: DOWN_MS,
    draw: (draw) => ({ ranks: draw.ranks(draw.nodes), settings: { staggerMs: draw.between(0, 1_000) } }),
    strike: (field, ids, { staggerMs }) => killed(field, ids, [], Number(staggerMs)),
  },
  "all-kill": {
    nodesMin: 1,
    about: "SIGKILL of every node and every mongod at once, started again in random order",
    lastsMs: DOWN_MS,
    draw: (draw) => ({
      ranks: draw.shuffled(draw.ranks(draw.nodes)),
      settings: { staggerMs: draw.between(0, 1_000) },
    }),
    strike: (field, ids, { staggerMs }) => killed(field, ids, ids, Number(staggerMs)),
  },
  "hand-over": {
    nodesMin: 1,
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
  "target-kill": {
    about: "the leader asked to hand over to one node, which is ended by SIGKILL at that moment",
    lastsMs: DOWN_MS,
    draw: (draw) => ({ ranks: [0, ...draw.ranks(1, 1)], settings: { killedAfterMs: draw.between(0, 10) } }),
    strike: async (field, [leader = "", target = ""], { killedAfterMs }) => {
      const { cluster } = field;
      const asked = askToStepDown(cluster.node(leader).url, target);
      await sleep(Number(killedAfterMs));
      const heal = await killed(field, [target], []);
      await asked;
      return heal;
    },
  },
  staggered: {
    about: "two nodes paused, a third killed, and the last two paused as the first two go on",
    nodesMin: 5,
    lastsMs: [2_000, 8_000],
    draw: (draw) => ({ ranks: draw.shuffled(draw.ranks(5)), settings: { stepMs: draw.between(500, 3_000) } }),
    strike: async (field, [a = "", b = "", killedOne = "", ...rest], { stepMs }) => {
      const signal = (ids: readonly string[], name: NodeJS.Signals): void => {
        for (const id of ids) field.cluster.signal(id, name);
      };
      signal([a, b], "SIGSTOP");
      await sleep(Number(stepMs));
      const heal = await killed(field, [killedOne], []);
      await sleep(Number(stepMs));
      signal([a, b], "SIGCONT");
      signal(rest, "SIGSTOP");
      return async () => {
        signal(rest, "SIGCONT");
        await heal();
      };
    },
  },
  "rolling-restart": {
    nodesMin: 1,
    about: "SIGTERM of one node after the other, each up again before the next",
    lastsMs: [100, 500],
    draw: (draw) => ({ ranks: draw.shuffled(draw.ranks(draw.nodes)) }),
    strike: async ({ cluster }, ids) => {
      for (const id of ids) {
        await askToStop(cluster, id);
        await cluster.start(id);
      }
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

function paused({ cluster }: Field, ids: readonly string[]): Heal {
  for (const id of ids) cluster.signal(id, "SIGSTOP");
  return () => {
    for (const id of ids) cluster.signal(id, "SIGCONT");
  };
}

/**
 * A leader that just then cannot, or no longer leads, refuses; where another fault struck it just before, nothing answers
 * there: then this fault is none.
 */
async function askToStepDown(url: string, target?: string): Promise<void> {
  try {
    const answer = await loopback(`${url}/api/v1/cluster/step-down`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ actor: "chaos", reason: "a fault of the chaos script", target }),
      signal: AbortSignal.timeout(END_WITHIN_MS),
    });
    if (answer.ok || answer.status === 409 || answer.status === 503) return;
    throw new Error(`${url} does not step down: ${answer.status} ${await answer.text()}`);
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    const isUnanswered = name === "TimeoutError" || (typeof code === "string" && /^E[A-Z]+$/.test(code));
    if (!isUnanswered) throw error;
  }
}

/** Processes that were asked to stop: a second signal would end them at once. */
const stopping = new Set<number | undefined>();

/** A node that ends by itself is started again by its supervisor. */
async function askToStop(cluster: Cluster, id: string): Promise<void> {
  const node = cluster.node(id);
  const { pid } = node;
  if (!stopping.has(pid)) cluster.signal(id, "SIGTERM");
  stopping.add(pid);
  const hasEnded = await poll(() => node.pid !== pid, { withinMs: END_WITHIN_MS, everyMs: 10 });
  stopping.delete(pid);
  if (hasEnded === undefined) throw new Error(`${id} has not stopped ${END_WITHIN_MS / 1000} s after SIGTERM.`);
}
