import { canonicalText } from "../shared/canonical.js";
import type { NodeId } from "../shared/ids.js";
import type { Member } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";

type Join = Extract<PeerBody, { kind: "join" }>;

export const isForming = (core: Core): boolean =>
  core.hard.forming === null &&
  core.log.commitHeight === 0 &&
  !core.isJoiningFormed &&
  core.config.formedClusterId === null;

/** Members of the configuration that have not introduced themselves of late: one that was heard long ago may be another now. */
export const missingMembers = (core: Core): NodeId[] =>
  core.config.configured.map((node) => node.id).filter((id) => id !== core.selfId && !isHeard(core, id));

const isHeard = (core: Core, id: NodeId): boolean =>
  core.now - (core.heard.get(id)?.at ?? Number.NEGATIVE_INFINITY) <= core.config.electionTimeoutMs;

/** Introduces this node until the founding list is complete, or a formed cluster is met. */
export function onFormingTick(core: Core): void {
  if (!isForming(core)) return;
  if (core.config.configured.length === 1) return adoptRecord(core, [core.self]);
  if (core.now - core.lastJoinAt < core.config.heartbeatMs) return;
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
  if (!isForming(core)) return;
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
  if (missingMembers(core).length > 0) return;
  adoptRecord(core, [core.self, ...[...core.heard.values()].map(({ member }) => member)]);
}

function meetRecord(core: Core, from: NodeId, body: Join): void {
  const mine = body.record?.find((member) => member.id === core.selfId);
  const listsThisJoin =
    mine !== undefined && mine.storeId === core.self.storeId && mine.joinNonce === core.self.joinNonce;
  // A formed cluster may have decided without this node since: its log, not the list, says who votes.
  if (listsThisJoin && body.record !== null && core.log.tail.height === 0) return adoptRecord(core, body.record);
  core.isJoiningFormed = true;
  core.note(
    "info",
    `${from} belongs to a formed cluster: ${core.selfId} joins it as a learner and waits to be admitted`,
  );
}

function adoptRecord(core: Core, members: readonly Member[]): void {
  const record = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  core.saveState({ forming: record });
  core.note("info", `the founding members are ${record.map((member) => member.id).join(", ")}`);
  // Nobody leads yet: no need to wait a whole timeout.
  core.armElection(record.length === 1 ? 0 : 0.3);
}
