import { height, type NodeId } from "../shared/ids.js";
import type { Core } from "./core.js";
import type { LeaderState, Progress } from "./leader-state.js";
import { countedPeers, heardPeers } from "./quorum.js";
import { run, runAndStepDown, standBack } from "./transfer.js";

/** Who was told to lead since a block was committed last. */
export class ToldToLead {
  commitHeight = height(0);
  readonly ids = new Set<NodeId>();
}

/** So many election timeouts may pass without anything coming nearer to the commit of a leader's own block. */
const STUCK_TIMEOUTS = 4;

/**
 * A leader gives the lead up when a majority no longer answers it; and when a majority answers, and its blocks do not get
 * through: heartbeats are small, and a link can lose what is large. True once it no longer leads.
 */
export function checkQuorum(core: Core, leader: LeaderState): boolean {
  const { electionTimeoutMs } = core.config;
  const sinceTickMs = core.now - leader.lastTickAt;
  leader.lastTickAt = core.now;
  const heard = heardPeers(core, electionTimeoutMs).length + 1;
  const isSettled = core.now - core.following.lastContact > electionTimeoutMs;
  if (heard < core.quorum && isSettled) {
    core.becomeFollower(null, { code: "no_majority_heard" });
    return true;
  }
  if (!isWaiting(core)) leader.stuckMs = 0;
  // While this node was stopped nobody could get through to it.
  else if (!makesProgress(core)) leader.stuckMs += Math.min(sinceTickMs, electionTimeoutMs / 2);
  return leader.stuckMs > STUCK_TIMEOUTS * electionTimeoutMs && giveUp(core, leader);
}

/** A block of its own term is durable here and not committed. */
const isWaiting = ({ log, term }: Core): boolean => log.durableHeight > log.commitHeight && log.durable.term === term;

/** As many followers as a commit needs have what is durable here, or are just taking it. */
function makesProgress(core: Core): boolean {
  const { electionTimeoutMs } = core.config;
  const takes = ({ match, inflight, reading }: Progress): boolean =>
    match >= core.log.durableHeight ||
    // A store that answers no read serves nobody who is behind.
    (reading !== null && core.now - reading.askedAt <= electionTimeoutMs) ||
    (inflight !== null && inflight.progressAt > inflight.sentAt && core.now - inflight.progressAt <= electionTimeoutMs);
  return countedPeers(core).filter(([, peer]) => takes(peer)).length + 1 >= core.quorum;
}

/** To somebody who could do better. */
function giveUp(core: Core, leader: LeaderState): boolean {
  leader.stuckMs = 0;
  const { sure, others } = candidates(core);
  const target = nextOf(core, [...sure, ...others]);
  if (target === undefined) return false;
  core.toldToLead.ids.add(target);
  const isSure = sure.includes(target);
  core.note({ code: "blocks_not_taken", node: target, isSure });
  standBack(core);
  if (isSure) runAndStepDown(core, target, { code: "blocks_not_taken" });
  // Until it is elected this node leads on: where the other stores hang, nobody could do better.
  else run(core, target);
  return isSure;
}

/**
 * Who could be elected, the likeliest first. Nobody can who lacks a committed block. `sure` are those who could commit as
 * well, as far as is known here. Whether another one's store hangs or it only should not lead, it knows itself: the first does not run.
 */
function candidates(core: Core): { readonly sure: NodeId[]; readonly others: NodeId[] } {
  const heard = heardPeers(core, core.config.electionTimeoutMs);
  const isSure = (peer: Progress): boolean => {
    const behind = heard.filter(([, other]) => other.isStoreHealthy && other.tailHeight <= peer.tailHeight).length;
    return peer.isStoreHealthy || behind + 1 >= core.quorum;
  };
  const rank = (id: string): number => core.members.get(id)?.priority ?? 0;
  const byHope = heard
    .filter(([, peer]) => peer.tailHeight >= core.log.commitHeight)
    .sort(
      ([a, left], [b, right]) =>
        Number(right.isStoreHealthy) - Number(left.isStoreHealthy) ||
        right.match - left.match ||
        right.tailHeight - left.tailHeight ||
        rank(b) - rank(a),
    );
  const ids = (of: typeof byHope): NodeId[] => of.map(([id]) => id);
  return {
    sure: ids(byHope.filter(([, peer]) => isSure(peer))),
    others: ids(byHope.filter(([, peer]) => !isSure(peer))),
  };
}

/** The best that was not told since the last commit: whether one can win only its election shows. */
function nextOf({ toldToLead, log }: Core, ids: readonly NodeId[]): NodeId | undefined {
  const told = toldToLead.ids;
  if (toldToLead.commitHeight !== log.commitHeight || ids.every((id) => told.has(id))) told.clear();
  toldToLead.commitHeight = log.commitHeight;
  return ids.find((id) => !told.has(id));
}
