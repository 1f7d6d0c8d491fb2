import type { Height } from "../shared/ids.js";
import type { PreparedEvent } from "../shared/log/event.js";
import type { Core } from "./core.js";
import { enqueue } from "./gathering.js";
import type { LeaderState, Queued } from "./leader-state.js";
import { keysOf, release, reservations } from "./reservations.js";
import { trySeal } from "./sealing.js";
import type { LookUpFailure, Proposal } from "./types.js";

export interface LookUp extends Queued {
  readonly askedAt: number;
  /** Keys of the write of which nothing has been heard. */
  open: number;
}

/**
 * Each event is logged once, however often its write is tried. A repetition is found by its id or keys: among the writes
 * that wait (reservations.ts), in the log's newest blocks (duplicates.ts), and, for keys, in the index. A write that may
 * stand where the ids are no longer known is not taken.
 */
export function answerIfKnown(core: Core, leader: LeaderState, proposal: Proposal): boolean {
  const { proposalId } = proposal;
  for (const reservation of reservations(proposal)) {
    const of = leader.reserved.get(reservation);
    if (of === undefined) continue;
    core.effects.push({ kind: "in_progress", proposalId, of });
    return true;
  }
  const known = heightOf(core, proposal);
  if (known !== undefined) {
    duplicate(core, proposalId, known);
    return true;
  }
  if (proposal.sinceHeight + 1 >= core.duplicates.idsFrom) return false;
  core.refuse(proposalId, "cannot_tell");
  return true;
}

function heightOf({ duplicates }: Core, proposal: Proposal): Height | undefined {
  const first = proposal.events[0] as PreparedEvent;
  const heights = keysOf(proposal).map((key) => duplicates.heightOfKey(key.sourceAppId, key.idempotencyKey));
  return duplicates.heightOfId(first.id) ?? heights.find((at) => at !== undefined);
}

/** A write with keys is queued once the index has said of each that it is new. */
export function lookUpKeys(core: Core, leader: LeaderState, queued: Queued): void {
  const { proposalId } = queued.proposal;
  const keys = keysOf(queued.proposal);
  if (keys.length === 0) return enqueue(core, leader, queued);
  leader.lookUps.set(proposalId, { ...queued, askedAt: core.now, open: keys.length });
  for (const key of keys) core.effects.push({ kind: "look_up_key", proposalId, ...key });
}

export function onKeyLookedUp(core: Core, proposalId: number, found: { height: Height } | null): void {
  const { leader } = core;
  const lookUp = leader?.lookUps.get(proposalId);
  // The role changed meanwhile, and the proposal was refused then; or another of its keys was found.
  if (leader === null || lookUp === undefined) return;
  lookUp.open -= 1;
  if (found === null && lookUp.open > 0) return;
  leader.lookUps.delete(proposalId);
  if (found === null) {
    enqueue(core, leader, lookUp);
    return trySeal(core);
  }
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
  core.refuse(proposalId, reason);
}

function duplicate(core: Core, proposalId: number, at: Height): void {
  const blockHash = at <= core.log.commitHeight ? null : (core.log.at(at)?.blockHash ?? null);
  core.effects.push({ kind: "duplicate", proposalId, height: at, blockHash });
}
