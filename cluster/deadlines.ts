import type { Core } from "./core.js";
import type { LeaderState, Queued } from "./leader-state.js";
import type { PendingRefusal } from "./read-index.js";
import { release } from "./reservations.js";

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
  core.refuse(queued.proposal.proposalId, "expired");
}
