import { majority } from "../../cluster/quorum.js";
import type { ReplicaView } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import type { AnswerOf } from "../../shared/protocol/requests.js";
import type { MemberAddress } from "../host/setting-values.js";
import type { ClusterStatus, NodeStatus } from "./log-port.js";

export type OwnStatus = AnswerOf<"status">;

interface StatusParts {
  readonly own: OwnStatus;
  readonly others: readonly { id: NodeId; status: (OwnStatus & { skewMs: number }) | null; wasAsked: boolean }[];
  readonly configured: readonly MemberAddress[];
  readonly view: ReplicaView | null;
  readonly hasAlerts: boolean;
  /** Other machines reach this node. */
  readonly isOpen?: boolean;
}

/** One answer for all nodes, from what each says itself; a node that gave no answer is listed as such. */
export function clusterStatus(parts: StatusParts): ClusterStatus {
  const { own, others, configured, view } = parts;
  const answered = [own, ...others.flatMap(({ status }) => (status === null ? [] : [status]))];
  const longest = Math.max(...answered.map((status) => status.committedSize));
  const memberCount = view !== null && view.members.length > 0 ? view.members.length : configured.length;
  const quorum = majority(memberCount);
  const contacts = answered.find(({ role, term }) => role === "leader" && term === own.term)?.contacts ?? [];
  const nodes = configured.map((member): NodeStatus => {
    const other = others.find(({ id }) => id === member.id);
    const skewed = other?.status ?? null;
    const status = member.id === own.id ? own : skewed;
    const priority = view?.members.find((known) => known.id === member.id)?.priority ?? member.priority;
    if (status === null) return silent(member, priority, other?.wasAsked !== false);
    const contact = contacts.find(({ node }) => node === member.id)?.ms;
    return {
      id: member.id,
      address: member.address,
      role: status.role,
      priority,
      term: status.term,
      health: status.health,
      lastHeight: status.lastHeight,
      commitHeight: status.commitHeight,
      lastSequence: status.committedSize - 1,
      headHash: status.headHash,
      lagEvents: longest - status.committedSize,
      lastContactMs: contact ?? null,
      healthy: status.health === "sound" && status.leaderId !== null,
      version: status.version,
      stableSince: status.stableSince,
      electionWait: status.electionWait,
      watch: status.watch,
      verifiedThrough: status.verifiedThrough,
      lastPassAt: status.lastPassAt,
      oldestVerifiedAt: status.oldestVerifiedAt,
      passHeight: status.passHeight,
      passBlocksPerSecond: status.passBlocksPerSecond,
      verification: status.isVerificationPending === true ? "pending" : "fresh",
      clockSkewMs: skewed === null ? 0 : skewed.skewMs,
    };
  });
  const healthyCount = nodes.filter((node) => node.healthy).length;
  // A damaged one votes and acknowledges as before.
  const votingCount = nodes.filter((node) => node.healthy || isVotingDamaged(node, answered)).length;
  // This node knows nothing bad of one that it could not ask.
  const unaskedCount = others.filter(({ status, wasAsked }) => status === null && !wasAsked).length;
  const isLedHere = own.leaderId !== null && (view?.hasQuorum ?? false);
  const isLed = isLedHere || answered.some((status) => leadsMajority(status, answered, quorum));
  return {
    clusterId: own.clusterId,
    state: !isLed
      ? "no_quorum"
      : parts.hasAlerts
        ? "integrity_alert"
        : !isLedHere || healthyCount + unaskedCount < memberCount
          ? "degraded"
          : "available",
    quorum,
    failureTolerance: Math.max(0, votingCount - quorum),
    leaderId: own.leaderId,
    term: own.term,
    priority: [...nodes].sort((a, b) => b.priority - a.priority).map((node) => node.id),
    nodes,
    index: { payload: [...own.index.paths], wholeThrough: own.index.isWhole ? own.commitHeight : own.index.through },
    warnings: [
      ...(parts.isOpen === true ? [OPEN] : []),
      ...configuredDifferently(answered),
      ...clocksOff(view),
      ...webhooksFailing(answered),
    ],
    views: answered.map(({ id, leaderId, term }) => ({ node: id, leaderId, term })),
  };
}

const isVotingDamaged = ({ id, health }: NodeStatus, answered: readonly OwnStatus[]): boolean =>
  health === "damaged" && answered.some((status) => status.id === id && status.leaderId !== null);

const OPEN =
  "this node listens beyond its own machine and there are no API keys yet: whoever reaches it can write, and can resolve alerts " +
  "under any name";

/** That this node hears no leader says nothing of the others: they say themselves whom they follow. */
function leadsMajority({ id, role, term }: OwnStatus, all: readonly OwnStatus[], quorum: number): boolean {
  return role === "leader" && all.filter((one) => one.leaderId === id && one.term === term).length >= quorum;
}

/** Filters by payload find the same everywhere only where all nodes index the same. */
function configuredDifferently(answered: readonly OwnStatus[]): string[] {
  const pathsOf = ({ index }: OwnStatus): string => [...index.paths].sort().join(", ") || "none";
  if (new Set(answered.filter(({ index }) => index.isWhole).map(pathsOf)).size < 2) return [];
  const each = answered.map((status) => `${status.id}: ${pathsOf(status)}`).join("; ");
  return [`the nodes index different payload paths (${each}): set INDEX_PAYLOAD alike on all`];
}

/** As this node has it from its leader; `clockSkewMs` is measured against the node that was asked. */
const clocksOff = (view: ReplicaView | null): string[] =>
  (view?.clocksOff ?? []).map(({ node, offMs }) => {
    const seconds = Math.round(Math.abs(offMs) / 1_000);
    return `the clock of ${node} is ${seconds} s ${offMs > 0 ? "ahead of" : "behind"} the members' median: set it right`;
  });

/** Who relies on messages has to learn here that none come. */
const webhooksFailing = (answered: readonly OwnStatus[]): string[] =>
  answered.flatMap(({ id, webhookFault }) =>
    webhookFault === undefined
      ? []
      : `the webhook of ${id} does not take its messages (${webhookFault}): nobody is told of its alerts there`,
  );

const silent = (member: MemberAddress, priority: number, wasAsked: boolean): NodeStatus => ({
  id: member.id,
  address: member.address,
  role: "unknown",
  priority,
  term: 0,
  health: "unknown",
  lastHeight: 0,
  commitHeight: 0,
  lastSequence: -1,
  headHash: "",
  lagEvents: 0,
  lastContactMs: null,
  healthy: false,
  version: "",
  stableSince: null,
  electionWait: null,
  watch: "unknown",
  verifiedThrough: -1,
  lastPassAt: null,
  oldestVerifiedAt: null,
  passHeight: null,
  passBlocksPerSecond: null,
  verification: "unknown",
  clockSkewMs: null,
  detail: wasAsked
    ? "this node got no answer from it"
    : "this node could not ask it: it asks too much already, or stops",
});
