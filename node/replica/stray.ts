import { height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { type BlockVerifier, type ChainState, EMPTY_CHAIN } from "../../shared/log/chain.js";
import type { Membership } from "../../shared/log/control.js";

/** No log has this size. */
const NOWHERE = { size: -1, hashes: [] };

/** The log below the place, and members in force in it, now or before: whoever sealed the block may have lost its keys since. */
interface Before extends ChainState {
  readonly memberships: ReadonlySet<Membership>;
}

/**
 * Whether a stored block is a member's, sealed for another history than this one: what an insert leaves that arrives
 * after its tail was replaced. One that was altered, or made up, is not.
 */
export function isStray(verifyBlock: BlockVerifier, { memberships, ...before }: Before, block: Block): boolean {
  const { header } = block;
  const isBesideOther = header.height === before.height + 1;
  const isLinked = isBesideOther && header.previousBlockHash === before.blockHash;
  // What its history calls committed is in this one too, or it is this one that was altered.
  const isBelow = header.commitHeight <= before.height - (isBesideOther ? 1 : 0);
  return !isLinked && isBelow && isMembers(verifyBlock, memberships, block);
}

/** Whether one of these members has sealed a block, wherever that belongs. */
export function isMembers(verifyBlock: BlockVerifier, memberships: Iterable<Membership>, block: Block): boolean {
  const { header } = block;
  if (header.control?.kind === "genesis" || header.commitHeight >= header.height) return false;
  // All of its header is checked as where it would stand, its signature last; what comes after that fails here by its size.
  const place: ChainState = {
    ...EMPTY_CHAIN,
    // Whichever cluster it names, also that of a genesis that was replaced.
    clusterId: header.clusterId,
    height: height(header.height - 1),
    blockHash: header.previousBlockHash,
    term: header.term,
    range: NOWHERE,
  };
  return [...memberships].some((members) => {
    const verdict = verifyBlock({ ...place, members }, block);
    return !verdict.ok && verdict.fault === "bad_link";
  });
}
