import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { type Fault, nothingToUndo } from "./fault.js";

/** A message that was sent has arrived by then, and nothing of it is answered yet. */
const ARRIVES_MS = 20;
/** Shorter than a store waits for a write. */
const HELD_MS = 1_500;

/**
 * A leader dies before its own insert is durable, while one follower has that block on its way to the disk, and nobody
 * else knows of it. A third node leads with the vote of the one that died, and replaces an insert that is under way.
 */
export const heldBack: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  const [holder, ...others] = random.shuffled(world.nodes.filter((node) => node !== leader));
  if (leader === undefined || holder === undefined || others.length === 0) return null;
  const stalled = [leader, holder];
  const isReady = stalled.every(({ isUp, isPaused, store: { behaviour } }) => {
    return isUp && !isPaused && !behaviour.isStalled && !behaviour.isDown;
  });
  if (!isReady) return null;
  for (const node of stalled) node.store.behaviour.isStalled = true;
  const mend = (node: typeof leader): void => {
    node.store.behaviour.isStalled = false;
    node.store.next();
  };
  const at = holder.tailHeight + 1;
  const dies = (): void => {
    leader.crash();
    mend(leader);
    world.scheduler.after(random.between(20, 100), () => leader.start());
    for (const node of others) node.input({ kind: "gone", peer: leader.id });
  };
  let isOnItsWay = false;
  const passes = ({ from, to, body, blocks }: PeerMessage): boolean => {
    // The holder, whose log is longer, would win.
    if (from === holder.id && (body.kind === "vote" || body.kind === "pre_vote")) return false;
    if (from !== leader.id || blocks.length === 0 || isOnItsWay) return true;
    if (to !== holder.id) return false;
    isOnItsWay = true;
    world.scheduler.after(ARRIVES_MS, () => {
      if (strike.isOpen()) dies();
    });
    return true;
  };
  world.interceptors.add(passes);
  strike.lastsFor(() => {
    world.interceptors.delete(passes);
    const footing = holder.process?.driver.footing() ?? null;
    const isReplaced = footing !== null && footing.durableHeight < at && footing.tail.term > term;
    if (isOnItsWay && isReplaced) strike.arises("held-back");
    for (const node of stalled) mend(node);
  }, HELD_MS);
  const { term } = leader.standing;
  // Something to seal.
  world.afterElection(leader);
  return nothingToUndo;
};
