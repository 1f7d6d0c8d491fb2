import type { Core } from "./core.js";
import type { LeaderState, Progress } from "./leader-state.js";
import { sendAppend } from "./replication.js";

/** A commit rides on the next append; a notice of its own leaves if none does within this time, nor as long as one gathers. */
const COMMIT_NOTICE_MS = 5;

/** When this follower gets a notice of its own; null if it has been told of all that is committed and known to be stored there. */
function dueAt({ log }: Core, leader: LeaderState, peer: Progress): number | null {
  if (peer.sentCommit >= Math.min(log.commitHeight, peer.match)) return null;
  const { committedAt, gathering } = leader;
  // The next block is about to leave, and takes it along: a notice before it would be as many messages again. Whoever writes
  // alone may read now in place of writing.
  const isOneToCome = gathering !== null && gathering.writes > 1;
  return Math.max(committedAt + COMMIT_NOTICE_MS, isOneToCome ? gathering.until : 0);
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
