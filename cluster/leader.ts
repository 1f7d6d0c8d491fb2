import { type Block, eventBytesBound } from "../shared/block.js";
import { sealBlock } from "../shared/chain.js";
import type { Control, Member } from "../shared/control.js";
import type { PreparedEvent } from "../shared/event.js";
import { type Height, height, type NodeId } from "../shared/ids.js";
import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../shared/limits.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/peer.js";
import type { Core } from "./core.js";
import { majorityHeight } from "./quorum.js";
import type { PeerView, Proposal, ProposalRefusal } from "./types.js";

type Answer = Extract<PeerBody, { kind: "append_answer" }>;

/** Sealed and not yet committed blocks; while one is made durable, the next one fills. */
const INFLIGHT_BLOCKS_MAX = 1;
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const QUEUE_PROPOSALS_MAX = 20_000;
const CATCH_UP_BYTES_MAX = 4 * 1024 * 1024;
const CATCH_UP_BLOCKS_MAX = 64;
const ADMISSIONS_WAITING_MAX = 16;
/** The leader stops sealing while its projection is this many events behind: the burst allowance. */
const UNPROJECTED_EVENTS_MAX = 200_000;
/** A commit rides on the next append; a notice of its own leaves if none does within this time. */
const COMMIT_NOTICE_MS = 2;

interface Progress {
  /** Highest block that is durable there and equal to ours, as acknowledged in this term. */
  match: Height;
  next: Height;
  round: number;
  /** An append with blocks is on its way: the round, and when it left. */
  inflight: { round: number; sentAt: number } | null;
  answeredRound: number;
  /** A majority must answer a round from here on before anything is acknowledged again (after a pause). */
  confirmRound: number;
  lastContact: number;
  lastSentAt: number;
  sentCommit: Height;
  joinNonce: string;
  isVoter: boolean;
  isStoreHealthy: boolean;
  learner: Member | null;
  readId: number | null;
  /** No blocks before this time: the last ones were refused, or could not be read. */
  pausedUntil: number;
}

interface Queued {
  readonly proposal: Proposal;
  readonly bytes: number;
}

export interface LeaderState {
  readonly progress: Map<NodeId, Progress>;
  queue: Queued[];
  queueBytes: number;
  controls: Control[];
  /** Proposals that wait for a key look-up. */
  lookups: Map<number, Proposal>;
  /** Ids and keys of proposals that are queued or being looked up; value: the proposal. */
  reserved: Map<string, number>;
  mustConfirm: boolean;
  noticeDueAt: number | null;
  nextReadId: number;
  waitingIds(): number[];
}

export function becomeLeader(core: Core): void {
  const progress = new Map<NodeId, Progress>();
  for (const id of core.peerIds) progress.set(id, newProgress(core));
  const leader: LeaderState = {
    progress,
    queue: [],
    queueBytes: 0,
    controls: [],
    lookups: new Map(),
    reserved: new Map(),
    mustConfirm: false,
    noticeDueAt: null,
    nextReadId: 1,
    waitingIds: () => [...leader.queue.map((queued) => queued.proposal.proposalId), ...leader.lookups.keys()],
  };
  core.leader = leader;
  core.role = "leader";
  core.leaderId = core.selfId;
  core.lastLeaderContact = core.now;
  core.votes.clear();
  core.announceRole(`elected by a majority of ${core.members.size}`);
  // Raft section 5.4.2: only a block of its own term lets a leader commit older ones.
  const isFirst = core.log.tail.height === 0;
  const genesis: Control = {
    kind: "genesis",
    nonce: core.config.genesisNonce,
    members: [...(core.hard.forming ?? [])],
  };
  seal(core, [], isFirst ? genesis : { kind: "term_started" });
}

const newProgress = (core: Core): Progress => ({
  match: height(0),
  next: height(core.log.tail.height + 1),
  round: 0,
  inflight: null,
  answeredRound: 0,
  confirmRound: 0,
  lastContact: core.now,
  lastSentAt: Number.NEGATIVE_INFINITY,
  sentCommit: height(0),
  joinNonce: "",
  isVoter: false,
  isStoreHealthy: true,
  learner: null,
  readId: null,
  pausedUntil: 0,
});

