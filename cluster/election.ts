import { type Height, type NodeId, type Term, term } from "../shared/ids.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { type Core, isAtLeast } from "./core.js";
import { becomeLeader } from "./leader.js";

type Body<K extends PeerBody["kind"]> = Extract<PeerBody, { kind: K }>;

/** How soon a node runs once the leader's process is known to have ended: long enough for all followers to find out. */
const FOUND_GONE_FACTOR = 0.03;
const SILENCED_EARLY_FACTOR = 1.6;
/** A refused or unanswered pre-vote is tried again after this part of an election timeout. */
const PRE_VOTE_RETRY_FACTOR = 0.5;
/** While others may be about to find out that the leader is gone, a refused pre-vote is tried again soon. */
const PRE_VOTE_RETRY_SOON_FACTOR = 0.1;

/**
 * Bully's order, Raft's safety: ELECTION, ALIVE and COORDINATOR decide only who tries first; a leader is made by a term
 * and a majority of durable votes, and by nothing else.
 */
export function onElectionTick(core: Core): void {
  if (core.role === "leader") return;
  if (core.isLearner || core.isStalled) return core.armElection();
  if (core.now < core.electionDeadline) return;
  if (core.role === "asking") return startPreVote(core, "no higher-priority node answered");
  startCampaign(core);
}

/** The leader's process has ended: there is nothing to wait for. Whoever finds out first asks in Bully's order as always. */
export function onGone(core: Core, id: NodeId): void {
  if (core.role !== "follower" || core.leaderId !== id || core.isLearner || core.isStalled) return;
  core.campaign = { reason: "no_leader", since: core.now, previousLeader: id };
  core.lastLeaderContact = Number.NEGATIVE_INFINITY;
  // One that should not lead lets any other try first, as after missed heartbeats.
  core.armElection(core.campaignsLate ? 1 : FOUND_GONE_FACTOR);
}

const foundGone = (core: Core): boolean =>
  core.campaign !== null && core.lastLeaderContact === Number.NEGATIVE_INFINITY;

/** Asks the higher-priority nodes first, unless one of them has silenced this node already and then did not lead. */
function startCampaign(core: Core): void {
  const heard = Number.isFinite(core.lastLeaderContact) ? core.lastLeaderContact : core.now;
  core.campaign ??= { reason: "no_leader", since: heard, previousLeader: core.leaderId };
  core.leaderId = null;
  const mine = core.config.self.priority;
  const higher = [...core.members.values()].filter((member) => member.priority > mine).map((member) => member.id);
  if (higher.length === 0 || core.wasSilenced) return startPreVote(core, "no leader is heard");
  core.role = "asking";
  core.asked = new Set(higher);
  core.electionDeadline = core.now + core.config.electionTimeoutMs / 4;
  core.announceRole("no leader is heard: higher-priority nodes are asked");
  for (const id of higher) core.send(id, { kind: "election", tail: durableTail(core) });
}

/** Bully's ELECTION: a sound voter with a log at least as complete silences the asker and runs itself. */
export function onElection(core: Core, message: PeerMessage, body: Body<"election">, ref: number | undefined): void {
  const isFit =
    !core.isLearner && core.isStoreHealthy && !core.campaignsLate && isAtLeast(durableTail(core), body.tail);
  if (!isFit) return;
  core.send(message.from, { kind: "alive" }, { ref });
  // One that was silenced itself waits its time out: a question from below does not let it overtake who silenced it.
  if (core.role === "follower" && !core.hasFreshLeader && !core.wasSilenced) core.electionDeadline = core.now;
}

export function onAlive(core: Core): void {
  if (core.role !== "asking") return;
  core.wasSilenced = true;
  core.role = "follower";
  core.announceRole("a higher-priority node is alive and runs");
  // Who alone found the leader gone waits until the others miss it by themselves, and the highest of them has run.
  core.armElection(foundGone(core) ? SILENCED_EARLY_FACTOR : 1);
}

/** A refused connection answers ELECTION with "no" at once. */
export function onAskedUnreachable(core: Core, id: NodeId): void {
  if (core.role !== "asking" || !core.asked.delete(id) || core.asked.size > 0) return;
  startPreVote(core, "no higher-priority node can be reached");
}

