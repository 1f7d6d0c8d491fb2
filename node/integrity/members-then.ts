import { type Height, height, type NodeId } from "../../shared/ids.js";
import { type Block, headerBytes } from "../../shared/log/block.js";
import { type ChainState, rangeMatches } from "../../shared/log/chain.js";
import type { Member } from "../../shared/log/control.js";
import { AlteredBlock } from "../replica/anchors.js";
import { type MembersFound, membersAt, stateAfter } from "../replica/verified-tail.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import { headerHash } from "./difference.js";
import type { IntegrityParts } from "./parts.js";

type Parts = Pick<IntegrityParts, "nodeId" | "storage" | "driver" | "verifier">;

/** The members up to a height, by blocks that are what was committed; null where one of them is not. */
async function provedMembers({ storage, driver }: Parts, through: Height): Promise<MembersFound | null> {
  try {
    return await membersAt(storage.log, through, (at) => driver.log.committedHash(at));
  } catch (error) {
    if (error instanceof AlteredBlock) return null;
    throw error;
  }
}

/** Header and frontier as they were committed, and members by blocks that are what was committed. */
export async function stateAt({ at, block, frontier, ...found }: FoundBlock, parts: Parts): Promise<ChainState | null> {
  const { header } = block;
  try {
    const { blockHash } = await parts.driver.log.committedAt(height(at));
    if (headerHash({ at, block, frontier, ...found }) !== blockHash || block.blockHash !== blockHash) return null;
  } catch (error) {
    if (error instanceof AlteredBlock) return null;
    throw error;
  }
  if (!rangeMatches({ size: header.treeSize, hashes: frontier }, header)) return null;
  const known = await provedMembers(parts, height(at));
  return known && stateAfter({ block, frontier }, known.members, known.clusterId);
}

/**
 * Since which block this node counts with the store that it has now; null: it does not count yet. Its earlier alerts are
 * about blocks of a store that it lost.
 */
export async function storeSince(parts: Parts): Promise<number | null> {
  const { nodeId, driver } = parts;
  if (driver.view()?.isLearner !== false) return null;
  return (await provedMembers(parts, driver.heldThrough))?.storeSince.get(nodeId) ?? 0;
}

/** By a key that is in force; null while nobody is known to count. Of what follows from the header, nothing is checked. */
export function isSealedNow(block: Block, parts: Parts): boolean | null {
  const members = parts.driver.view()?.members ?? [];
  return members.length === 0 ? null : isSealedBy(block, members, parts);
}

/**
 * By a key that is in force; or by one of that time, as blocks say which are what was committed. Null: not by one in force, and
 * which others there were cannot be said.
 */
export async function sealOf(block: Block, parts: Parts): Promise<boolean | null> {
  const { height: at } = block.header;
  if (isSealedNow(block, parts) === true) return true;
  const known = await provedMembers(parts, at);
  return known && isSealedBy(block, [...known.members.values()], parts);
}

function isSealedBy({ header, signature }: Block, members: readonly Member[], { verifier }: Parts): boolean {
  const key = members.find(({ id }) => id === (header.leaderId as NodeId))?.keys.block;
  return key !== undefined && verifier.verify(key, headerBytes(header), signature);
}
