import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../shared/limits.js";
import { eventBytesBound } from "../shared/log/body.js";
import type { Core } from "./core.js";
import { answerIfKnown, lookUpKeys } from "./idempotency.js";
import { waitingWrites } from "./leader-state.js";
import { reserve } from "./reservations.js";
import { trySeal } from "./sealing.js";
import type { Proposal } from "./types.js";

/** Takes writes that came together: all are queued before a block is sealed, so that the first does not get one alone. */
export function propose(core: Core, proposals: readonly Proposal[]): void {
  const queued = core.leader?.queue.length;
  for (const proposal of proposals) take(core, proposal);
  if (core.leader?.queue.length !== queued) trySeal(core);
}

/** Answers a duplicate, looks a key up, or queues the write for the next block. */
function take(core: Core, proposal: Proposal): void {
  const { leader } = core;
  if (leader === null) return core.refuse(proposal.proposalId, core.isLearner ? "unavailable" : "not_leader");
  if (core.now >= proposal.deadline) return core.refuse(proposal.proposalId, "expired");
  if (answerIfKnown(core, leader, proposal)) return;
  const bytes = proposal.events.reduce((sum, event) => sum + eventBytesBound(event), 0);
  const { queuedWritesMax, queuedBytesMax } = core.config.limits;
  const isFull = waitingWrites(leader) >= queuedWritesMax || leader.queueBytes + bytes > queuedBytesMax;
  if (isFull || bytes > BLOCK_BYTES_MAX || proposal.events.length > BLOCK_EVENTS_MAX)
    return core.refuse(proposal.proposalId, "queue_full");
  const queued = { proposal, bytes };
  reserve(leader, queued);
  lookUpKeys(core, leader, queued);
}
