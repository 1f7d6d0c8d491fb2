import type { PeerMessage } from "../../../shared/protocol/peer.js";
import { fakeSigner } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import type { World } from "../world.js";
import { forgedBlock } from "./alter.js";
import { type Fault, nothingToUndo } from "./fault.js";

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

const isAwake = (node: SimNode): boolean => node.isUp && !node.isPaused;

export const lies = { "forging-leader": forgingLeader } satisfies Record<string, Fault>;
