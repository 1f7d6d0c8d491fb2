import { height } from "../../../shared/ids.js";
import type { Block } from "../../../shared/log/block.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { fakeSigner } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import type { World } from "../world.js";
import { forgedBlock, sealedAnew } from "./alter.js";
import { type Fault, nothingToUndo, type Strike } from "./fault.js";

/**
 * Whoever leads while it lasts sends other blocks than it stored, many in a message or one alone: each must be refused
 * with an alert that names it.
 */
const forgingLeader: Fault = (strike) => {
  const { world, random } = strike;
  if (forging.has(world)) return null;
  forging.add(world);
  const forge = (message: PeerMessage): boolean => {
    if (message.blocks.length === 0) return true;
    const { leader } = world;
    const receiver = world.node(message.to);
    if (message.from !== leader?.id || !isAwake(receiver) || random.chance(0.5)) return true;
    const blocks = message.blocks.slice(0, random.chance(0.3) ? 1 : message.blocks.length);
    const at = random.between(0, blocks.length - 1);
    const original = blocks[at];
    if (original === undefined) return true;
    const signer = fakeSigner(leader.disk.identity.keys.block);
    const forged = forgedBlock(random, { block: original, term: message.term, signer });
    blocks[at] = forged.block;
    world.checkers.alerts.liars.add(leader.id);
    world.checkers.forgeries.add(forged);
    if (world.trace.isOn) world.trace.add(`${leader.id} forges the ${forged.what} of block ${original.header.height}`);
    world.network.send(message.from, message.to, () => {
      if (isAwake(receiver)) strike.arises("forging-leader");
      world.deliver({ ...message, blocks });
    });
    return false;
  };
  world.interceptors.add(forge);
  const end = (): void => {
    world.interceptors.delete(forge);
    forging.delete(world);
  };
  strike.lastsFor(end, random.between(FORGES_MS_MIN, FORGES_MS_MIN + strike.durationMaxMs));
  return nothingToUndo;
};
/** Where somebody forges already: two at once would leave next to nothing of what is sent. */
const forging = new WeakSet<World>();
/** A leader with little to do seals something in this time. */
const FORGES_MS_MIN = 500;

/**
 * Whoever leads while it lasts sends, in the place of a heartbeat, the end of what its follower calls committed once more,
 * as blocks of its own term. They are sound, and only that they are committed stands against them.
 */
const replacingLeader: Fault = (strike) => {
  const { world, random } = strike;
  const replace = (message: PeerMessage): boolean => {
    if (message.body.kind !== "append" || message.blocks.length > 0 || random.chance(0.5)) return true;
    world.network.send(message.from, message.to, () => world.deliver(withCommitted(strike, message)));
    return false;
  };
  world.interceptors.add(replace);
  return () => {
    world.interceptors.delete(replace);
  };
};

/**
 * Made as it arrives: a follower that does not call the blocks committed may be told others, and against a leader that
 * lies there nothing is promised. The message itself where there is nothing to replace.
 */
function withCommitted({ world, random, arises }: Strike, message: PeerMessage): PeerMessage {
  const { body, term, from: leaderId } = message;
  const liar = world.node(leaderId);
  const follower = world.node(message.to);
  if (body.kind !== "append" || !isAwake(follower)) return message;
  const { commitHeight } = follower.view;
  const blocks: Block[] = [];
  // Another genesis would be another cluster's.
  for (let at = Math.max(2, commitHeight + 1 - random.between(1, REPLACED_BLOCKS_MAX)); at <= commitHeight; at++) {
    const block = liar.disk.at(at)?.block;
    if (block !== undefined) blocks.push(block);
  }
  const [first] = blocks;
  // Of its own term it could only send two blocks for one height, which is a fork and found as one.
  if (first === undefined || first.header.term >= term) return message;
  arises("replacing-leader");
  world.checkers.alerts.liars.add(leaderId);
  if (world.trace.isOn) world.trace.add(`${leaderId} replaces blocks ${first.header.height} to ${commitHeight}`);
  const signer = fakeSigner(liar.disk.identity.keys.block);
  const { height: lowest, previousBlockHash } = first.header;
  const anew = sealedAnew(blocks, { leaderId, term, signer });
  const last = anew.at(-1);
  if (last !== undefined) world.checkers.forgeries.add({ block: last, what: "replacement" });
  return {
    ...message,
    body: { ...body, previousHeight: height(lowest - 1), previousHash: previousBlockHash },
    blocks: anew,
  };
}
const REPLACED_BLOCKS_MAX = 8;

const isAwake = (node: SimNode): boolean => node.isUp && !node.isPaused;

export const lies = {
  "forging-leader": forgingLeader,
  "replacing-leader": replacingLeader,
} satisfies Record<string, Fault>;
