import type { NodeId } from "../shared/ids.js";
import type { Election } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { RoleReason } from "./codes.js";
import type { Core } from "./core.js";
import { onAnswerToPreferred } from "./take-over.js";
import { armElection } from "./timeouts.js";
import { canVote, durableTail, isAtLeast, isComplete, isVoteOf, nextTerm, startVote } from "./vote.js";

type Body<K extends PeerBody["kind"]> = Extract<PeerBody, { kind: K }>;

/** How soon a node runs once the leader's process is known to have ended: long enough for all followers to find out. */
const FOUND_GONE_FACTOR = 0.03;
const SILENCED_EARLY_FACTOR = 1.6;
/** After a pause a node waits at least for this part of an election timeout. */
const PAUSED_FACTOR = 0.5;
/** A refused or unanswered pre-vote is tried again after this part of an election timeout. */
const PRE_VOTE_RETRY_FACTOR = 0.5;
/** While others may be about to find out that the leader is gone, a refused pre-vote is tried again soon. */
const PRE_VOTE_RETRY_SOON_FACTOR = 0.1;

export class ElectionState {
  deadline = 0;
  /** How long it was when it was set. */
  waitMs = 0;
  /** Its surroundings say that it should not lead while others can. */
  isToldLate = false;
  /** Why and since when this node runs; null while there is no reason to. */
  campaign: { reason: Election["reason"]; since: number; previousLeader: NodeId | null } | null = null;
  /** ALIVE silences this node once; reset by a leader's message. */
  wasSilenced = false;
  /** It was paused since it heard a leader last, and has waited for what came meanwhile. */
  wasPaused = false;
  /** Higher-priority nodes that have not answered ELECTION. */
  asked = new Set<NodeId>();
  /** Pre-votes, then votes, that this node was given. */
  votes = new Set<NodeId>();
}

/**
 * Bully's order, Raft's safety: ELECTION, ALIVE and COORDINATOR decide only who tries first; a leader is made by a term
 * and a majority of durable votes, and by nothing else.
 */
export function onElectionTick(core: Core): void {
  if (core.isLearner || core.isStalled) return armElection(core);
  if (core.now < core.election.deadline) return;
  if (core.role === "asking") return startPreVote(core, { code: "higher_silent" });
  startCampaign(core);
}

/**
 * After a pause a leader may well be there, and what it sent meanwhile is lost: its next message has a chance before this node
 * campaigns. One only: a machine that does too much pauses its nodes again and again, and somebody has to lead there too.
 */
export function onPaused(core: Core): void {
  const { election, now } = core;
  if (election.wasPaused) return;
  election.wasPaused = true;
  election.deadline = Math.max(election.deadline, now + PAUSED_FACTOR * core.leaderTimeoutMs);
}

/** The leader's process has ended: there is nothing to wait for. Whoever finds out first asks in Bully's order as always. */
export function onGone(core: Core, id: NodeId): void {
  if (core.role !== "follower" || core.leaderId !== id || core.isLearner || core.isStalled) return;
  core.election.campaign = { reason: "no_leader", since: core.now, previousLeader: id };
  core.following.lastContact = Number.NEGATIVE_INFINITY;
  // One that should not lead lets any other try first, as after missed heartbeats.
  armElection(core, core.campaignsLate ? 1 : FOUND_GONE_FACTOR);
}

const foundGone = (core: Core): boolean =>
  core.election.campaign !== null && core.following.lastContact === Number.NEGATIVE_INFINITY;

/** Asks the higher-priority nodes first, unless one of them has silenced this node already and then did not lead. */
function startCampaign(core: Core): void {
  core.takeOver.answeredBy = null;
  const heard = Number.isFinite(core.following.lastContact) ? core.following.lastContact : core.now;
  core.election.campaign ??= { reason: "no_leader", since: heard, previousLeader: core.leaderId };
  core.leaderId = null;
  const mine = core.config.self.priority;
  const higher = [...core.members.values()].filter((member) => member.priority > mine).map((member) => member.id);
  if (higher.length === 0 || core.election.wasSilenced) return startPreVote(core, { code: "no_leader_heard" });
  core.role = "asking";
  core.election.asked = new Set(higher);
  core.election.waitMs = core.config.electionTimeoutMs / 4;
  core.election.deadline = core.now + core.election.waitMs;
  core.announceRole({ code: "higher_asked" });
  for (const id of higher) core.send(id, { kind: "election", tail: durableTail(core) });
}