/** A dry run: nothing is stored and no term moves, so a node that was cut off deposes nobody by coming back. */
function startPreVote(core: Core, reason: string): void {
  core.role = "pre_candidate";
  core.votes = new Set([core.selfId]);
  core.armElection(foundGone(core) ? PRE_VOTE_RETRY_SOON_FACTOR : PRE_VOTE_RETRY_FACTOR);
  core.announceRole(reason);
  if (core.votes.size >= core.quorum) return startVote(core, reason);
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
  if (core.role !== "pre_candidate" || body.forTerm !== nextTerm(core) || !body.isGranted) return;
  if (!isVoteOf(core, message.from, body.joinNonce)) return;
  core.votes.add(message.from);
  if (core.votes.size >= core.quorum) startVote(core, "a majority would vote for it");
}

/**
 * The leader has handed over: no pre-vote, and nobody is asked. Safe whatever else happens, since victory still needs a
 * majority of durable votes (Raft thesis section 3.10).
 */
export function onRunNow(core: Core, message: PeerMessage, body: Body<"run_now">): void {
  const isOrderOfLeader = core.role === "follower" && message.term === core.term && message.from === core.leaderId;
  if (!isOrderOfLeader || !canVote(core)) return;
  core.campaign = { reason: body.reason, since: core.now, previousLeader: message.from };
  startVote(core, `${message.from} hands over`);
}

function startVote(core: Core, reason: string): void {
  core.role = "candidate";
  // Nobody is known to lead the new term.
  core.leaderId = null;
  core.votes = new Set();
  core.saveState({ term: nextTerm(core), votedFor: core.selfId }, nextTerm(core));
  core.armElection();
  core.announceRole(reason);
  // They leave once this node's own vote is durable.
  for (const id of core.peerIds) core.send(id, { kind: "vote", tail: durableTail(core) });
}

/** This node's own vote is durable. */
export function onOwnVote(core: Core, inTerm: Term): void {
  if (core.role === "candidate" && core.term === inTerm) countVote(core, core.selfId);
}

/** One vote a term, durable before it is sent, only for a log at least as complete as this node's with its inserts in flight. */
export function onVote(core: Core, message: PeerMessage, body: Body<"vote">, ref: number | undefined): void {
  const isFree = core.hard.votedFor === null || core.hard.votedFor === message.from;
  const isGranted =
    message.term === core.term && isFree && canVote(core) && core.role !== "leader" && isComplete(core, body.tail);
  if (isGranted && core.hard.votedFor === null) core.saveState({ votedFor: message.from });
  if (isGranted) core.armElection();
  core.send(message.from, { kind: "vote_answer", isGranted, joinNonce: core.hard.joinNonce }, { ref });
}

export function onVoteAnswer(core: Core, message: PeerMessage, body: Body<"vote_answer">): void {
  if (core.role !== "candidate" || message.term !== core.term || !body.isGranted) return;
  if (isVoteOf(core, message.from, body.joinNonce)) countVote(core, message.from);
}

function countVote(core: Core, id: NodeId): void {
  core.votes.add(id);
  if (core.votes.size >= core.quorum) becomeLeader(core);
}

/** A vote counts only from the join admitted last in the candidate's log: one that the voter forgot elects nobody. */
const isVoteOf = (core: Core, id: NodeId, joinNonce: string): boolean =>
  core.membersAt(core.log.tail.members).get(id)?.joinNonce === joinNonce;

const canVote = (core: Core): boolean => !core.isLearner && !core.isStalled;
const nextTerm = (core: Core): Term => term(core.term + 1);

/** What a candidate offers: only what is durable. */
const durableTail = (core: Core): { term: Term; height: Height } => {
  const { durable } = core.log;
  return { term: durable.term, height: durable.height };
};

/** What a voter compares with: its tail with the inserts in flight, since they may complete and be acknowledged. */
const isComplete = (core: Core, candidate: { term: Term; height: Height }): boolean =>
  isAtLeast(candidate, core.log.tail);
