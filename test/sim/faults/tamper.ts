import { height } from "../../../shared/ids.js";
import type { SimNode } from "../node.js";
import type { Random } from "../random.js";
import { alteredBlock } from "./alter.js";
import { type Fault, mayLoseDisk, nothingToUndo, type Strike } from "./fault.js";

/** Somebody edits a committed block, or deletes one. */
function tamperWithBlock({ world, random }: Strike, node: SimNode): string | null {
  const { disk } = node;
  const at = height(random.between(1, disk.knownCommitHeight));
  const stored = disk.at(at);
  if (stored === undefined || disk.altered.has(at)) return null;
  // Where the newest block is missing the log ends below it, which the next start finds. Without a block of members a start
  // takes keys for valid that are not: it ends, and names another block.
  const isOfMembers = ["genesis", "node_admitted"].includes(stored.block.header.control?.kind ?? "");
  if (at < disk.knownCommitHeight && !isOfMembers && random.chance(0.3)) {
    world.checkers.commits.onDiskLoss(node);
    disk.remove(at);
    return `deletes block ${at}`;
  }
  const { stored: other, what } = alteredBlock(random, stored);
  disk.alter(at, () => other);
  return `edits the ${what} of block ${at}`;
}

/** Somebody deletes an entry, or changes it so that it says something else. */
function tamperWithEntry(node: SimNode, random: Random): string | null {
  const { disk } = node;
  const { entries } = disk.database;
  const at = height(random.between(1, disk.knownCommitHeight));
  const found = entries.get(at);
  if (found === undefined || !disk.isIndexWhole || disk.touched.has(at)) return null;
  disk.touch(at);
  if (random.chance(0.4)) {
    entries.delete(at);
    return `deletes entry ${at}`;
  }
  entries.set(at, { ...found, stored: { ...found.stored, count: found.stored.count + 1 } });
  return `changes entry ${at}`;
}

const tamper = (strike: Strike, node: SimNode): boolean => {
  const { world, random } = strike;
  if (node.disk.knownCommitHeight < 2 || !mayLoseDisk(world, node)) return false;
  const what = random.chance(0.6) ? tamperWithBlock(strike, node) : tamperWithEntry(node, random);
  if (what !== null) world.trace.add(`${node.id} somebody ${what}`);
  return what !== null;
};

/** Under a node that runs. */
const tamperedAlive: Fault = (strike) => {
  const node = strike.victim();
  if (!node.isUp || !tamper(strike, node)) return null;
  strike.arises("tampered-alive");
  return nothingToUndo;
};

/** While its node is down, which knows where its watch stopped; or has lost that, so that all of its log has to be looked at. */
const tamperedDown: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  node.crash();
  if (node.isUp) return null;
  const isLost = random.chance(0.4);
  if (isLost) node.disk.places = null;
  if (isLost && node.disk.knownCommitHeight > 0) strike.arises("place-lost");
  if (tamper(strike, node)) strike.arises("tampered-down");
  world.scheduler.after(random.between(10, strike.durationMaxMs), () => node.start());
  return nothingToUndo;
};

export const tamperFaults = {
  "tampered-alive": tamperedAlive,
  "tampered-down": tamperedDown,
} satisfies Record<string, Fault>;