// --- Writes: queued, then sealed -------------------------------------------------------------------------------------

const reservations = (proposal: Proposal): string[] => {
  const first = proposal.events[0] as PreparedEvent;
  const key = first.idempotencyKey;
  return [`id ${first.id}`, ...(key === undefined ? [] : [`key ${first.sourceAppId}\u0000${key}`])];
};

/** Takes one write: answers a duplicate, looks a key up, or queues it for the next block. */
export function propose(core: Core, proposal: Proposal): void {
  const refuse = (reason: ProposalRefusal): void => {
    core.effects.push({ kind: "refused", proposalId: proposal.proposalId, reason });
  };
  const { leader } = core;
  if (leader === null) return refuse(core.isLearner ? "unavailable" : "not_leader");
  if (core.now >= proposal.deadline) return refuse("expired");
  const bytes = proposal.events.reduce((sum, event) => sum + eventBytesBound(event), 0);
  const isFull =
    leader.queue.length + leader.lookups.size >= QUEUE_PROPOSALS_MAX || leader.queueBytes + bytes > QUEUE_BYTES_MAX;
  if (isFull || bytes > BLOCK_BYTES_MAX || proposal.events.length > BLOCK_EVENTS_MAX) return refuse("queue_full");

  for (const reservation of reservations(proposal)) {
    const of = leader.reserved.get(reservation);
    if (of !== undefined) return void core.effects.push({ kind: "in_progress", proposalId: proposal.proposalId, of });
  }
  const first = proposal.events[0] as PreparedEvent;
  const { idempotencyKey: key, sourceAppId } = first;
  const known =
    core.duplicates.heightOfId(first.id) ??
    (key === undefined ? undefined : core.duplicates.heightOfKey(sourceAppId, key));
  if (known !== undefined) return duplicate(core, proposal.proposalId, known);

  for (const reservation of reservations(proposal)) leader.reserved.set(reservation, proposal.proposalId);
  if (key === undefined) return enqueue(core, leader, { proposal, bytes });
  leader.lookups.set(proposal.proposalId, proposal);
  core.effects.push({ kind: "look_up_key", proposalId: proposal.proposalId, sourceAppId, idempotencyKey: key });
}

export function onKeyLookedUp(core: Core, proposalId: number, found: { height: Height } | null): void {
  const { leader } = core;
  const proposal = leader?.lookups.get(proposalId);
  // The role changed meanwhile: the proposal was refused then.
  if (leader === null || proposal === undefined) return;
  leader.lookups.delete(proposalId);
  if (found === null) {
    const bytes = proposal.events.reduce((sum, event) => sum + eventBytesBound(event), 0);
    return enqueue(core, leader, { proposal, bytes });
  }
  release(leader, proposal);
  duplicate(core, proposalId, found.height);
}

function duplicate(core: Core, proposalId: number, at: Height): void {
  const blockHash = at <= core.log.commitHeight ? null : (core.log.at(at)?.blockHash ?? null);
  core.effects.push({ kind: "duplicate", proposalId, height: at, blockHash });
}

function enqueue(core: Core, leader: LeaderState, queued: Queued): void {
  leader.queue.push(queued);
  leader.queueBytes += queued.bytes;
  trySeal(core);
}

function release(leader: LeaderState, proposal: Proposal): void {
  for (const reservation of reservations(proposal)) leader.reserved.delete(reservation);
}

/** Seals the next block when the one before is committed: group commit. */
export function trySeal(core: Core): void {
  const { leader, log } = core;
  if (leader === null || log.tail.height - log.commitHeight >= INFLIGHT_BLOCKS_MAX) return;
  const control = leader.controls.shift();
  if (control !== undefined) return seal(core, [], control);
  if (log.tail.range.size - core.projectedSize >= UNPROJECTED_EVENTS_MAX) return refuseExpired(core, leader);
  const taken = takeQueued(core, leader);
  if (taken.length > 0) seal(core, taken);
}

