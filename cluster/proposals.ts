import type { Height } from "../shared/ids.js";
import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../shared/limits.js";
import { eventBytesBound } from "../shared/log/body.js";
import { sealBlock } from "../shared/log/chain.js";
import type { Control } from "../shared/log/control.js";
import type { PreparedEvent } from "../shared/log/event.js";
import { sealingTime } from "./clocks.js";
import type { Core } from "./core.js";
import { type LeaderState, type PendingRefusal, type Queued, waitingWrites } from "./leader-state.js";
import { refuseOnceConfirmed } from "./read-index.js";
import { replicate, sealBytesMax } from "./replication.js";
import { keysOf, release, reservations } from "./reservations.js";
import type { LookUpFailure, Proposal, ProposalRefusal } from "./types.js";

/** Sealed and not yet committed blocks; while one is made durable, the next one fills. */
const INFLIGHT_BLOCKS_MAX = 1;
/** How long the next block waits for writes after a commit: as long as the last block took, and no longer than this. */
const GATHER_MS_MAX = 20;

/** Takes one write: answers a duplicate, looks a key up, or queues it for the next block. */
export function propose(core: Core, proposal: Proposal): void {
  const refuse = (reason: ProposalRefusal): void => {
    core.effects.push({ kind: "refused", proposalId: proposal.proposalId, reason });
  };
  const { leader } = core;
  if (leader === null) return refuse(core.isLearner ? "unavailable" : "not_leader");
  if (core.now >= proposal.deadline) return refuse("expired");
  for (const reservation of reservations(proposal)) {
    const of = leader.reserved.get(reservation);
    if (of !== undefined) return void core.effects.push({ kind: "in_progress", proposalId: proposal.proposalId, of });
  }
  const first = proposal.events[0] as PreparedEvent;
  const keys = keysOf(proposal);
  const heights = keys.map((key) => core.duplicates.heightOfKey(key.sourceAppId, key.idempotencyKey));
  const known = core.duplicates.heightOfId(first.id) ?? heights.find((at) => at !== undefined);
  if (known !== undefined) return duplicate(core, proposal.proposalId, known);

  // An earlier attempt of this write may stand where the ids are no longer known.
  if (proposal.sinceHeight + 1 < core.duplicates.idsFrom) return refuse("cannot_tell");

  const bytes = proposal.events.reduce((sum, event) => sum + eventBytesBound(event), 0);
  const { queuedWritesMax, queuedBytesMax } = core.config.limits;
  const isFull = waitingWrites(leader) >= queuedWritesMax || leader.queueBytes + bytes > queuedBytesMax;
  if (isFull || bytes > BLOCK_BYTES_MAX || proposal.events.length > BLOCK_EVENTS_MAX) return refuse("queue_full");

  for (const reservation of reservations(proposal)) leader.reserved.set(reservation, proposal.proposalId);
  leader.queueBytes += bytes;
  if (keys.length === 0) return enqueue(core, leader, { proposal, bytes });
  leader.lookUps.set(proposal.proposalId, { proposal, bytes, askedAt: core.now, open: keys.length });
  for (const key of keys) core.effects.push({ kind: "look_up_key", proposalId: proposal.proposalId, ...key });
}

export function onKeyLookedUp(core: Core, proposalId: number, found: { height: Height } | null): void {
  const { leader } = core;
  const lookUp = leader?.lookUps.get(proposalId);
  // The role changed meanwhile, and the proposal was refused then; or another of its keys was found.
  if (leader === null || lookUp === undefined) return;
  lookUp.open -= 1;
  if (found === null && lookUp.open > 0) return;
  leader.lookUps.delete(proposalId);
  if (found === null) return enqueue(core, leader, lookUp);
  release(leader, lookUp);
  duplicate(core, proposalId, found.height);
}

/** Whether the key was used is not known, so the write is not taken. */
export function onKeyLookUpFailed(core: Core, proposalId: number, reason: LookUpFailure): void {
  const { leader } = core;
  const lookUp = leader?.lookUps.get(proposalId);
  if (leader === null || lookUp === undefined) return;
  leader.lookUps.delete(proposalId);
  release(leader, lookUp);
  core.effects.push({ kind: "refused", proposalId, reason });
}

function duplicate(core: Core, proposalId: number, at: Height): void {
  const blockHash = at <= core.log.commitHeight ? null : (core.log.at(at)?.blockHash ?? null);
  core.effects.push({ kind: "duplicate", proposalId, height: at, blockHash });
}

