import { canonicalText } from "../shared/canonical.js";
import type { HashHex, NodeId } from "../shared/ids.js";
import type { ChainState } from "../shared/log/chain.js";
import type { Member } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { becomeLearner } from "./admission.js";
import type { GenesisRefusal } from "./codes.js";
import type { Core } from "./core.js";
import type { LeaderState } from "./leader-state.js";
import { seal } from "./sealing.js";
import { armElection } from "./timeouts.js";

type Join = Extract<PeerBody, { kind: "join" }>;

/**
 * Each founder stores the list of all, and votes from then on. The first leader writes it into the genesis, once every
 * member is known to have stored it. Whoever is not on it, or meets a formed cluster, is a learner.
 */
export class Founding {
  /** Members heard while forming, by id, and when each was heard last. */
  readonly heard = new Map<NodeId, { readonly member: Member; readonly at: number }>();
  /** Members that were heard to have stored the same founding list; of no interest once there is a log. */
  readonly founders = new Set<NodeId>();
  lastJoinAt = Number.NEGATIVE_INFINITY;
  /** When a formed cluster was met last, or a list of founders without this join: this node waits to be admitted there. */
  metOthersAt = Number.NEGATIVE_INFINITY;
  /** Lists of founders of which somebody was told that they are not this node's, by their sender. */
  readonly otherLists = new Map<NodeId, HashHex>();
}

/** It has no list of founders and no log, and its identity belongs to none. */
const isNew = (core: Core): boolean =>
  core.hard.forming === null && core.log.commitHeight === 0 && core.config.formedClusterId === null;

export const isForming = (core: Core): boolean => isNew(core) && !isJoining(core);

/** Until nobody says so any more: what it met may have been moved away since, and all begin anew. */
const isJoining = (core: Core): boolean =>
  core.now - core.founding.metOthersAt <= JOINING_TIMEOUTS * core.config.electionTimeoutMs;
const JOINING_TIMEOUTS = 2;

/** It has the list, and the log has not begun. */
export const isFounding = (core: Core): boolean => core.log.tail.height === 0 && core.formingHash !== "";

/** Who has stored this node's list, by its own word or that of one which heard it. */
export function noteFounders(core: Core, message: PeerMessage): void {
  if (!isFounding(core) || message.formingHash === "") return;
  const { from, formingHash, body, clusterId } = message;
  if (formingHash !== core.formingHash && clusterId !== "" && body.kind === "append") leaveList(core, from);
  else if (formingHash === core.formingHash) {
    core.founding.founders.add(from);
    if (body.kind === "append_answer") for (const id of body.founders ?? []) core.founding.founders.add(id);
  } else if (core.founding.otherLists.get(from) !== formingHash) {
    core.founding.otherLists.set(from, formingHash);
    core.note({ code: "other_founders", node: from });
  }
}

/**
 * A log has begun with another list, as this node lost its disk while lists were made, and made one anew. A log begins with
 * a list that all have, so none begins with this one any more; it has stored nothing by it, and whatever it voted by it is
 * taken back with its join.
 */
function leaveList(core: Core, leaderId: NodeId): void {
  core.founding.metOthersAt = core.now;
  // Nobody has said anything yet of the next list, if there is one.
  core.founding.founders.clear();
  core.becomeFollower(null, { code: "other_log_begun" });
  becomeLearner(core, { code: "learner_of_other_log", node: leaderId }, { forming: null });
}

/** Members of the configuration that have not introduced themselves of late: one that was heard long ago may be another now. */
export const missingMembers = (core: Core): NodeId[] =>
  core.config.configured.map((node) => node.id).filter((id) => id !== core.selfId && !isHeard(core, id));

const isHeard = (core: Core, id: NodeId): boolean =>
  core.now - (core.founding.heard.get(id)?.at ?? Number.NEGATIVE_INFINITY) <= core.config.electionTimeoutMs;

/** Introduces this node until the founding list is complete, or a formed cluster is met. */
export function onFormingTick(core: Core): void {
  if (!isNew(core)) return;
  if (core.config.configured.length === 1) return adoptRecord(core, [core.self]);
  const { heartbeatMs, electionTimeoutMs } = core.config;
  if (core.now - core.founding.lastJoinAt < (isJoining(core) ? electionTimeoutMs : heartbeatMs)) return;
  core.founding.lastJoinAt = core.now;
  for (const { id } of core.config.configured) if (id !== core.selfId) core.send(id, introduction(core, true));
}

