import type { Core } from "./core.js";
import type { LeaderState, Progress } from "./leader-state.js";
import { sendAppend } from "./replication.js";

/** A commit rides on the next append; a notice of its own leaves if none does within this time, nor as long as one gathers. */
const COMMIT_NOTICE_MS = 5;
/** Whoever has not answered the blocks on their way is told with what it gets then, if it answers within this time. */
const ANSWER_MS = 20;

/** When this follower gets a notice of its own; null if it has been told of all that is committed. */
function dueAt({ log }: Core, leader: LeaderState, peer: Progress): number | null {
  if (peer.sentCommit >= log.commitHeight) return null;
  const answeredBy = peer.inflight === null ? 0 : peer.inflight.sentAt + ANSWER_MS;
  // The next block is about to leave, and takes it along: a notice before it would be as many messages again.
  return Math.max(leader.committedAt + COMMIT_NOTICE_MS, answeredBy, leader.gathering?.until ?? 0);
}

/** When the next notice leaves. */
export function noticesDueAt(core: Core, leader: LeaderState): number | null {
  let first: number | null = null;
  for (const peer of leader.progress.values()) {
    const at = dueAt(core, leader, peer);
    if (at !== null && (first === null || at < first)) first = at;
  }
  return first;
}

export function sendNotices(core: Core, leader: LeaderState): void {
  for (const [id, peer] of leader.progress) {
    const at = dueAt(core, leader, peer);
    if (at !== null && at <= core.now) sendAppend(core, id, peer, []);
  }
}
