import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { allLinks, cut, type Fault, nothingToUndo } from "./fault.js";

/** Mostly as long as the others need to elect somebody, and shorter than the leader waits for a majority. */
const HELD_MS: readonly [number, number] = [200, 600];
/** A leader with little to do seals something in this time. */
const WAITS_MS_MAX = 2_000;
/** By then a block that was sent has arrived, unless it was lost. */
const ARRIVES_MS = 60;

/**
 * One node is in between: it is all that the leader's side and the other side have to make a majority. Its disk takes
 * its time with a block of the leader's while it is asked for a vote by the other side, which lacks that block. It would
 * be the leader's majority for the block and the candidate's for the term, if it answered both.
 */
export const bridge: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  const [between, ...rest] = random.shuffled(world.nodes.filter((node) => node !== leader));
  if (leader === undefined || between === undefined || rest.length % 2 === 0) return null;
  const { behaviour } = between.store;
  if (!between.isUp || between.isPaused || behaviour.isStalled || behaviour.isDown) return null;
  const others = rest.slice(0, (rest.length + 1) / 2);
  const isOther = (id: string): boolean => others.some((node) => node.id === id);
  const isSplit = allLinks(world).filter(
    ([from, to]) => from !== between.id && to !== between.id && isOther(from) !== isOther(to),
  );
  strike.lastsFor(cut(world, isSplit), WAITS_MS_MAX + ARRIVES_MS + HELD_MS[1]);
  const begin = ({ body, blocks, from, to }: PeerMessage): boolean => {
    if (from !== leader.id || to !== between.id || body.kind !== "append" || blocks.length === 0) return true;
    world.interceptors.delete(begin);
    if (behaviour.isStalled) return true;
    behaviour.isStalled = true;
    // Otherwise it would run itself, and vote for nobody else.
    between.input({ kind: "campaigns_late", isLate: true });
    const heldMs = ARRIVES_MS + random.between(...HELD_MS);
    strike.lastsFor(() => {
      behaviour.isStalled = false;
      between.store.next();
      between.input({ kind: "campaigns_late", isLate: false });
    }, heldMs);
    world.scheduler.after(ARRIVES_MS, () => {
      if (!strike.isOpen()) return;
      strike.lastsFor(cut(world, [[leader.id, between.id]]), heldMs);
      for (const node of [between, ...others]) node.input({ kind: "gone", peer: leader.id });
      if (between.isUp && between.view.tailHeight > between.view.durableHeight) strike.arises("bridge");
    });
    return true;
  };
  world.interceptors.add(begin);
  strike.lastsFor(() => world.interceptors.delete(begin), WAITS_MS_MAX);
  return nothingToUndo;
};
