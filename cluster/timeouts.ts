import type { NodeId } from "../shared/ids.js";
import type { Core } from "./core.js";

/** A node that should not lead waits this many timeouts, so that any other may try first. */
export const LATE_FACTOR = 3;
/** Timeouts are drawn anew each time, between 1 and 1.3 times the leader's, or this node's own if it knows no leader. */
const TIMEOUT_SPREAD = 0.3;

/** A node waits for a leader as long as the one says that it followed last, and longer if it should not lead itself. */
export function armElection(core: Core, factor = 1): void {
  const late = core.campaignsLate ? LATE_FACTOR : 1;
  const spread = 1 + TIMEOUT_SPREAD * core.random.next();
  core.election.waitMs = core.leaderTimeoutMs * spread * late * factor;
  core.election.deadline = core.now + core.election.waitMs;
}

/** The leader's word. Both may be as they should; nodes configured alike elect sooner, or more calmly. */
export function onAnnouncedTimeout(core: Core, leaderId: NodeId, timeoutMs: number): void {
  const own = core.config.electionTimeoutMs;
  const { following } = core;
  following.announcedTimeoutMs = timeoutMs;
  if (timeoutMs === own || timeoutMs === following.saidTimeoutMs) return;
  following.saidTimeoutMs = timeoutMs;
  core.note({ code: "timeouts_differ", node: leaderId, theirMs: timeoutMs, ownMs: own });
}
