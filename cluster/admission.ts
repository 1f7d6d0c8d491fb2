import { utf8 } from "../shared/bytes.js";
import { sha256Hex } from "../shared/hash.js";
import type { NodeId } from "../shared/ids.js";
import type { LearnerNote } from "./codes.js";
import type { Core } from "./core.js";
import type { Progress } from "./leader-state.js";
import { trySeal } from "./sealing.js";
import { armElection } from "./timeouts.js";

export class Admission {
  /** Its admission is committed, and that is not durable here yet. */
  isMarking = false;
  joins = 0;
}

/**
 * A node that cannot trust its own memory is a learner: it replicates, and counts for nothing, until the committed part of
 * its own log admits its present join, and its mark says so. The leader proposes that once the learner has caught up.
 */
export const isLearner = (core: Core): boolean => core.admission.isMarking || !isAdmitted(core);

export const isAdmitted = (core: Core): boolean => core.members.get(core.selfId)?.joinNonce === core.hard.joinNonce;

/** A fresh join, made when this node finds that it lost what it had acknowledged: it counts for nothing until admitted. */
export function becomeLearner(core: Core, why: LearnerNote, change: { readonly forming?: null } = {}): void {
  core.admission.joins += 1;
  const nonce = sha256Hex(utf8(`${core.config.nextJoinNonce}/${core.admission.joins}`)).slice(0, 32);
  core.note(why);
  core.following.pendingAnswers = [];
  core.saveState({ ...change, joinNonce: nonce });
}

/**
 * Nothing in its log says yet that the record is committed: without the mark, a node that starts again after it has been
 * counted on would be a learner.
 */
export function onAdmitted(core: Core): void {
  core.admission.isMarking = true;
  core.saveMark();
}

export function onMarkSaved(core: Core): void {
  core.admission.isMarking = false;
  core.note({ code: "admitted" });
  armElection(core);
}

/** A learner with the keys that the log names is admitted by itself; one with new keys by a person or by configuration. */
export function maybeAdmit(core: Core, id: NodeId, peer: Progress): void {
  if (peer.learner === null || !wantsAdmission(core, peer)) return;
  const known = core.log.tail.members.get(id);
  const hasKnownKeys = known !== undefined && known.keys.block === peer.learner.keys.block;
  const { knownKeys, newKeys } = core.config.admissionReasons;
  if (hasKnownKeys) admit(core, id, { actor: id, reason: knownKeys });
  else if (core.config.admitsNewKeys) admit(core, id, { actor: id, reason: newKeys });
}

export const wantsAdmission = (core: Core, peer: Progress): boolean =>
  peer.learner !== null && !peer.isVoter && peer.match >= core.log.commitHeight && core.log.commitHeight > 0;

export function admit(core: Core, id: NodeId, by: { actor: string; reason: string }): void {
  const { leader } = core;
  const learner = leader?.progress.get(id)?.learner;
  const members = core.log.tail.members;
  if (leader == null || learner == null || learner.id !== id || members.get(id)?.joinNonce === learner.joinNonce)
    return;
  const isWaiting = leader.controls.some((control) => control.kind === "node_admitted" && control.node === id);
  if (isWaiting || leader.controls.length >= core.config.limits.waitingAdmissionsMax) return;
  const twin = [...members.values()].find((member) => member.id !== id && member.storeId === learner.storeId);
  if (twin !== undefined) {
    const finding = { code: "learner_store_shared", twin: twin.id } as const;
    return core.alert({ alertKind: "duplicate_store_id", accused: id, finding });
  }
  const { joinNonce, storeId, keys } = learner;
  leader.controls.push({ kind: "node_admitted", node: id, joinNonce, storeId, keys, ...by });
  trySeal(core);
}
