import type { HashHex, Height, NodeId } from "../shared/ids.js";
import type { Core } from "./core.js";
import type { LeaderState, Progress, Queued } from "./leader-state.js";
import { countedPeers } from "./quorum.js";
import { sendAppend } from "./replication.js";
import { release } from "./reservations.js";

type Rounds = ReadonlyMap<NodeId, number>;

export interface PendingRead {
  readonly readId: number;
  readonly height: Height;
  readonly rounds: Rounds;
}

/** A write whose condition on the head does not hold, by what this node knows: whether it still led then is being asked. */
export interface PendingRefusal {
  readonly queued: Queued;
  readonly headHash: HashHex | "";
  readonly nextSequence: number;
  readonly rounds: Rounds;
}

/**
 * Confirms that this leader still leads (Raft section 8, ReadIndex): once a majority has answered what is sent from now
 * on, what this leader knew to be committed at this moment is all that was.
 */
export function onReadIndex(core: Core, readId: number): void {
  const { leader, log } = core;
  // Before a block of its own term is committed a leader does not know how far the log is committed.
  if (
    leader === null ||
    log.committed.term !== core.term ||
    leader.reads.length >= core.config.limits.waitingReadsMax
  ) {
    core.effects.push({ kind: "read_refused", readId });
    return;
  }
  leader.reads.push({ readId, height: log.commitHeight, rounds: beginRound(core, leader) });
  confirmRounds(core, leader);
}

/** Nor does a deposed leader know the log's head: conditions on it that do not hold are refused once it is known to lead. */
export function refuseOnceConfirmed(
  core: Core,
  leader: LeaderState,
  refused: readonly Omit<PendingRefusal, "rounds">[],
): void {
  if (refused.length === 0) return;
  const rounds = beginRound(core, leader);
  for (const refusal of refused) leader.refusals.push({ ...refusal, rounds });
  confirmRounds(core, leader);
}

function beginRound(core: Core, leader: LeaderState): Rounds {
  const rounds = new Map([...leader.progress].map(([id, peer]) => [id, peer.round + 1]));
  for (const [id, peer] of leader.progress) sendAppend(core, id, peer, []);
  return rounds;
}

/** What waits for answers to a round is over once a majority has given them. */
export function confirmRounds(core: Core, leader: LeaderState): void {
  if (leader.reads.length === 0 && leader.refusals.length === 0) return;
  const peers = countedPeers(core);
  const known = new Map<Rounds, boolean>();
  const isConfirmed = ({ rounds }: { readonly rounds: Rounds }): boolean => {
    const isSo = known.get(rounds) ?? isAnswered(core, peers, rounds);
    known.set(rounds, isSo);
    return isSo;
  };
  const waiting: PendingRead[] = [];
  for (const read of leader.reads) {
    if (!isConfirmed(read)) waiting.push(read);
    else core.effects.push({ kind: "read_confirmed", readId: read.readId, height: read.height });
  }
  leader.reads = waiting;
  const refusals: PendingRefusal[] = [];
  for (const refusal of leader.refusals) {
    if (!isConfirmed(refusal)) refusals.push(refusal);
    else refuseHead(core, leader, refusal);
  }
  leader.refusals = refusals;
}

const isAnswered = (core: Core, peers: readonly [NodeId, Progress][], rounds: Rounds): boolean =>
  peers.filter(([id, peer]) => peer.answeredRound >= (rounds.get(id) ?? Number.POSITIVE_INFINITY)).length + 1 >=
  core.quorum;

function refuseHead(core: Core, leader: LeaderState, { queued, headHash, nextSequence }: PendingRefusal): void {
  release(leader, queued);
  core.effects.push({ kind: "head_differs", proposalId: queued.proposal.proposalId, headHash, nextSequence });
}
