import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import { allLinks, cut, type Fault, mayLoseDisk, nothingToUndo, type Strike } from "./fault.js";

const ARRIVES_MS = 60;
/** A mark is written within a second of a commit. */
const MARKED_MS = 1_400;
const ELECTED_MS_MAX = 2_500;
/** The deposed leader gives up an election timeout after it has heard a majority, by its own clock. */
const FED_MS = 800;

/**
 * Five nodes. A machine is suspended when it leads and has sealed a block that nobody knows of; the others elect another
 * leader, and one of them, which voted for nobody, notes the first block of that one as committed. Then it loses its disk,
 * and is fed by the deposed leader, whose clock has stood still: at the noted height stands another block now, which is
 * not committed, when the node is started once more.
 */
export const fedByDeposed: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  const [fed, ...others] = random.shuffled(world.nodes.filter((node) => node !== leader));
  const areUp = world.nodes.every((node) => node.isUp && !node.isPaused);
  if (leader === undefined || fed === undefined || world.nodes.length < 5 || !areUp) return null;
  if (feeding.has(world) || !mayLoseDisk(world, fed) || leader.tailHeight !== leader.commitHeight) return null;
  feeding.add(world);
  const { term } = leader.standing;
  const at = leader.tailHeight + 1;
  const apart = cut(world, linksOf(strike, [leader], [fed, ...others]));
  const passes = ({ from, to, body, blocks }: PeerMessage): boolean => {
    if (to !== fed.id || from === leader.id) return true;
    // It votes for nobody, and gets one block of the new leader's.
    return body.kind !== "vote" && blocks.every(({ header }) => header.height <= at);
  };
  world.interceptors.add(passes);
  strike.lastsFor(
    () => {
      world.interceptors.delete(passes);
      feeding.delete(world);
    },
    ARRIVES_MS + ELECTED_MS_MAX + MARKED_MS + 2 * FED_MS,
  );
  // Something that nobody else gets to know.
  world.afterElection(leader);
  const { process } = leader;
  world.scheduler.after(ARRIVES_MS, () => {
    if (leader.process !== process || !strike.isOpen()) return;
    leader.suspend();
    for (const node of others) node.input({ kind: "gone", peer: leader.id });
  });
  world.scheduler.after(ARRIVES_MS + ELECTED_MS_MAX + MARKED_MS, () => {
    apart?.();
    // Whoever is stopped once all faults have ended is so for another reason.
    if (!strike.isOpen()) return;
    const isSuspended = leader.process === process && leader.isPaused;
    const mark = fed.disk.identity.file?.mark;
    const isNoted = mark?.height === at && mark.term > term && leader.disk.tailHeight >= at;
    if (isSuspended && isNoted && mayLoseDisk(world, fed)) feed(strike, { leader, fed, others });
    else if (isSuspended) leader.resume();
  });
  return nothingToUndo;
};

function feed(strike: Strike, { leader, fed, others }: { leader: SimNode; fed: SimNode; others: SimNode[] }): void {
  const { world, random } = strike;
  strike.lastsFor(cut(world, linksOf(strike, [leader, fed], others)), 2 * FED_MS);
  fed.crash();
  world.checkers.commits.onDiskLoss(fed);
  fed.disk.wipe(random.hex(16), null);
  fed.start();
  leader.resume();
  world.scheduler.after(FED_MS, () => {
    if (!strike.isOpen()) return;
    const { file } = fed.disk.identity;
    const there = fed.disk.at(file?.mark?.height ?? 0)?.block.blockHash;
    if (there !== undefined && there !== file?.mark?.hash) strike.arises("fed-by-deposed");
    fed.crash();
    fed.start();
  });
}

function linksOf({ world }: Strike, left: readonly SimNode[], right: readonly SimNode[]) {
  const isIn = (nodes: readonly SimNode[], id: string): boolean => nodes.some((node) => node.id === id);
  return allLinks(world).filter(
    ([from, to]) => (isIn(left, from) && isIn(right, to)) || (isIn(right, from) && isIn(left, to)),
  );
}

const feeding = new WeakSet<object>();
