import type { NodeId } from "../shared/ids.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import type { RoleReason } from "./codes.js";
import type { Core } from "./core.js";
import type { LeaderState, Progress } from "./leader-state.js";
import { counts, heardPeers } from "./quorum.js";
import { armElection, LATE_FACTOR } from "./timeouts.js";

/** After each failure the wait for the next try doubles, so many times at most. */
const BACK_OFF_DOUBLINGS_MAX = 6;

/** A hand-over under way, known to this leader in this term only. */
export interface Transfer {
  readonly target: NodeId;
  readonly reason: "take_over" | "hand_over";
  readonly deadline: number;
  isRunSent: boolean;
}

/** What a node that may take over from the leader knows. */
export class TakeOver {
  /** Since when this node has followed the present leader, and its store has been healthy. */
  followsSince = 0;
  healthySince = 0;
  lastAskedAt = Number.NEGATIVE_INFINITY;
  /** Who has answered since it asked last, itself included; null once it has told the leader. */
  answeredBy: Set<NodeId> | null = null;
  /** Its blocks reached no majority when it led: it does not ask for the lead again soon. */
  notBefore = Number.NEGATIVE_INFINITY;
  standBacks = 0;
}

/**
 * The lead moves between living nodes so: the leader stops sealing, commits what is sealed, brings the successor level, and
 * tells it to run at once. After one election timeout it goes on, whatever became of the successor.
 *
 * The leader judges the request of a preferred node: cool-down and back-off, its own term's block committed, the asker
 * counted and healthy.
 */
export function onTakeOver(core: Core, message: PeerMessage): void {
  const { leader, log } = core;
  const peer = leader?.progress.get(message.from);
  if (leader == null || peer === undefined || message.term !== core.term || leader.transfer !== null) return;
  const asker = core.members.get(message.from);
  const isPreferred = asker !== undefined && asker.priority > core.config.self.priority;
  const isFit = counts(core, message.from, peer) && peer.isStoreHealthy && peer.match >= log.commitHeight;
  if (!isPreferred || !isFit || core.now < leader.noTransferBefore || log.committed.term !== core.term) return;
  beginTransfer(core, leader, message.from, "take_over");
}

/** A person, or a stopping node, asks the leader to hand over; the best level voter is chosen if none is named. */
export function onHandOver(core: Core, target: NodeId | null): void {
  const { leader, log } = core;
  if (leader === null || leader.transfer !== null || log.committed.term !== core.term) return;
  const best = target ?? bestSuccessor(core);
  const peer = best === null ? undefined : leader.progress.get(best);
  if (best === null || peer === undefined || !counts(core, best, peer)) return;
  beginTransfer(core, leader, best, "hand_over");
}

/** The counted, healthy voter with the most complete log; among level ones the highest priority. */
function bestSuccessor(core: Core): NodeId | null {
  const rank = (id: NodeId): number => core.members.get(id)?.priority ?? 0;
  const fit = healthyPeers(core).filter(([, peer]) => peer.match >= core.log.commitHeight);
  fit.sort(([a, left], [b, right]) => right.match - left.match || rank(b) - rank(a));
  return fit[0]?.[0] ?? null;
}

/** Counted voters that answer and have a healthy store. One that is gone was healthy and level when it last spoke. */
function healthyPeers(core: Core): [NodeId, Progress][] {
  return heardPeers(core, core.config.electionTimeoutMs / 2).filter(([, peer]) => peer.isStoreHealthy);
}

function beginTransfer(core: Core, leader: LeaderState, target: NodeId, reason: Transfer["reason"]): void {
  leader.transfer = { target, reason, deadline: core.now + core.config.electionTimeoutMs, isRunSent: false };
  core.note({ code: "handing_over", node: target });
  advanceTransfer(core);
}

/** Once all that is sealed is committed and the target is level, it is told to run at once. Writes wait in the queue. */
export function advanceTransfer(core: Core): void {
  const { leader, log } = core;
  const transfer = leader?.transfer ?? null;
  if (leader === null || transfer === null || transfer.isRunSent) return;
  const peer = leader.progress.get(transfer.target);
  if (peer === undefined || log.commitHeight < log.tail.height || peer.match < log.tail.height) return;
  transfer.isRunSent = true;
  core.send(transfer.target, { kind: "run_now", reason: transfer.reason });
}

/** At the deadline the freeze ends, whatever became of the target; each failure doubles the wait for the next try. */
export function onTransferTick(core: Core): void {
  const { leader } = core;
  if (leader === null || leader.transfer === null || core.now < leader.transfer.deadline) return;
  core.note({ code: "not_taken_over", node: leader.transfer.target });
  leader.transfer = null;
  leader.failedTransfers += 1;
  const doublings = Math.min(leader.failedTransfers, BACK_OFF_DOUBLINGS_MAX);
  leader.noTransferBefore = core.now + core.config.takeoverCooldownMs * 2 ** doublings;
}

/** A leader whose store does not answer, or has failed, needs no disk to hand over; it steps down only to a level voter with a healthy one. */
export function handOverAtOnce(core: Core): boolean {
  const level = healthyPeers(core).filter(([, peer]) => peer.match >= core.log.durableHeight);
  const target = level.sort(([, a], [, b]) => b.match - a.match)[0]?.[0];
  if (target === undefined) return false;
  runAndStepDown(core, target, { code: "store_silent", node: target });
  return true;
}

/** Tells one to be elected. */
export const run = (core: Core, target: NodeId): void => core.send(target, { kind: "run_now", reason: "hand_over" });

/** Any other may try before this node does. */
export function runAndStepDown(core: Core, target: NodeId, reason: RoleReason): void {
  run(core, target);
  core.becomeFollower(null, reason);
  armElection(core, LATE_FACTOR);
}

/** Each time for twice as long, until it has stood back for nothing as long again. */
export function standBack({ takeOver, config, now }: Core): void {
  const waitMs = (): number => config.takeoverCooldownMs * 2 ** Math.min(takeOver.standBacks, BACK_OFF_DOUBLINGS_MAX);
  if (now > takeOver.notBefore + 2 * waitMs()) takeOver.standBacks = 0;
  takeOver.standBacks += 1;
  takeOver.notBefore = now + waitMs();
}
