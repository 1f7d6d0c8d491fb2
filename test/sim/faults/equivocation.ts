import type { Height } from "../../../shared/ids.js";
import { type Block, hashHeader } from "../../../shared/log/block.js";
import { sealBlock } from "../../../shared/log/chain.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { fakeKeys, fakeSigner } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import { allLinks, cut, type Fault, isDurableVoter, mayLoseDisk, nothingToUndo, type Strike } from "./fault.js";

const LASTS_MS = 1_500;

/**
 * A leader seals two blocks for one height of its term, and gives one follower the other one. Against such a leader nothing
 * is promised but that it is found: when the follower gets the block that the others have, it must say so. What it says
 * counts for nobody meanwhile, and in the end a person moves its data away.
 */
export const equivocating: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  const deceived = random.pick(world.nodes.filter((node) => node !== leader));
  if (leader === undefined || deceived === undefined || world.nodes.length < 3) return null;
  if (!deceived.isUp || !isDurableVoter(deceived) || !mayLoseDisk(world, deceived) || deceiving.has(world)) return null;
  deceiving.add(world);
  // No other disk may be lost from now on.
  deceived.disk.isDeceived = true;
  const apart = allLinks(world).filter((link) => link.includes(deceived.id) && !link.includes(leader.id));
  const mend = cut(world, apart);
  let lie: Block | null = null;
  // Not to be sent later either, by a fault that keeps what it says.
  const says = ({ from, body }: PeerMessage): boolean =>
    from !== deceived.id || lie === null || (body.kind === "append_answer" && body.result === "mismatch");
  const passes = (message: PeerMessage): boolean => {
    if (message.from !== leader.id || message.to !== deceived.id || message.body.kind !== "append") return true;
    if (lie === null) {
      lie = secondBlock(world.checkers.history.committed.length, leader, message);
      if (lie === null) return true;
      world.checkers.history.excuse(lie);
      world.checkers.alerts.liars.add(leader.id);
      const blocks = [...message.blocks.slice(0, -1), lie];
      if (world.trace.isOn) world.trace.add(`${leader.id} equivocates at ${lie.header.height}`);
      world.network.send(message.from, message.to, () => world.deliver({ ...message, blocks }));
      return false;
    }
    const { blockHash, header } = lie;
    if (message.blocks.length === 0) return true;
    world.network.send(message.from, message.to, () => {
      const isSecond = message.blocks.some((block) => block.header.height === header.height);
      const hasFirst = deceived.disk.at(header.height)?.block.blockHash === blockHash;
      // Each that arrives is another one: what is certain now need not be so when it comes once more.
      const told = { ...message };
      if (isSecond && hasFirst) mustSaySo(strike, deceived, told, header.height);
      world.deliver(told);
    });
    return false;
  };
  world.muzzles.add(says);
  world.interceptors.add(passes);
  strike.lastsFor(() => {
    world.muzzles.delete(says);
    world.interceptors.delete(passes);
    mend?.();
    deceiving.delete(world);
    deceived.disk.isDeceived = false;
    if (lie === null) return;
    deceived.crash();
    world.checkers.commits.onDiskLoss(deceived);
    deceived.disk.wipe(random.hex(16), fakeKeys(random));
    deceived.start();
  }, LASTS_MS);
  // Something to seal.
  world.afterElection(leader);
  return nothingToUndo;
};

/** An empty one of the same term in the place of the last block of a message, if nobody calls that committed; null otherwise. */
export function secondBlock(committed: number, leader: SimNode, { blocks, term }: PeerMessage): Block | null {
  const header = blocks.at(-1)?.header;
  const isNew = header !== undefined && header.height > committed && header.term === term && header.eventCount > 0;
  if (!isNew || header.leaderId !== leader.id) return null;
  const before = leader.disk.chainAt(header.height - 1);
  if (before.height !== header.height - 1 || before.blockHash !== header.previousBlockHash) return null;
  const request = { term, leaderId: leader.id, events: [], now: header.sealedAt, commitHeight: header.commitHeight };
  return sealBlock(before, request, fakeSigner(leader.disk.identity.keys.block)).block;
}

/** It has one block, and now gets another one of the same term and height. */
function mustSaySo({ world, arises }: Strike, { process, disk }: SimNode, message: PeerMessage, second: Height): void {
  const footing = process?.driver.footing() ?? null;
  const { body, blocks } = message;
  if (process === null || footing === null || body.kind !== "append" || process.isPaused) return;
  if (process.driver.view()?.isLearner !== false) return;
  const before = disk.at(body.previousHeight)?.block.blockHash;
  const isLinked = body.previousHeight === 0 || before === body.previousHash;
  const areWhole = blocks.every((block) => hashHeader(block.header) === block.blockHash);
  // What arrived late, after a recovery had read where its log ends, is none of its log.
  if (
    footing.tail.height < second ||
    message.term !== footing.hardState.term ||
    footing.durableHeight !== footing.tail.height ||
    !isLinked ||
    !areWhole
  )
    return;
  arises("equivocating-leader");
  world.checkers.forgeries.addMessage(message, "a second block of one term and height");
}

const deceiving = new WeakSet<object>();
