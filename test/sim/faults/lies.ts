import type { PeerMessage } from "../../../shared/protocol/peer.js";
import { fakeSigner } from "../fake-crypto.js";
import { forgedBlock } from "./alter.js";
import type { Fault } from "./fault.js";

/** A node that leads sends other blocks than it stored: each must be refused with an alert that names it. */
const forgingLeader: Fault = (strike) => {
  const { world, random } = strike;
  const liar = strike.victim();
  const signer = fakeSigner(liar.disk.identity.keys.block);
  const forge = (message: PeerMessage): boolean => {
    if (message.from !== liar.id || message.blocks.length === 0 || random.chance(0.5)) return true;
    const blocks = [...message.blocks];
    const at = random.between(0, blocks.length - 1);
    const original = blocks[at];
    if (original === undefined) return true;
    const forged = forgedBlock(random, { block: original, term: message.term, signer });
    blocks[at] = forged.block;
    world.checkers.alerts.liars.add(liar.id);
    world.checkers.forgeries.add(forged);
    if (world.trace.isOn) world.trace.add(`${liar.id} forges the ${forged.what} of block ${original.header.height}`);
    world.network.send(message.from, message.to, () => world.deliver({ ...message, blocks }));
    return false;
  };
  world.interceptors.add(forge);
  return () => {
    world.interceptors.delete(forge);
  };
};

export const lies = { "forging-leader": forgingLeader } satisfies Record<string, Fault>;
