import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../shared/limits.js";
import { sealBlock } from "../shared/log/chain.js";
import type { Control } from "../shared/log/control.js";
import { sealingTime } from "./clocks.js";
import type { Core } from "./core.js";
import { refuseExpired } from "./deadlines.js";
import { goOnGathering } from "./gathering.js";
import type { LeaderState } from "./leader-state.js";
import { type PendingRefusal, refuseOnceConfirmed } from "./read-index.js";
import { replicate, sealBytesMax } from "./replication.js";
import { release } from "./reservations.js";
import type { Proposal } from "./types.js";

/** Sealed and not yet committed blocks; while one is made durable, the next one fills. */
const INFLIGHT_BLOCKS_MAX = 1;

/** Seals the next block when the one before is committed: group commit. */
export function trySeal(core: Core): void {
  const { leader, log } = core;
  if (leader === null || log.tail.height === 0) return;
  goOnGathering(core, leader);
  if (log.tail.height - log.commitHeight >= INFLIGHT_BLOCKS_MAX) return;
  if (leader.transfer !== null) return refuseExpired(core, leader);
  const control = leader.controls.shift();
  if (control !== undefined) return seal(core, leader, [], control);
  if (leader.gathering !== null && leader.queue.length < leader.gathering.writes) return;
  leader.gathering = null;
  const taken = takeQueued(core, leader);
  if (taken.length > 0) seal(core, leader, taken);
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
export function seal(core: Core, leader: LeaderState, proposals: readonly Proposal[], control?: Control): void {
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
  leader.sealed = { at: core.now, writes: proposals.length };
  core.storeBlock(sealed);
  let from = 0;
  for (const { proposalId, events } of proposals) {
    const logged = sealed.events.slice(from, from + events.length);
    from += events.length;
    const { height: at, blockHash, term } = sealed.next;
    core.effects.push({ kind: "sealed", proposalId, height: at, blockHash, events: logged, term });
  }
  for (const [id, peer] of leader.progress) replicate(core, id, peer);
}
