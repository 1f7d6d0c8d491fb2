import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { fakeKeys } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import type { Random } from "../random.js";
import type { World } from "../world.js";
import { isDurableVoter } from "./fault.js";

/**
 * A node loses its disk and is admitted again, and its leader dies right after it has told it so. Nobody else knows that
 * the record is committed: they count the learner by the record in their logs. The leader that is dead; null where it did
 * not come to that.
 */
export function admitterDies(world: World, random: Random, withinMs: number): SimNode | null {
  const { leader } = world;
  const learner = random.pick(world.nodes.filter((node) => node !== leader));
  if (leader === undefined || learner === undefined || !world.nodes.every(isDurableVoter)) return null;
  learner.crash();
  if (learner.isUp) return null;
  world.checkers.commits.onDiskLoss(learner);
  learner.disk.wipe(random.hex(16), random.chance(0.5) ? fakeKeys(random) : null);
  learner.start();
  let isTold = false;
  const passes = ({ from, to, body }: PeerMessage): boolean => {
    if (from !== leader.id || isTold) return from !== leader.id;
    isTold = to === learner.id && body.kind === "append" && tellsOfAdmission(world, learner, body);
    if (isTold) world.scheduler.after(random.between(1, 10), () => leader.crash());
    return true;
  };
  world.interceptors.add(passes);
  world.runUntil(() => isTold && !leader.isUp, withinMs);
  world.interceptors.delete(passes);
  if (leader.isUp) return null;
  world.trace.add(`${leader.id} stays dead, which has admitted ${learner.id}`);
  return leader;
}

/** It holds the record of its admission, which the leader now calls committed. */
function tellsOfAdmission(
  { checkers: { history } }: World,
  { id, disk }: SimNode,
  { previousHeight, commitHeight }: { previousHeight: number; commitHeight: number },
): boolean {
  const admitted = history.latestNonce(id);
  const isAdmitted = admitted !== undefined && admitted === disk.hardState?.joinNonce;
  return (
    isAdmitted && Math.min(previousHeight, disk.tailHeight) >= commitHeight && commitHeight === history.committed.length
  );
}
