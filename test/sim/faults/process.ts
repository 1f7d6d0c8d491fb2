import type { PeerMessage } from "../../../shared/protocol/peer.js";
import type { SimNode } from "../node.js";
import { crash, type Fault, isolate, nothingToUndo, pause, type Strike } from "./fault.js";

/** The script that lost data elsewhere: two of five pause, one dies, the other two pause as the first two return. */
const staggered: Fault = (strike) => {
  const { world, random } = strike;
  const [a, b, c, ...rest] = random.shuffled(world.nodes);
  if (a === undefined || b === undefined || c === undefined) return null;
  const ms = random.between(300, strike.durationMaxMs);
  for (const node of [a, b]) strike.lasts(pause(node), ms);
  world.scheduler.after(ms / 2, () => {
    if (strike.isOpen()) crash(strike, [c]);
  });
  world.scheduler.after(ms, () => {
    if (strike.isOpen()) for (const node of rest) strike.lasts(pause(node), ms);
  });
  return nothingToUndo;
};

/** The machine loses its power: its mongod goes with the process, and what neither had flushed is gone. */
function cutPower(strike: Strike, victims: readonly SimNode[]): void {
  crash(strike, victims);
  for (const node of victims) node.store.restart();
}

/** A wall clock is set, forward or back; the monotonic one is not touched by it. */
const clockJump: Fault = (strike) => {
  const node = strike.victim();
  const { wallOffsetMs } = node;
  node.wallOffsetMs = strike.random.between(-3_600_000, 3_600_000);
  return () => {
    node.wallOffsetMs = wallOffsetMs;
  };
};

/** A person asks for another leader; it may die on the way. */
const handOver: Fault = (strike) => {
  const ids = strike.world.nodes.map((node) => node.id);
  strike.victim().input({ kind: "hand_over", target: strike.random.pick([null, ...ids]) });
  return nothingToUndo;
};

const reluctant: Fault = (strike) => {
  const node = strike.victim();
  node.input({ kind: "campaigns_late", isLate: true });
  return () => node.input({ kind: "campaigns_late", isLate: false });
};

function strikeSoon(strike: Strike, node: SimNode, withinMs: number): void {
  const { world, random } = strike;
  world.scheduler.after(random.between(0, withinMs), () => {
    if (!node.isUp || !strike.isOpen()) return;
    const how = random.pick(["crash", "pause", "isolate"] as const);
    if (how === "crash") crash(strike, [node], 3_000);
    strike.lasts(how === "pause" ? pause(node) : how === "isolate" ? isolate(world, node) : null, 3_000);
  });
}

/** Whoever is elected meanwhile is hit soon after, when its first block is half on its way. */
const newLeaderDies: Fault = (strike) => {
  const { world } = strike;
  world.onNewLeader = (node) => strikeSoon(strike, node, 60);
  return () => {
    world.onNewLeader = () => {};
  };
};

/** Whoever is told to take over is hit at that moment. */
const targetDies: Fault = (strike) => {
  const { world } = strike;
  const watch = (message: PeerMessage): boolean => {
    if (message.body.kind === "run_now") strikeSoon(strike, world.node(message.to), 10);
    return true;
  };
  world.interceptors.add(watch);
  const node = world.leader;
  node?.input({ kind: "hand_over", target: null });
  return () => {
    world.interceptors.delete(watch);
  };
};

export const processFaults = {
  crash: (strike) => crash(strike, [strike.victim()]),
  "crash-all": (strike) => crash(strike, strike.world.nodes),
  pause: (strike) => pause(strike.victim()),
  staggered,
  "power-loss": (strike) => {
    cutPower(strike, strike.random.chance(0.5) ? strike.world.nodes : [strike.victim()]);
    return nothingToUndo;
  },
  "clock-jump": clockJump,
  "hand-over": handOver,
  reluctant,
  "new-leader-dies": newLeaderDies,
  "target-dies": targetDies,
} satisfies Record<string, Fault>;
