import { type Height, height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { Membership } from "../../shared/log/control.js";
import { NEWEST_HEIGHTS, type OpenedStore } from "../storage/port.js";
import { hasHash } from "./anchors.js";
import type { RecoveryOptions } from "./recovery.js";
import { isMembers } from "./stray.js";
import { knownMembers, membersFounding, readOne, type Strays } from "./verified-tail.js";

/**
 * An insert that was given up can arrive after its log was cleared, to be copied anew: its block stands above a hole then, and
 * belongs to the same history. Null where nothing does, or where it may be what this node has acknowledged, whose log somebody
 * took blocks out of.
 */
export async function lateInserts(options: RecoveryOptions, opened: OpenedStore): Promise<Strays | null> {
  const hole = lowestHole(opened.newest);
  if (hole === null || options.memberCount === 1 || !(await isAsHeld(options, hole))) return null;
  const members = await membersBelow(options, opened, hole);
  // Its log ends before the block that admits it: what was acknowledged before it joined anew counts for nothing any more.
  const admitted = members.get(options.identity.identity.nodeId)?.joinNonce;
  let isJoining = opened.hardState === null || opened.hardState.joinNonce !== admitted;
  let areLate = true;
  for (const at of opened.newest.filter((one) => one > hole)) {
    const { block } = await readOne(options.log, at);
    if (!hasHash(block.header, block.blockHash)) return null;
    areLate &&= isMembers(options.verifyBlock, [members], block) && !isVouchedFor(options, block);
    // A nonce is taken before a log is cleared: no late insert admits this one.
    const { control } = block.header;
    if (control?.kind === "node_admitted" && control.joinNonce === opened.hardState?.joinNonce) isJoining = false;
  }
  if (!isJoining && !areLate) return null;
  return { strayFrom: hole, detail: `nothing stands at block ${hole}, and something above it` };
}

/** The lowest height, near the end, at which nothing stands. */
function lowestHole(newest: readonly Height[]): Height | null {
  const all = newest.length < NEWEST_HEIGHTS ? [...newest, 0] : newest;
  const below = all.findLast((at, i) => i > 0 && all[i - 1] !== at + 1);
  return below === undefined ? null : height(below + 1);
}

const pointsOf = ({ identity, remembered }: RecoveryOptions) => [
  ...(identity.identity.mark === null ? [] : [identity.identity.mark]),
  ...[remembered?.committed, remembered?.durable].flatMap((known) =>
    known === undefined ? [] : [{ height: known.height, hash: known.blockHash }],
  ),
];

/** What it remembers of the log below stands there. */
async function isAsHeld(options: RecoveryOptions, hole: Height): Promise<boolean> {
  for (const { height: at, hash } of pointsOf(options)) {
    if (at === 0 || at >= hole) continue;
    if ((await readOne(options.log, height(at))).block.blockHash !== hash) return false;
  }
  return true;
}

async function membersBelow(options: RecoveryOptions, opened: OpenedStore, hole: Height): Promise<Membership> {
  if (hole === 1) return membersFounding(opened);
  return (await knownMembers(options, (await readOne(options.log, height(hole - 1))).block)).members;
}

/** The mark, or this process, says of this very block that it is committed, or was durable here. */
const isVouchedFor = (options: RecoveryOptions, { header, blockHash }: Block): boolean =>
  header.height <= (options.publishedHeight ?? 0) ||
  pointsOf(options).some((point) => point.height === header.height && point.hash === blockHash);
