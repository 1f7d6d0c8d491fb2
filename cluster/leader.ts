import { height } from "../shared/ids.js";
import type { Election } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { maybeAdmit, wantsAdmission } from "./admission.js";
import { checkQuorum } from "./check-quorum.js";
import { maybeCommit, onLeaderPaused } from "./commit.js";
import type { Core } from "./core.js";
import { refuseExpired, refuseExpiredWaiting } from "./deadlines.js";
import { found, sayWhoIsMissing } from "./founding.js";
import { type LeaderState, newLeader, type Progress } from "./leader-state.js";
import { sendNotices } from "./notices.js";
import { counts } from "./quorum.js";
import { confirmRounds } from "./read-index.js";
import { forgetUnanswered, onBulkAnswered, replicate, sendAppend } from "./replication.js";
import { seal, trySeal } from "./sealing.js";
import { advanceTransfer, handOverAtOnce, onTransferTick } from "./transfer.js";
import type { PeerView } from "./types.js";

type Answer = Extract<PeerBody, { kind: "append_answer" }>;

export function becomeLeader(core: Core): void {
  const leader = newLeader(core);
  core.leader = leader;
  core.role = "leader";
  core.leaderId = core.selfId;
  const election = electionOf(core);
  core.election.campaign = null;
  core.following.lastContact = core.now;
  core.election.wasSilenced = false;
  core.election.wasPaused = false;
  core.election.votes.clear();
  core.announceRole({ code: "elected", members: core.members.size });
  // Raft section 5.4.2: only a block of its own term lets a leader commit older ones.
  if (core.log.tail.height === 0) found(core, leader);
  else seal(core, leader, [], { kind: "term_started", election });
}

/** What the log remembers of an election. */
const electionOf = (core: Core): Election => ({
  reason: core.election.campaign?.reason ?? "no_leader",
  previousLeader: core.election.campaign?.previousLeader ?? null,
  votes: [...core.election.votes].sort(),
  tookMs: Math.max(0, Math.round(core.now - (core.election.campaign?.since ?? core.now))),
});

export function onAppendAnswer(core: Core, message: PeerMessage, answer: Answer): void {
  const { leader } = core;
  const peer = leader?.progress.get(message.from);
  // Answers of old terms say nothing about what this leader sent.
  if (leader === null || peer === undefined || message.term !== core.term) return;
  // "Stale" answers an append of a term before this one, if this node led that as well: its round is not one of these.
  if (answer.result === "stale") return;
  const isLatest = answer.round >= peer.answeredRound;
  if (answer.joinNonce !== peer.joinNonce) {
    // Another join: what was acknowledged before it may be lost. A late answer of the join before is ignored.
    if (!isLatest) return;
    peer.joinNonce = answer.joinNonce;
    peer.match = height(0);
  }
  peer.lastContact = core.now;
  if (isLatest) {
    peer.answeredRound = answer.round;
    peer.tailHeight = answer.tailHeight;
    peer.isVoter = answer.isVoter;
    peer.isStoreHealthy = answer.isStoreHealthy;
    peer.learner = answer.member ?? null;
  }
  if (answer.round === peer.inflight?.round) {
    onBulkAnswered(core, peer, peer.inflight);
    peer.inflight = null;
  }
  // A later message found that the follower lacks what the append on its way builds on: that one was lost, or will fail.
  const isAhead = answer.result === "mismatch" && answer.commitHeight + 1 < peer.next;
  if (isLatest && isAhead && answer.round > (peer.inflight?.round ?? answer.round)) peer.inflight = null;
  takeResult(core, peer, answer, isLatest && peer.inflight === null);
  found(core, leader);
  maybeCommit(core);
  maybeAdmit(core, message.from, peer);
  replicate(core, message.from, peer);
  confirmRounds(core, leader);
  advanceTransfer(core);
}

function takeResult(core: Core, peer: Progress, answer: Answer, canRestart: boolean): void {
  switch (answer.result) {
    case "ok":
      if (answer.matchHeight > peer.match && core.leader !== null) core.leader.stuckMs = 0;
      peer.match = height(Math.max(peer.match, Math.min(answer.matchHeight, core.log.tail.height)));
      peer.next = height(Math.max(peer.next, peer.match + 1));
      return;
    case "mismatch":
      // A follower's committed log is a prefix of every later leader's: start above it.
      if (canRestart) peer.next = height(Math.min(answer.commitHeight, core.log.tail.height) + 1);
      return;
    case "rejected":
      peer.pausedUntil = core.now + core.config.electionTimeoutMs;
      return;
    case "stale":
      throw new Error("an answer to an earlier term reached this one's bookkeeping");
  }
}

// --- Time ------------------------------------------------------------------------------------------------------------

export function onLeaderTick(core: Core, leader: LeaderState, gapMs: number): void {
  const { config } = core;
  if (checkQuorum(core, leader) || (core.isStalled && handOverAtOnce(core))) return;
  if (gapMs > config.electionTimeoutMs / 2) onLeaderPaused(core, leader);
  refuseExpired(core, leader);
  refuseExpiredWaiting(core, leader);
  testStore(core, leader);
  onTransferTick(core);
  sayWhoIsMissing(core, leader);
  for (const [id, peer] of leader.progress) {
    forgetUnanswered(core, peer);
    replicate(core, id, peer);
    if (core.now - peer.lastSentAt >= config.heartbeatMs || gapMs > config.electionTimeoutMs / 2)
      sendAppend(core, id, peer, []);
  }
  trySeal(core);
  sendNotices(core, leader);
}

/**
 * A look-up that is not answered says nothing of the store that the log is written to, and while all that comes are
 * writes with keys nothing is written there: an empty block tells whether it answers.
 */
function testStore(core: Core, leader: LeaderState): void {
  const [oldest] = leader.lookUps.values();
  const { electionTimeoutMs } = core.config;
  const isDue = oldest !== undefined && core.now - oldest.askedAt > electionTimeoutMs / 2;
  const { tail, commitHeight } = core.log;
  // Before the genesis there is no block that another one could follow.
  const isIdle = tail.height > 0 && tail.height === commitHeight && leader.transfer === null;
  if (isDue && isIdle && core.now - leader.sealed.at > electionTimeoutMs) seal(core, leader, []);
}

export function peerViews(core: Core): PeerView[] {
  return [...(core.leader?.progress ?? [])].map(([id, peer]) => ({
    id,
    matchHeight: peer.match,
    lastContact: peer.lastContact,
    isVoter: counts(core, id, peer),
    isStoreHealthy: peer.isStoreHealthy,
    wantsAdmission: wantsAdmission(core, peer),
  }));
}