/** Whatever is in no block at its deadline is certainly not written, and never will be. */
function refuseExpired(core: Core, leader: LeaderState): void {
  const refuse = (proposal: Proposal): void => {
    release(leader, proposal);
    core.effects.push({ kind: "refused", proposalId: proposal.proposalId, reason: "expired" });
  };
  while (leader.queue[0] !== undefined && core.now >= leader.queue[0].proposal.deadline)
    refuse(dequeue(leader).proposal);
  for (const [proposalId, proposal] of leader.lookups) {
    if (core.now < proposal.deadline) continue;
    leader.lookups.delete(proposalId);
    refuse(proposal);
  }
}

function dequeue(leader: LeaderState): Queued {
  const queued = leader.queue.shift() as Queued;
  leader.queueBytes -= queued.bytes;
  return queued;
}

function takeQueued(core: Core, leader: LeaderState): Proposal[] {
  const taken: Proposal[] = [];
  let bytes = 0;
  let events = 0;
  for (;;) {
    refuseExpired(core, leader);
    const head = leader.queue[0];
    if (head === undefined) break;
    const { ifPreviousHash } = head.proposal;
    if (bytes + head.bytes > BLOCK_BYTES_MAX || events + head.proposal.events.length > BLOCK_EVENTS_MAX) break;
    // A condition on the head is judged against committed events: it opens a block or waits for the next one.
    if (ifPreviousHash !== undefined && taken.length > 0) break;
    const { proposal } = dequeue(leader);
    release(leader, proposal);
    const { headHash, range } = core.log.tail;
    if (ifPreviousHash !== undefined && ifPreviousHash !== headHash) {
      core.effects.push({ kind: "head_differs", proposalId: proposal.proposalId, headHash, nextSequence: range.size });
      continue;
    }
    taken.push(proposal);
    bytes += head.bytes;
    events += proposal.events.length;
  }
  return taken;
}

/** At most one header a height and term: a sealed block is never sealed again, whatever becomes of its insert. */
function seal(core: Core, proposals: readonly Proposal[], control?: Control): void {
  const before = core.log.tail;
  const sealed = sealBlock(
    before,
    {
      term: core.term,
      leaderId: core.selfId,
      events: proposals.flatMap((proposal) => proposal.events),
      now: core.wall,
      commitHeight: core.log.commitHeight,
      ...(control === undefined ? {} : { control }),
    },
    core.ports.signer,
  );
  core.storeBlock(sealed);
  let from = 0;
  for (const { proposalId, events } of proposals) {
    const logged = sealed.events.slice(from, from + events.length);
    from += events.length;
    const { height: at, blockHash, term } = sealed.next;
    core.effects.push({ kind: "sealed", proposalId, height: at, blockHash, events: logged, term });
  }
  for (const id of core.leader?.progress.keys() ?? []) replicate(core, id);
}

// --- Replication -----------------------------------------------------------------------------------------------------

/** Sends the next blocks to a follower that has none on its way. */
function replicate(core: Core, id: NodeId): void {
  const peer = core.leader?.progress.get(id);
  if (core.leader === null || peer === undefined) return;
  if (peer.inflight !== null || peer.readId !== null || core.now < peer.pausedUntil) return;
  if (peer.next > core.log.tail.height) return;
  if (peer.next > core.log.baseHeight) {
    const limit = { bytesMax: CATCH_UP_BYTES_MAX, blocksMax: CATCH_UP_BLOCKS_MAX };
    return sendAppend(core, id, peer, core.log.slice(peer.next, limit));
  }
  peer.readId = core.leader.nextReadId++;
  core.effects.push({ kind: "read_blocks", readId: peer.readId, from: peer.next, bytesMax: CATCH_UP_BYTES_MAX });
}

export function onBlocksRead(core: Core, readId: number, blocks: readonly Block[]): void {
  for (const [id, peer] of core.leader?.progress ?? []) {
    if (peer.readId !== readId) continue;
    peer.readId = null;
    if (blocks[0]?.header.height === peer.next) sendAppend(core, id, peer, blocks.slice(0, CATCH_UP_BLOCKS_MAX));
    else if (blocks.length === 0) peer.pausedUntil = core.now + core.config.electionTimeoutMs;
    else replicate(core, id);
  }
}

