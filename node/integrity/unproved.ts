import { type HashHex, type Height, height } from "../../shared/ids.js";
import { type ChainState, rangeMatches } from "../../shared/log/chain.js";
import { applyControl } from "../../shared/log/control.js";
import { hasHash } from "../replica/anchors.js";
import { stateAfter } from "../replica/verified-tail.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import type { IncidentFinding } from "./incident-record.js";
import { isWhole } from "./inspector.js";
import { ownDifference } from "./own-difference.js";

/** The hash of a block that is missing, or not what it was: no next one can be told by its link to it. */
const UNKNOWN = "";

export const pastUnknown = (before: ChainState, at: number): ChainState => ({
  ...before,
  height: height(at),
  blockHash: UNKNOWN,
});

/** It has this hash, and its document has the hashes that a restart begins with. */
export const isCommitted = ({ block, frontier }: FoundBlock, blockHash: HashHex): boolean =>
  block.blockHash === blockHash && rangeMatches({ size: block.header.treeSize, hashes: frontier }, block.header);

/** As a block says itself. */
const isHeaderSound = (found: FoundBlock): boolean =>
  hasHash(found.block.header, found.block.blockHash) && isCommitted(found, found.block.blockHash);
const isSound = (found: FoundBlock): boolean => isHeaderSound(found) && isWhole(found, found.block.blockHash);

/** It agrees with itself, and follows the one before it where that is known. */
export const isConsistent = (found: FoundBlock, before: ChainState): boolean =>
  isSound(found) && (before.blockHash === UNKNOWN || before.blockHash === found.block.header.previousBlockHash);

/** The state after a block that nothing proves: by its own hash, and with the members that it names itself. */
export function stateBySelf(before: ChainState, found: FoundBlock): ChainState {
  if (!isHeaderSound(found)) return pastUnknown(before, found.at);
  const { header, blockHash } = found.block;
  return stateAfter(found, applyControl(before.members, header.control), header.clusterId || blockHash);
}

/**
 * What is certain of a block that nothing proves: that its own hashes disagree, or that it does not link to the one below.
 * Whose signature is due is said by other blocks, which may be altered or missing: of a signature nothing is told. Nor is it
 * of the block that is in the way, which is told of already.
 */
export function unprovedFindings(
  at: Height,
  read: readonly FoundBlock[],
  { before, altered }: { readonly before: ChainState; readonly altered: number },
): IncidentFinding[] {
  const [below, found] = [at - 1, at].map((one) => read.find((block) => block.at === one));
  if (found === undefined || at === altered) return [];
  const { block } = found;
  const why = `which block was committed there cannot be proved, as block ${altered} is altered`;
  const isLinkKnown = below !== undefined && isHeaderSound(below) && isHeaderSound(found);
  const isLinked = isLinkKnown && block.header.previousBlockHash === below.block.blockHash;
  const findings: IncidentFinding[] = [];
  if (!isSound(found)) {
    const { kind, differences } = ownDifference(found, {
      ...{ blockHash: block.blockHash, previousHash: before.headHash },
      previousBlockHash: below !== undefined && isHeaderSound(below) ? below.block.blockHash : undefined,
    });
    const detail = `the hashes of block ${at} are not those of what stands there; ${why}`;
    findings.push({ kind, foundBy: "scrub", heights: [at, at], differences: isLinked ? differences : [], detail });
  }
  // Where the one below is known to be altered, this one need not be.
  const isBelowAltered = before.blockHash === UNKNOWN || at - 1 === altered;
  if (isLinkKnown && !isLinked && !isBelowAltered) {
    const detail = `block ${at} does not follow block ${at - 1}: one of them was exchanged; ${why}`;
    findings.push({ kind: "hash_rewritten", foundBy: "scrub", heights: [at - 1, at], differences: [], detail });
  }
  return findings;
}
