import type { NodeId } from "../shared/ids.js";
import type { Core } from "./core.js";
import type { Progress } from "./leader-state.js";

/** How many of `memberCount` members are a majority. */
export const majority = (memberCount: number): number => Math.floor(memberCount / 2) + 1;

/** The highest height that a majority of `memberCount` members has reached; members not listed count as 0. */
export function majorityHeight(heights: readonly number[], memberCount: number): number {
  const sorted = [...heights].sort((a, b) => b - a);
  return sorted[majority(memberCount) - 1] ?? 0;
}

/**
 * Whether a follower's word counts: it is a voter in its own eyes, which says that the record of its admission is
 * committed, and by the join admitted last in this log. A new leader may not know yet that the record is committed,
 * and could never commit anything if it waited to know: as with votes, the log's tail names the joins.
 */
export const counts = (core: Core, id: NodeId, peer: Progress): boolean =>
  peer.isVoter && core.membersAt(core.log.tail.members).get(id)?.joinNonce === peer.joinNonce;

export function countedPeers(core: Core): [NodeId, Progress][] {
  return [...(core.leader?.progress ?? [])].filter(([id, peer]) => counts(core, id, peer));
}

/** Those of them that have answered of late. */
export const heardPeers = (core: Core, withinMs: number): [NodeId, Progress][] =>
  countedPeers(core).filter(([, peer]) => core.now - peer.lastContact <= withinMs);
