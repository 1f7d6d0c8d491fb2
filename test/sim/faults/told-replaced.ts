import { height, term } from "../../../shared/ids.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { fakeSigner } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import { sealedAnew } from "./alter.js";
import { type Fault, nothingToUndo, type Strike } from "./fault.js";

const WAITS_MS = 1_500;

/**
 * A follower's disk takes its time, and its leader has told it that a block is committed which is on its way there. The
 * leader, in a term that it claims, sends another one in its place: what was called committed stays, stored or not.
 */
export const toldReplaced: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  const follower = random.pick(world.nodes.filter((node) => node !== leader));
  if (leader === undefined || follower === undefined || world.nodes.length < 3) return null;
  const { behaviour } = follower.store;
  if (!follower.isUp || follower.isPaused || behaviour.isStalled || behaviour.isDown) return null;
  behaviour.isStalled = true;
  const lie = (message: PeerMessage): boolean => {
    if (message.from !== leader.id || message.to !== follower.id || message.body.kind !== "append") return true;
    world.network.send(message.from, message.to, () => {
      world.deliver(message);
      replace(strike, { leader, follower, message });
    });
    return false;
  };
  world.interceptors.add(lie);
  strike.lastsFor(() => {
    world.interceptors.delete(lie);
    behaviour.isStalled = false;
    follower.store.next();
  }, WAITS_MS);
  world.afterElection(leader);
  return nothingToUndo;
};

/** Right after the message that told it so, where it surely was heard. */
function replace(
  { world, random, arises }: Strike,
  { leader, follower, message }: { leader: SimNode; follower: SimNode; message: PeerMessage },
): void {
  const { body } = message;
  const footing = follower.process?.driver.footing() ?? null;
  if (body.kind !== "append" || footing === null || follower.isPaused || follower.view.isLearner) return;
  const { hardState, tail, durableHeight, commitHeight } = footing;
  const told = Math.min(body.commitHeight, body.previousHeight + message.blocks.length);
  const isHeard = message.term === hardState.term && follower.standing.leaderId === leader.id;
  // Its tail is the very one of the leader and no shorter than the message, so it compared that and found nothing wrong.
  const last = body.previousHeight + message.blocks.length;
  const isLevel = leader.disk.at(tail.height)?.block.blockHash === tail.blockHash && tail.height >= last;
  const at = durableHeight + 1;
  if (!isHeard || !isLevel || told < at || commitHeight > durableHeight || at === 1) return;
  const [block] = [leader.disk.at(random.between(at, told))?.block];
  if (block === undefined || world.checkers.history.committed[block.header.height - 1]?.hash !== block.blockHash)
    return;
  const claimed = term(hardState.term + 1);
  const signer = fakeSigner(leader.disk.identity.keys.block);
  const anew = sealedAnew([block], { leaderId: leader.id, term: claimed, signer });
  const { height: lowest, previousBlockHash } = block.header;
  const lied = {
    ...message,
    term: claimed,
    body: { ...body, previousHeight: height(lowest - 1), previousHash: previousBlockHash },
    blocks: anew,
  };
  arises("told-replaced");
  world.checkers.alerts.liars.add(leader.id);
  world.checkers.forgeries.addMessage(lied, `another block ${lowest} than it was told is committed`);
  if (world.trace.isOn)
    world.trace.add(`${leader.id} replaces block ${lowest}, which ${follower.id} has not stored yet`);
  world.deliver(lied);
}