/** Bully's ELECTION: a sound voter with a log at least as complete silences the asker and runs itself. */
export function onElection(core: Core, message: PeerMessage, body: Body<"election">, ref: number | undefined): void {
  const isFit =
    !core.isLearner && core.isStoreHealthy && !core.campaignsLate && isAtLeast(durableTail(core), body.tail);
  if (!isFit) return;
  core.send(message.from, { kind: "alive" }, { ref });
  // One that was silenced itself waits its time out: a question from below does not let it overtake who silenced it.
  if (core.role === "follower" && !core.hasFreshLeader && !core.election.wasSilenced) core.election.deadline = core.now;
}

export function onAlive(core: Core): void {
  if (core.role !== "asking") return;
  core.election.wasSilenced = true;
  core.role = "follower";
  core.announceRole({ code: "higher_alive" });
  // Who alone found the leader gone waits until the others miss it by themselves, and the highest of them has run.
  armElection(core, foundGone(core) ? SILENCED_EARLY_FACTOR : 1);
}

/** A refused connection answers ELECTION with "no" at once. */
export function onAskedUnreachable(core: Core, id: NodeId): void {
  if (core.role !== "asking" || !core.election.asked.delete(id) || core.election.asked.size > 0) return;
  startPreVote(core, { code: "higher_unreachable" });
}

/** A dry run: nothing is stored and no term moves, so a node that was cut off deposes nobody by coming back. */
function startPreVote(core: Core, reason: RoleReason): void {
  core.role = "pre_candidate";
  core.election.votes = new Set([core.selfId]);
  armElection(core, foundGone(core) ? PRE_VOTE_RETRY_SOON_FACTOR : PRE_VOTE_RETRY_FACTOR);
  core.announceRole(reason);
  if (core.election.votes.size >= core.quorum) return startVote(core, reason);
  for (const id of core.peerIds) core.send(id, { kind: "pre_vote", forTerm: nextTerm(core), tail: durableTail(core) });
}

export function onPreVote(core: Core, message: PeerMessage, body: Body<"pre_vote">, ref: number | undefined): void {
  const isGranted =
    body.forTerm > core.term &&
    canVote(core) &&
    core.role !== "leader" &&
    !core.hasFreshLeader &&
    isComplete(core, body.tail);
  const answer: PeerBody = {
    kind: "pre_vote_answer",
    forTerm: body.forTerm,
    isGranted,
    joinNonce: core.hard.joinNonce,
  };
  core.send(message.from, answer, { ref });
}

export function onPreVoteAnswer(core: Core, message: PeerMessage, body: Body<"pre_vote_answer">): void {
  if (body.forTerm !== nextTerm(core)) return;
  if (!isVoteOf(core, message.from, body.joinNonce)) return;
  if (core.role === "follower") return onAnswerToPreferred(core, message.from);
  if (core.role !== "pre_candidate" || !body.isGranted) return;
  core.election.votes.add(message.from);
  if (core.election.votes.size >= core.quorum) startVote(core, { code: "pre_votes_won" });
}

/**
 * The leader has handed over: no pre-vote, and nobody is asked. Safe whatever else happens, since victory still needs a
 * majority of durable votes (Raft thesis section 3.10).
 */
export function onRunNow(core: Core, message: PeerMessage, body: Body<"run_now">): void {
  const isOrderOfLeader = core.role === "follower" && message.term === core.term && message.from === core.leaderId;
  if (!isOrderOfLeader || !canVote(core)) return;
  core.election.campaign = { reason: body.reason, since: core.now, previousLeader: message.from };
  startVote(core, { code: "handed_over", node: message.from });
}
