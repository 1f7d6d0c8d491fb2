import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import { crash, type Fault, isolate, nothingToUndo, pause, type Strike } from "./fault.js";

/** The script that lost data elsewhere: two of five pause, one dies, the other two pause as the first two return. */
const staggered: Fault = (strike) => {
  const { world, random } = strike;
  const [a, b, c, ...rest] = random.shuffled(world.nodes);
  if (a === undefined || b === undefined || c === undefined || rest.length < 2) return null;
  if (!world.nodes.every((node) => node.isUp && !node.isPaused)) return null;
  const ms = random.between(300, Math.max(300, strike.durationMaxMs));
  const half = Math.round(ms / 2);
  for (const node of [a, b]) strike.lastsFor(pause(node), ms);
  world.scheduler.after(half, () => {
    if (!strike.isOpen()) return;
    c.crash();
    // It comes back while the last two pause.
    world.scheduler.after(random.between(half + 20, ms + half), () => c.start());
  });
  world.scheduler.after(ms, () => {
    if (!strike.isOpen()) return;
    for (const node of rest) strike.lastsFor(pause(node), ms);
    if (rest.every((node) => node.isPaused) && !c.isUp) strike.arises("staggered");
  });
  return nothingToUndo;
};

/** The machine loses its power: its mongod goes with the process, and what neither had flushed is gone. */
function cutPower(strike: Strike, victims: readonly SimNode[]): void {
  crash(strike, victims);
  for (const node of victims) node.store.restart();
}

/** A wall clock is set, forward or back; the monotonic one is not touched by it. Jumps add up, and each is taken back. */
const clockJump: Fault = (strike) => {
  const node = strike.victim();
  const { random } = strike;
  const jumpMs = random.between(1, random.pick([60_000, 3_600_000, 9 * 3_600_000])) * random.pick([1, 1, -1]);
  node.shiftWall(jumpMs);
  return () => node.shiftWall(-jumpMs);
};

/** A person asks for another leader; it may die on the way. Now and then they ask the wrong node, or for the leader. */
const handOver: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  const isOdd = leader === undefined || random.chance(0.15);
  const node = isOdd ? strike.victim() : leader;
  const targets = world.nodes.filter((it) => isOdd || it !== leader).map((it) => it.id);
  const target = random.pick([null, ...targets]);
  if (node === leader && target !== leader.id) strike.arises("hand-over");
  if (random.chance(0.5)) node.stepDown(target);
  else node.input({ kind: "hand_over", target });
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
  const strikes = (node: SimNode): void => strikeSoon(strike, node, 60);
  world.onNewLeader = strikes;
  return () => {
    // The later of two takes the place of the earlier.
    if (world.onNewLeader === strikes) world.onNewLeader = () => {};
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

/** A machine sleeps for longer than any timeout. Its own clocks stand still: to itself no time has passed. */
const suspended: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const { process } = node;
  if (process === null || node.isPaused) return null;
  node.suspend();
  const longestMs = Math.max(...world.nodes.map(({ requestTimeoutMs }) => requestTimeoutMs));
  const ms = random.between(world.timing.electionTimeoutMs, Math.max(3 * world.timing.requestTimeoutMs, longestMs));
  strike.lastsFor(() => {
    if (node.process === process) node.resume();
  }, ms);
  return nothingToUndo;
};

export const processFaults = {
  crash: (strike) => crash(strike, [strike.victim()]),
  "crash-all": (strike) => crash(strike, strike.world.nodes),
  pause: (strike) => pause(strike.victim()),
  suspended,
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