const introduction = (core: Core, wantsAnswer: boolean): PeerBody => ({
  kind: "join",
  member: core.self,
  configured: configuredIds(core),
  record: core.hard.forming === null ? null : [...core.hard.forming],
  isFormed: core.log.commitHeight > 0,
  wantsAnswer,
});

const configuredIds = (core: Core): NodeId[] => core.config.configured.map((node) => node.id).sort();

/** A node has the whole list once it has heard every configured member, or from one that has it and lists this store. */
export function onJoin(core: Core, message: PeerMessage, body: Join, ref: number | undefined): void {
  if (body.member.id !== message.from) return;
  if (body.wantsAnswer) core.send(message.from, introduction(core, false), { ref });
  if (!isNew(core)) return;
  if (canonicalText(body.configured) !== canonicalText(configuredIds(core))) {
    return core.note({ code: "other_configuration", node: message.from, members: body.configured });
  }
  if (body.record !== null || body.isFormed) return meetRecord(core, message.from, body);
  const heard = [...core.founding.heard.values()].map(({ member }) => member);
  const twin = [core.self, ...heard].find(({ id, storeId }) => id !== message.from && storeId === body.member.storeId);
  if (twin !== undefined) {
    const finding = { code: "founder_store_shared", twin: twin.id } as const;
    return core.alert({ alertKind: "duplicate_store_id", accused: message.from, finding });
  }
  core.founding.heard.set(message.from, { member: body.member, at: core.now });
  if (isJoining(core) || missingMembers(core).length > 0) return;
  adoptRecord(core, [core.self, ...[...core.founding.heard.values()].map(({ member }) => member)]);
}

function meetRecord(core: Core, from: NodeId, body: Join): void {
  const mine = body.record?.find((member) => member.id === core.selfId);
  const listsThisJoin =
    mine !== undefined && mine.storeId === core.self.storeId && mine.joinNonce === core.self.joinNonce;
  // A formed cluster may have decided without this node since: its log, not the list, says who votes.
  if (listsThisJoin && body.record !== null && core.log.tail.height === 0) return adoptRecord(core, body.record);
  if (!isJoining(core)) core.note({ code: "formed_cluster_met", node: from });
  core.founding.metOthersAt = core.now;
}

function adoptRecord(core: Core, members: readonly Member[]): void {
  const record = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  core.saveState({ forming: record });
  core.note({ code: "founders_known", founders: record.map((member) => member.id) });
  // Nobody leads yet: no need to wait a whole timeout.
  armElection(core, record.length === 1 ? 0 : 0.3);
}

/**
 * Begins the log, once every member is known to have stored this list of founders. Each of them will found no other log
 * then; before that, a node that lost its disk could, with one that has not got the list: theirs would name its new join.
 */
export function found(core: Core, leader: LeaderState): void {
  if (core.log.tail.height > 0 || missingFounders(core).length > 0) return;
  const members = [...(core.hard.forming ?? [])];
  seal(core, leader, [], { kind: "genesis", nonce: core.config.genesisNonce, members });
}

const missingFounders = (core: Core): NodeId[] => core.peerIds.filter((id) => !core.founding.founders.has(id));

export function sayWhoIsMissing(core: Core, leader: LeaderState): void {
  if (core.log.tail.height > 0 || leader.hasSaidWhoIsMissing) return;
  if (core.now - core.following.lastContact <= core.config.electionTimeoutMs) return;
  leader.hasSaidWhoIsMissing = true;
  core.note({ code: "founders_awaited", missing: missingFounders(core) });
}

/** A genesis must carry the list that this node knows, and be the one that its identity joined. */
export function genesisRefusal(core: Core, message: PeerMessage, next: ChainState): GenesisRefusal | null {
  if (next.height !== 1) return null;
  const { formedClusterId } = core.config;
  if (formedClusterId !== null && next.clusterId !== formedClusterId)
    return { code: "genesis_of_other_cluster", own: formedClusterId, theirs: next.clusterId };
  const known = core.hard.forming;
  // A node that joins a formed cluster knows no list yet: the genesis must be the one that the cluster is named after.
  if (known === null) return next.clusterId === message.clusterId ? null : { code: "genesis_not_of_cluster" };
  const isSame =
    known.length === next.members.size && known.every((member) => sameMember(member, next.members.get(member.id)));
  return isSame ? null : { code: "genesis_of_other_members" };
}

function sameMember(
  a: { storeId: string; joinNonce: string; keys: { block: string } },
  b: typeof a | undefined,
): boolean {
  return b !== undefined && a.storeId === b.storeId && a.joinNonce === b.joinNonce && a.keys.block === b.keys.block;
}
