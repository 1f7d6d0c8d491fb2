import { type Height, type NodeId, type Term, term } from "../shared/ids.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { RoleReason } from "./codes.js";
import type { Core } from "./core.js";
import { becomeLeader } from "./leader.js";
import { armElection } from "./timeouts.js";

type Body<K extends PeerBody["kind"]> = Extract<PeerBody, { kind: K }>;

/**
 * A vote is given once a term, is durable before it leaves, and only for a log that is at least as complete as this node's
 * with its inserts in flight. A leader is made by a majority of such votes, and by nothing else.
 */
export function onVote(core: Core, message: PeerMessage, body: Body<"vote">, ref: number | undefined): void {
  const isFree = core.hard.votedFor === null || core.hard.votedFor === message.from;
  const isGranted =
    message.term === core.term && isFree && canVote(core) && core.role !== "leader" && isComplete(core, body.tail);
  if (isGranted && core.hard.votedFor === null) core.saveState({ votedFor: message.from });
  if (isGranted) armElection(core);
  core.send(message.from, { kind: "vote_answer", isGranted, joinNonce: core.hard.joinNonce }, { ref });
}

/** A candidate votes for itself in a new term, and asks the others. */
export function startVote(core: Core, reason: RoleReason): void {
  core.role = "candidate";
  // Nobody is known to lead the new term.
  core.leaderId = null;
  core.election.votes = new Set();
  core.saveState({ term: nextTerm(core), votedFor: core.selfId }, nextTerm(core));
  armElection(core);
  core.announceRole(reason);
  // They leave once this node's own vote is durable.
  for (const id of core.peerIds) core.send(id, { kind: "vote", tail: durableTail(core) });
}

/** This node's own vote is durable. */
export function onOwnVote(core: Core, inTerm: Term): void {
  if (core.role === "candidate" && core.term === inTerm) countVote(core, core.selfId);
}

export function onVoteAnswer(core: Core, message: PeerMessage, body: Body<"vote_answer">): void {
  if (core.role !== "candidate" || message.term !== core.term || !body.isGranted) return;
  if (isVoteOf(core, message.from, body.joinNonce)) countVote(core, message.from);
}

function countVote(core: Core, id: NodeId): void {
  core.election.votes.add(id);
  if (core.election.votes.size >= core.quorum) becomeLeader(core);
}

/** A vote counts only from the join admitted last in the candidate's log: one that the voter forgot elects nobody. */
export const isVoteOf = (core: Core, id: NodeId, joinNonce: string): boolean =>
  core.membersAt(core.log.tail.members).get(id)?.joinNonce === joinNonce;

export const canVote = (core: Core): boolean => !core.isLearner && !core.isStalled;
export const nextTerm = (core: Core): Term => term(core.term + 1);

/** What a candidate offers: only what is durable. */
export const durableTail = (core: Core): { term: Term; height: Height } => {
  const { durable } = core.log;
  return { term: durable.term, height: durable.height };
};

/** What a voter compares with: its tail with the inserts in flight, since they may complete and be acknowledged. */
export const isComplete = (core: Core, candidate: { term: Term; height: Height }): boolean =>
  isAtLeast(candidate, core.log.tail);

/** A log is at least as complete: last term first, then height (Raft section 5.4.1). */
export function isAtLeast(
  log: { readonly term: Term; readonly height: Height },
  other: { readonly term: Term; readonly height: Height },
): boolean {
  return log.term > other.term || (log.term === other.term && log.height >= other.height);
}
