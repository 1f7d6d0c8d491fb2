import type { PreparedEvent } from "../shared/log/event.js";
import type { LeaderState, Queued } from "./leader-state.js";
import type { Proposal } from "./types.js";

interface Key {
  readonly sourceAppId: string;
  readonly idempotencyKey: string;
}

/** The keys of a write: one, or for a batch one in each of its sources. */
export function keysOf({ events }: Proposal): Key[] {
  const keys = new Map<string, Key>();
  for (const { sourceAppId, idempotencyKey } of events)
    if (idempotencyKey !== undefined)
      keys.set(reservation({ sourceAppId, idempotencyKey }), { sourceAppId, idempotencyKey });
  return [...keys.values()];
}

const reservation = ({ sourceAppId, idempotencyKey }: Key): string => `key ${sourceAppId}\u0000${idempotencyKey}`;

/** What no other write may have while this one waits: its id, its keys. */
export const reservations = (proposal: Proposal): string[] => [
  `id ${(proposal.events[0] as PreparedEvent).id}`,
  ...keysOf(proposal).map(reservation),
];

export function reserve(leader: LeaderState, { proposal, bytes }: Queued): void {
  for (const reservation of reservations(proposal)) leader.reserved.set(reservation, proposal.proposalId);
  leader.queueBytes += bytes;
}

export function release(leader: LeaderState, { proposal, bytes }: Queued): void {
  leader.queueBytes -= bytes;
  for (const reservation of reservations(proposal)) leader.reserved.delete(reservation);
}
