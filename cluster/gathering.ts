import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../shared/limits.js";
import type { Core } from "./core.js";
import type { LeaderState, Queued } from "./leader-state.js";
import { sealBytesMax } from "./replication.js";

/** How long the next block waits for writes after a commit, at most. */
const GATHER_MS_MAX = 40;
/** Writes are still coming as long as the newest came within this part of the wait: it goes on, twice as long at most. */
const STILL_COMING = 1 / 4;

/** After a commit: the next block waits for this many writes, until this time. */
export interface Gathering {
  readonly writes: number;
  readonly until: number;
  readonly stillComingMs: number;
  /** However many are still coming. */
  readonly latest: number;
  /** What still fits into the next block. */
  readonly room: { events: number; bytes: number };
}

/**
 * Whoever was just answered will often write again at once: the next block waits for as many writes as were in the one
 * before and in the queue, no longer than the block before took. Without it the first to come would get a block
 * alone, and all others the next one: twice as many blocks. Where most wait already it waits for the few others as much
 * shorter, and where they are just coming it goes on: it would be small, and the next one late. A block that is full waits
 * for nobody.
 */
export function gather(core: Core, leader: LeaderState): void {
  const { at, writes: answered } = leader.sealed;
  const writes = leader.queue.length + answered;
  const waitMs = Math.min(1, (2 * answered) / Math.max(1, writes)) * (core.now - at);
  leader.gathering = {
    writes,
    until: core.now + Math.min(GATHER_MS_MAX, waitMs),
    stillComingMs: waitMs * STILL_COMING,
    latest: core.now + Math.min(GATHER_MS_MAX, 2 * waitMs),
    room: { events: BLOCK_EVENTS_MAX, bytes: Math.min(BLOCK_BYTES_MAX, sealBytesMax(core)) },
  };
  for (const queued of leader.queue) {
    fill(leader, queued);
    if (leader.gathering === null) return;
  }
}

function fill(leader: LeaderState, { proposal, bytes }: Queued): void {
  if (leader.gathering === null) return;
  const { room } = leader.gathering;
  room.events -= proposal.events.length;
  room.bytes -= bytes;
  if (room.events <= 0 || room.bytes <= 0) leader.gathering = null;
}

/** Its time may be over. */
export function goOnGathering(core: Core, leader: LeaderState): void {
  const { gathering } = leader;
  if (gathering === null || core.now < gathering.until) return;
  const until = Math.min(leader.queuedAt + gathering.stillComingMs, gathering.latest);
  leader.gathering = until > core.now ? { ...gathering, until } : null;
}

export function enqueue(core: Core, leader: LeaderState, queued: Queued): void {
  leader.queue.push(queued);
  leader.queuedAt = core.now;
  fill(leader, queued);
}
