import { canonicalText } from "../shared/canonical.js";
import type { NodeId } from "../shared/ids.js";
import type { Member } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";

type Join = Extract<PeerBody, { kind: "join" }>;

/** It has no list of founders and no log, and its identity belongs to none. */
const isNew = (core: Core): boolean =>
  core.hard.forming === null && core.log.commitHeight === 0 && core.config.formedClusterId === null;

export const isForming = (core: Core): boolean => isNew(core) && !isJoining(core);

/** Until nobody says so any more: what it met may have been moved away since, and all begin anew. */
const isJoining = (core: Core): boolean =>
  core.now - core.metOthersAt <= JOINING_TIMEOUTS * core.config.electionTimeoutMs;
const JOINING_TIMEOUTS = 2;

/** It has the list, and the log has not begun. */
export const isFounding = (core: Core): boolean => core.log.tail.height === 0 && core.formingHash !== "";

/** Who has stored this node's list, by its own word or that of one which heard it. */
export function noteFounders(core: Core, message: PeerMessage): void {
  if (!isFounding(core) || message.formingHash === "") return;
  const { from, formingHash, body } = message;
  if (formingHash === core.formingHash) {
    core.founders.add(from);
    if (body.kind === "append_answer") for (const id of body.founders ?? []) core.founders.add(id);
  } else if (core.otherLists.get(from) !== formingHash) {
    core.otherLists.set(from, formingHash);
    core.note(
      "warn",
      `${from} has another list of founders than ${core.selfId}: one of them was begun anew without the other. If there is ` +
        "no log yet, start all nodes with empty databases and without their identity files",
    );
  }
}

/** Members of the configuration that have not introduced themselves of late: one that was heard long ago may be another now. */
export const missingMembers = (core: Core): NodeId[] =>
  core.config.configured.map((node) => node.id).filter((id) => id !== core.selfId && !isHeard(core, id));

const isHeard = (core: Core, id: NodeId): boolean =>
  core.now - (core.heard.get(id)?.at ?? Number.NEGATIVE_INFINITY) <= core.config.electionTimeoutMs;

/** Introduces this node until the founding list is complete, or a formed cluster is met. */
export function onFormingTick(core: Core): void {
  if (!isNew(core)) return;
  if (core.config.configured.length === 1) return adoptRecord(core, [core.self]);
  const { heartbeatMs, electionTimeoutMs } = core.config;
  if (core.now - core.lastJoinAt < (isJoining(core) ? electionTimeoutMs : heartbeatMs)) return;
  core.lastJoinAt = core.now;
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

/**
 * A node has the whole list once it has heard every configured member, or from one that has it and lists this store.
 * The list is stored before this node votes; who is not in it, or meets a formed cluster, is a learner.
 */
export function onJoin(core: Core, message: PeerMessage, body: Join, ref: number | undefined): void {
  if (body.member.id !== message.from) return;
  if (body.wantsAnswer) core.send(message.from, introduction(core, false), { ref });
  if (!isNew(core)) return;
  if (canonicalText(body.configured) !== canonicalText(configuredIds(core))) {
    const theirs = body.configured.join(", ");
    core.note(
      "warn",
      `${message.from} is configured with other members (${theirs}): set the same MEMBERS on every node`,
    );
    return;
  }
  if (body.record !== null || body.isFormed) return meetRecord(core, message.from, body);
  if (body.member.storeId === core.self.storeId) {
    const detail = `${message.from} uses the same database as ${core.selfId}, or a copy of it: give each node its own`;
    return core.alert({ alertKind: "duplicate_store_id", accused: message.from, detail });
  }
  core.heard.set(message.from, { member: body.member, at: core.now });
  if (isJoining(core) || missingMembers(core).length > 0) return;
  adoptRecord(core, [core.self, ...[...core.heard.values()].map(({ member }) => member)]);
}

function meetRecord(core: Core, from: NodeId, body: Join): void {
  const mine = body.record?.find((member) => member.id === core.selfId);
  const listsThisJoin =
    mine !== undefined && mine.storeId === core.self.storeId && mine.joinNonce === core.self.joinNonce;
  // A formed cluster may have decided without this node since: its log, not the list, says who votes.
  if (listsThisJoin && body.record !== null && core.log.tail.height === 0) return adoptRecord(core, body.record);
  if (!isJoining(core))
    core.note(
      "info",
      `${from} belongs to a formed cluster: ${core.selfId} joins it as a learner and waits to be admitted`,
    );
  core.metOthersAt = core.now;
}

function adoptRecord(core: Core, members: readonly Member[]): void {
  const record = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  core.saveState({ forming: record });
  core.note("info", `the founding members are ${record.map((member) => member.id).join(", ")}`);
  // Nobody leads yet: no need to wait a whole timeout.
  core.armElection(record.length === 1 ? 0 : 0.3);
}