function enqueue(core: Core, leader: LeaderState, queued: Queued): void {
  leader.queue.push(queued);
  trySeal(core);
}

/**
 * Whoever was just answered will often write again at once: the next block waits for as many writes as were in the one
 * before and in the queue, no longer than the block before took. Without it the first to come would get a block
 * alone, and all others the next one: twice as many blocks.
 */
export function gather(core: Core, leader: LeaderState): void {
  const { at, writes } = leader.sealed;
  const waitMs = Math.min(GATHER_MS_MAX, core.now - at);
  leader.gathering = { writes: leader.queue.length + writes, until: core.now + waitMs };
}

/** Seals the next block when the one before is committed: group commit. */
export function trySeal(core: Core): void {
  const { leader, log } = core;
  if (leader === null || log.tail.height === 0) return;
  if (leader.gathering !== null && core.now >= leader.gathering.until) leader.gathering = null;
  if (log.tail.height - log.commitHeight >= INFLIGHT_BLOCKS_MAX) return;
  if (leader.transfer !== null) return refuseExpired(core, leader);
  const control = leader.controls.shift();
  if (control !== undefined) return seal(core, [], control);
  if (leader.gathering !== null && leader.queue.length < leader.gathering.writes) return;
  leader.gathering = null;
  const taken = takeQueued(core, leader);
  if (taken.length > 0) seal(core, taken);
}

/** Whatever is in no block at its deadline is certainly not written, and never will be. */
export function refuseExpired(core: Core, leader: LeaderState): void {
  for (let head = leader.queue.first; head !== undefined; head = leader.queue.first) {
    if (core.now < head.proposal.deadline) return;
    leader.queue.shift();
    refuseAsExpired(core, leader, head);
  }
}

/** Look-ups and refusals can be many, so they are looked through once a tick only. */
export function refuseExpiredWaiting(core: Core, leader: LeaderState): void {
  for (const [proposalId, lookUp] of leader.lookUps) {
    if (core.now < lookUp.proposal.deadline) continue;
    leader.lookUps.delete(proposalId);
    refuseAsExpired(core, leader, lookUp);
  }
  const waiting: PendingRefusal[] = [];
  for (const refusal of leader.refusals) {
    if (core.now < refusal.queued.proposal.deadline) waiting.push(refusal);
    else refuseAsExpired(core, leader, refusal.queued);
  }
  leader.refusals = waiting;
}

function refuseAsExpired(core: Core, leader: LeaderState, queued: Queued): void {
  release(leader, queued);
  core.effects.push({ kind: "refused", proposalId: queued.proposal.proposalId, reason: "expired" });
}

function takeQueued(core: Core, leader: LeaderState): Proposal[] {
  const taken: Proposal[] = [];
  const refused: Omit<PendingRefusal, "rounds">[] = [];
  const bytesMax = Math.min(BLOCK_BYTES_MAX, sealBytesMax(core));
  let bytes = 0;
  let events = 0;
  for (;;) {
    refuseExpired(core, leader);
    const head = leader.queue.first;
    if (head === undefined) break;
    const { proposal } = head;
    const { ifPreviousHash } = proposal;
    const isTooLarge = bytes + head.bytes > bytesMax || events + proposal.events.length > BLOCK_EVENTS_MAX;
    if (isTooLarge && taken.length > 0) break;
    // A condition on the head is judged against committed events: it opens a block or waits for the next one.
    if (ifPreviousHash !== undefined && taken.length > 0) break;
    leader.queue.shift();
    const { headHash, range } = core.log.tail;
    if (ifPreviousHash !== undefined && ifPreviousHash !== headHash) {
      refused.push({ queued: head, headHash, nextSequence: range.size });
      continue;
    }
    release(leader, head);
    taken.push(proposal);
    bytes += head.bytes;
    events += proposal.events.length;
  }
  refuseOnceConfirmed(core, leader, refused);
  return taken;
}

/** At most one header a height and term: a sealed block is never sealed again, whatever becomes of its insert. */
export function seal(core: Core, proposals: readonly Proposal[], control?: Control): void {
  const before = core.log.tail;
  const sealed = sealBlock(
    before,
    {
      term: core.term,
      leaderId: core.selfId,
      events: proposals.flatMap((proposal) => proposal.events),
      now: sealingTime(core),
      commitHeight: core.log.commitHeight,
      ...(control === undefined ? {} : { control }),
    },
    core.ports.signer,
  );
  if (core.leader !== null) core.leader.sealed = { at: core.now, writes: proposals.length };
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
