import { height, type NodeId } from "../../../shared/ids.js";
import { type ChainState, sealBlock } from "../../../shared/log/chain.js";
import { fakeSigner } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import { type Fault, mayLoseDisk, nothingToUndo, type Strike } from "./fault.js";

const LATE_MS_MAX = 300;
const LASTS_MS_MAX = 20_000;

/**
 * An insert that was given up arrives after a truncation of the tail that it belongs to has ended: its block stands above
 * a hole then, or on another history, until it is met.
 */
export const lateInsert: Fault = (strike) => {
  const { world, random } = strike;
  for (const node of world.nodes)
    node.disk.onTruncated = (before, sealedBy) => {
      const { database } = node.disk;
      const { serverRun } = database;
      world.scheduler.after(random.between(1, LATE_MS_MAX), () => {
        const isSame = node.disk.database === database && database.serverRun === serverRun;
        if (isSame && strike.isOpen() && mayLoseDisk(world, node)) arrive(strike, node, { before, sealedBy });
      });
    };
  strike.lasts(() => {
    for (const node of world.nodes) node.disk.onTruncated = null;
  }, LASTS_MS_MAX);
  return nothingToUndo;
};

/** The block that whoever led there might have sealed next. */
function arrive({ world, arises }: Strike, node: SimNode, of: { before: ChainState; sealedBy: NodeId }): void {
  const { disk } = node;
  const { before, sealedBy: leaderId } = of;
  const keys = before.members.get(leaderId)?.keys;
  const at = height(before.height + 1);
  const continues = disk.at(before.height)?.block.blockHash === before.blockHash;
  if (keys === undefined || disk.database.blocks.has(at) || continues) return;
  const { term, sealedAt: now, commitHeight } = before;
  const sealed = sealBlock(before, { term, leaderId, events: [], now, commitHeight }, fakeSigner(keys.block));
  arises("late-insert");
  world.trace.add(`${node.id} an insert of block ${at} arrives late`);
  disk.database.blocks.set(at, { stored: { block: sealed.block, frontier: sealed.next.range.hashes }, writeId: -1 });
  disk.noteStranded([at]);
}