function sendAppend(core: Core, id: NodeId, peer: Progress, blocks: readonly Block[]): void {
  const { log } = core;
  let previousHeight = height(peer.next - 1);
  let previousHash = blocks[0]?.header.previousBlockHash ?? log.at(previousHeight)?.blockHash;
  if (previousHash === undefined) {
    // A heartbeat to a follower far behind: it cannot be compared there, so it is told where the log ends.
    previousHeight = log.tail.height;
    previousHash = log.tail.blockHash;
  }
  peer.round += 1;
  peer.lastSentAt = core.now;
  peer.sentCommit = log.commitHeight;
  if (blocks.length > 0) peer.inflight = { round: peer.round, sentAt: core.now };
  const body: PeerBody = {
    kind: "append",
    round: peer.round,
    previousHeight,
    previousHash,
    commitHeight: log.commitHeight,
    acknowledgedHeight: peer.match,
    isCoordinator: peer.round === 1,
  };
  core.send(id, body, { blocks });
}

export function onAppendAnswer(core: Core, message: PeerMessage, answer: Answer): void {
  const { leader } = core;
  const peer = leader?.progress.get(message.from);
  // Answers of old terms say nothing about what this leader sent.
  if (leader === null || peer === undefined || message.term !== core.term) return;
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
    peer.isVoter = answer.isVoter;
    peer.isStoreHealthy = answer.isStoreHealthy;
    peer.learner = answer.member ?? null;
  }
  if (answer.round === peer.inflight?.round) peer.inflight = null;
  // A later message found that the follower lacks what the append on its way builds on: that one was lost, or will fail.
  const isAhead = answer.result === "mismatch" && answer.commitHeight + 1 < peer.next;
  if (isLatest && isAhead && answer.round > (peer.inflight?.round ?? answer.round)) peer.inflight = null;
  takeResult(core, peer, answer, isLatest && peer.inflight === null);
  maybeCommit(core);
  maybeAdmit(core, message.from, peer);
  replicate(core, message.from);
}

function takeResult(core: Core, peer: Progress, answer: Answer, canRestart: boolean): void {
  switch (answer.result) {
    case "ok":
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
      return;
  }
}

/**
 * Whether a follower's word counts: it is a voter in its own eyes, which says that the record of its admission is
 * committed, and by the join admitted last in this log. A new leader may not know yet that the record is committed,
 * and could never commit anything if it waited to know: as with votes, the log's tail names the joins.
 */
const counts = (core: Core, id: NodeId, peer: Progress): boolean =>
  peer.isVoter && core.membersAt(core.log.tail.members).get(id)?.joinNonce === peer.joinNonce;

function countedPeers(core: Core): [NodeId, Progress][] {
  return [...(core.leader?.progress ?? [])].filter(([id, peer]) => counts(core, id, peer));
}

/** Commits the highest block of this term that is durable on a majority; older ones commit with it. */
export function maybeCommit(core: Core): void {
  const { leader, log } = core;
  if (leader === null) return;
  const peers = countedPeers(core);
  if (leader.mustConfirm) {
    const confirmed = peers.filter(([, peer]) => peer.answeredRound >= peer.confirmRound).length + 1;
    if (confirmed < core.quorum) return;
    leader.mustConfirm = false;
  }
  const heights = [log.durableHeight, ...peers.map(([, peer]) => peer.match)];
  const reached = height(majorityHeight(heights, core.members.size));
  const through = height(Math.min(reached, log.durableHeight));
  if (through <= log.commitHeight || log.at(through)?.term !== core.term) return;
  const acknowledgedBy = [core.selfId, ...peers.filter(([, peer]) => peer.match >= through).map(([id]) => id)].sort();
  core.advanceCommit(through, acknowledgedBy);
  core.confirmedHeight = log.commitHeight;
  leader.noticeDueAt ??= core.now + COMMIT_NOTICE_MS;
  trySeal(core);
}

// --- Admission -------------------------------------------------------------------------------------------------------

