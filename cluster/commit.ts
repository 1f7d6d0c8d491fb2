import { type Height, height, type NodeId } from "../shared/ids.js";
import { isAdmitted, onAdmitted } from "./admission.js";
import type { Core } from "./core.js";
import { gather } from "./gathering.js";
import type { LeaderState } from "./leader-state.js";
import { countedPeers, majorityHeight } from "./quorum.js";
import { trySeal } from "./sealing.js";

/**
 * A leader commits the highest height that a majority of the members has durable, its own store among them, if that block
 * is of its own term (Raft section 5.4.2); older ones commit with it.
 */
export function maybeCommit(core: Core): void {
  const { leader, log } = core;
  if (leader === null || !isConfirmed(core, leader)) return;
  const through = durableOnMajority(core);
  if (through > log.commitHeight && log.at(through)?.term === core.term) commit(core, leader, through);
}

function durableOnMajority(core: Core): Height {
  const { durableHeight } = core.log;
  const heights = [durableHeight, ...countedPeers(core).map(([, peer]) => peer.match)];
  return height(Math.min(majorityHeight(heights, core.members.size), durableHeight));
}

function commit(core: Core, leader: LeaderState, through: Height): void {
  const others = countedPeers(core).filter(([, peer]) => peer.match >= through);
  advanceCommit(core, through, [core.selfId, ...others.map(([id]) => id)].sort());
  core.following.toldCommitHeight = core.log.commitHeight;
  leader.committedAt = core.now;
  gather(core, leader);
  trySeal(core);
}

/** It was paused: another leader may have been elected meanwhile. Nothing is acknowledged before a majority answers. */
export function onLeaderPaused(core: Core, leader: LeaderState): void {
  leader.mustConfirm = core.quorum > 1;
  for (const peer of leader.progress.values()) peer.confirmRound = peer.round + 1;
}

function isConfirmed(core: Core, leader: LeaderState): boolean {
  if (!leader.mustConfirm) return true;
  const confirmed = countedPeers(core).filter(([, peer]) => peer.answeredRound >= peer.confirmRound).length + 1;
  leader.mustConfirm = confirmed < core.quorum;
  return !leader.mustConfirm;
}

/** On any node: commits what is known to be committed and durable here. `acknowledgedBy` is known on the leader only. */
export function advanceCommit(core: Core, known: Height, acknowledgedBy: readonly NodeId[] = []): void {
  const { log } = core;
  const through = height(Math.min(known, log.durableHeight));
  if (through <= log.commitHeight) return;
  const wasAdmitted = isAdmitted(core);
  const blocks = log.commit(through);
  core.duplicates.forget(through);
  core.effects.push({ kind: "committed", height: through, blocks, acknowledgedBy });
  const genesis = blocks[0]?.block.header.control;
  // A node that joined later keeps the founding list too: it is how nodes of one cluster know each other early on.
  if (genesis?.kind === "genesis" && core.hard.forming === null) core.saveState({ forming: genesis.members });
  if (!wasAdmitted && isAdmitted(core)) onAdmitted(core);
}
