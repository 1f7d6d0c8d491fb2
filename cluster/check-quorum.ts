import type { NodeId } from "../shared/ids.js";
import type { Core } from "./core.js";
import type { LeaderState, Progress } from "./leader-state.js";
import { countedPeers } from "./replication.js";
import { healthyPeers, runAndStepDown } from "./transfer.js";

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
  const heard = countedPeers(core).filter(([, peer]) => core.now - peer.lastContact <= electionTimeoutMs).length + 1;
  const isSettled = core.now - core.lastLeaderContact > electionTimeoutMs;
  if (heard < core.quorum && isSettled) {
    core.becomeFollower(null, "it has not heard from a majority for an election timeout");
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
  const takes = ({ match, inflight, readId }: Progress): boolean =>
    match >= core.log.durableHeight ||
    readId !== null ||
    (inflight !== null && inflight.progressAt > inflight.sentAt && core.now - inflight.progressAt <= electionTimeoutMs);
  return countedPeers(core).filter(([, peer]) => takes(peer)).length + 1 >= core.quorum;
}

/** To somebody who can lead: where nobody else has a healthy store, another leader could not commit either. */
function giveUp(core: Core, leader: LeaderState): boolean {
  const rank = (id: string): number => core.members.get(id)?.priority ?? 0;
  // Of one that has confirmed nothing in this term it is known, perhaps, what it holds as committed.
  const fit = healthyPeers(core, core.config.electionTimeoutMs).sort(
    ([a, left], [b, right]) => right.match - left.match || right.next - left.next || rank(b) - rank(a),
  );
  const target = nextOf(
    core,
    fit.map(([id]) => id),
  );
  leader.stuckMs = 0;
  if (target === undefined) return false;
  core.note("warn", `blocks of this node reach no majority, which answers: ${target} is told to lead`);
  core.standBack();
  runAndStepDown(core, target, "its blocks do not reach a majority, which answers");
  return true;
}

/** The best that was not told since the last commit: one that is told and lacks a voter's blocks cannot win. */
function nextOf({ toldToLead, log }: Core, fit: readonly NodeId[]): NodeId | undefined {
  const { ids } = toldToLead;
  if (toldToLead.commitHeight !== log.commitHeight || fit.every((id) => ids.has(id))) ids.clear();
  toldToLead.commitHeight = log.commitHeight;
  const target = fit.find((id) => !ids.has(id));
  if (target !== undefined) ids.add(target);
  return target;
}