/** A learner with the keys that the log names is admitted by itself; one with new keys by a person or by configuration. */
function maybeAdmit(core: Core, id: NodeId, peer: Progress): void {
  if (peer.learner === null || !wantsAdmission(core, peer)) return;
  const known = core.log.tail.members.get(id);
  const hasKnownKeys = known !== undefined && known.keys.block === peer.learner.keys.block;
  if (hasKnownKeys) admit(core, id, { actor: id, reason: "rejoined with its known keys" });
  else if (core.config.admitsNewKeys) admit(core, id, { actor: id, reason: "admitted by ADMIT_NEW_KEYS" });
}

const wantsAdmission = (core: Core, peer: Progress): boolean =>
  peer.learner !== null && !peer.isVoter && peer.match >= core.log.commitHeight && core.log.commitHeight > 0;

export function admit(core: Core, id: NodeId, by: { actor: string; reason: string }): void {
  const { leader } = core;
  const learner = leader?.progress.get(id)?.learner;
  const members = core.log.tail.members;
  if (leader == null || learner == null || learner.id !== id || members.get(id)?.joinNonce === learner.joinNonce)
    return;
  const isWaiting = leader.controls.some((control) => control.kind === "node_admitted" && control.node === id);
  if (isWaiting || leader.controls.length >= ADMISSIONS_WAITING_MAX) return;
  const twin = [...members.values()].find((member) => member.id !== id && member.storeId === learner.storeId);
  if (twin !== undefined) {
    const detail = `${id} has the storeId of ${twin.id}: one database was copied to the other; give ${id} an empty one`;
    return core.alert({ alertKind: "duplicate_store_id", accused: id, detail });
  }
  const { joinNonce, storeId, keys } = learner;
  leader.controls.push({ kind: "node_admitted", node: id, joinNonce, storeId, keys, ...by });
  trySeal(core);
}

// --- Time ------------------------------------------------------------------------------------------------------------

export function onLeaderTick(core: Core, gapMs: number): void {
  const { leader, config } = core;
  if (leader === null) return;
  const heard =
    countedPeers(core).filter(([, peer]) => core.now - peer.lastContact <= config.electionTimeoutMs).length + 1;
  const isSettled = core.now - core.lastLeaderContact > config.electionTimeoutMs;
  if (heard < core.quorum && isSettled) {
    return core.becomeFollower(null, "it has not heard from a majority for an election timeout");
  }
  if (core.isStalled && hasLevelHealthyVoter(core)) {
    core.becomeFollower(null, "its store does not answer, and a level voter's does");
    return core.armElection(3);
  }
  if (gapMs > config.electionTimeoutMs / 2) {
    // It was paused: another leader may have been elected meanwhile. Nothing is acknowledged before a majority answers.
    leader.mustConfirm = core.quorum > 1;
    for (const peer of leader.progress.values()) peer.confirmRound = peer.round + 1;
  }
  refuseExpired(core, leader);
  for (const [id, peer] of leader.progress) {
    if (peer.inflight !== null && core.now - peer.inflight.sentAt > config.electionTimeoutMs) peer.inflight = null;
    replicate(core, id);
    if (core.now - peer.lastSentAt >= config.heartbeatMs || gapMs > config.electionTimeoutMs / 2)
      sendAppend(core, id, peer, []);
  }
  sendNotices(core, leader);
  trySeal(core);
}

function sendNotices(core: Core, leader: LeaderState): void {
  if (leader.noticeDueAt === null || core.now < leader.noticeDueAt) return;
  leader.noticeDueAt = null;
  for (const [id, peer] of leader.progress) {
    if (peer.sentCommit < core.log.commitHeight) sendAppend(core, id, peer, []);
  }
}

function hasLevelHealthyVoter(core: Core): boolean {
  return countedPeers(core).some(([, peer]) => peer.isStoreHealthy && peer.match >= core.log.durableHeight);
}

/** A refused connection: what was on its way did not arrive, so it can be sent again at the next heartbeat. */
export function onPeerUnreachable(core: Core, id: NodeId): void {
  const peer = core.leader?.progress.get(id);
  if (peer !== undefined) peer.inflight = null;
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
