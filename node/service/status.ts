import type { Effect, ReplicaView } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import { LOOPBACK } from "../config.js";
import type { AlertDesk } from "./alert-desk.js";
import { clusterStatus, type OwnStatus } from "./cluster-status.js";
import type { ClusterStatus, LogStatus, ReadinessCheck, Standing, StreamNotice } from "./log-port.js";
import type { Parts } from "./parts.js";
import type { Reads } from "./reads.js";
import { SharedRun } from "./shared-run.js";

/** More than there can be warnings, of which there is one a node and member. */
const ALERTS_LOOKED_AT = 100;

/** What this node says of itself, and what all say together. */
export class Status implements LogStatus {
  isStopping = false;
  private stableSince: string | null = null;
  private readonly noticeListeners = new Set<(notice: StreamNotice) => void>();
  private readonly asking = new SharedRun(() => this.askForStatus());

  constructor(
    private readonly parts: Parts,
    private readonly reads: Reads,
    private readonly alerts: Pick<AlertDesk, "alerts">,
  ) {
    parts.peers.handle("status", async () => this.ownStatus());
  }

  onEffect(effect: Effect): void {
    if (effect.kind === "role_changed") this.stableSince = effect.leaderId === null ? null : this.parts.clock.wall();
  }

  get nodeId(): NodeId {
    return this.parts.config.nodeId;
  }

  subscribeNotices(listener: (notice: StreamNotice) => void): () => void {
    this.noticeListeners.add(listener);
    return () => this.noticeListeners.delete(listener);
  }
  notify(notice: StreamNotice): void {
    for (const listener of this.noticeListeners) listener(notice);
  }

  standing(): Standing {
    const standing = this.parts.driver.standing();
    if (standing === null) return { leaderId: null, term: 0, isStale: true };
    return { leaderId: standing.leaderId, term: standing.term, isStale: !standing.hasQuorum };
  }

  readiness(): ReadinessCheck[] {
    const { driver, disk } = this.parts;
    const view = driver.view();
    return [
      {
        name: "mongodb",
        isOk: view !== null && !view.isStalled,
        detail: view === null ? "the log is not open" : view.isStalled ? "a write to it takes too long" : "ok",
      },
      {
        name: "quorum",
        isOk: view?.hasQuorum === true,
        detail:
          view?.hasQuorum === true ? "a leader is heard, and none leads on without a majority" : describeNoQuorum(view),
      },
      {
        name: "membership",
        isOk: view?.isLearner === false,
        detail: describeMembership(view),
      },
      { name: "leader", isOk: view?.leaderId != null, detail: view?.leaderId ?? "none known" },
      {
        name: "reads",
        isOk: this.reads.hasConfirmation,
        detail: this.reads.hasConfirmation ? "ok" : "no leader has confirmed yet how far the log goes",
      },
      ...integrityChecks(this.parts.integrity()),
      { name: "index", isOk: driver.log.index.isWhole, isAdvisory: true, detail: describeIndex(driver.log.index) },
      // Reads are served whatever the disk holds, so it takes no node out of a load balancer.
      { name: "disk", isOk: !disk.isLow, isAdvisory: true, detail: disk.describe() },
      ...(this.isStopping ? [{ name: "stopping" as const, isOk: false, detail: "this node is stopping" }] : []),
    ];
  }

  /** However many ask at once, the peers are asked once. */
  clusterStatus(): Promise<ClusterStatus> {
    return this.asking.ask();
  }

  private async askForStatus(): Promise<ClusterStatus> {
    const own = this.ownStatus();
    const sentAt = Date.parse(this.parts.clock.wall());
    const others = await this.parts.peers.askAll("status", {});
    const { alerts } = await this.alerts.alerts(ALERTS_LOOKED_AT);
    return clusterStatus({
      own,
      others: others.map(({ peer, answer, at, wasAsked }) => ({
        id: peer,
        // Half the round trip is taken as the way back.
        status: answer && { ...answer, skewMs: Math.round(Date.parse(answer.clock) - (sentAt + at) / 2) },
        wasAsked,
      })),
      configured: this.parts.config.members,
      view: this.parts.driver.view(),
      isOpen: !LOOPBACK.test(this.parts.config.host ?? "127.0.0.1"),
      hasAlerts: alerts.some(({ severity }) => severity === "critical"),
    });
  }

  private healthOf(view: ReplicaView | null): OwnStatus["health"] {
    if (view === null) return "stalled";
    if (view.isLearner) return "learner";
    if (view.isStalled) return "stalled";
    return this.parts.integrity().isDamaged === true ? "damaged" : "sound";
  }

  private ownStatus(): OwnStatus {
    const view = this.parts.driver.view();
    const { config, version } = this.parts;
    const webhookFault = this.parts.webhookFault?.() ?? null;
    const { isUnread: _isUnread, ...integrity } = this.parts.integrity();
    return {
      id: this.parts.config.nodeId,
      clock: this.parts.clock.wall(),
      version,
      address: config.self.address,
      clusterId: view?.clusterId ?? "",
      role: view === null ? "unknown" : view.isLearner ? "learner" : ROLE_NAMES[view.role],
      health: this.healthOf(view),
      term: view?.term ?? 0,
      leaderId: view?.leaderId ?? null,
      lastHeight: view?.durableHeight ?? 0,
      commitHeight: view?.commitHeight ?? 0,
      committedSize: view?.committedSize ?? 0,
      headHash: view?.headHash ?? "",
      stableSince: view === null ? null : this.stableSince,
      electionWait: roundedWait(view?.electionWait ?? null),
      contacts: contactsOf(view, this.parts.clock.now()),
      ...integrity,
      ...(webhookFault === null ? {} : { webhookFault }),
      index: {
        isWhole: this.parts.driver.log.index.isWhole,
        paths: [...this.parts.driver.log.index.indexedPaths],
        through: this.parts.driver.log.index.progress.through,
      },
    };
  }
}

const roundedWait = (wait: ReplicaView["electionWait"]): OwnStatus["electionWait"] =>
  wait === null ? null : { leftMs: Math.round(wait.leftMs), ofMs: Math.round(wait.ofMs) };

/** Only a leader hears from all; of one that it never heard it says nothing. */
const contactsOf = (view: ReplicaView | null, now: number): NonNullable<OwnStatus["contacts"]> =>
  (view?.peers ?? [])
    .map(({ id, lastContact }) => ({ node: id, ms: Math.max(0, Math.round(now - lastContact)) }))
    .filter(({ ms }) => Number.isSafeInteger(ms));

function integrityChecks(standing: ReturnType<Parts["integrity"]>): ReadinessCheck[] {
  const { isDamaged = false, isVerificationPending: isPending = false, isUnread = false } = standing;
  return [
    watchCheck(standing.watch, isUnread),
    { name: "integrity", isOk: !isDamaged, detail: isDamaged ? DAMAGED : "ok" },
    // Every block verifies before anything of it is served, so that others lead is all that waits for the pass.
    {
      name: "verification",
      isOk: !isPending,
      isAdvisory: true,
      detail: isUnread ? UNREAD : isPending ? PENDING : "ok",
    },
  ];
}
const DAMAGED =
  "committed blocks in this node's database are not what they were: it votes and acknowledges, and is not ready until their alerts are resolved (GET /api/v1/alerts)";
const UNREAD =
  "which alerts are open is not known: the collection `alerts` of this node's database cannot be read yet, and node.log says why";
const PENDING = "pending: what was changed while nobody watched, or as a whole, is being looked for in the whole log";

/** Whoever changed the database while the node was down is found before it is ready. */
function watchCheck(watch: OwnStatus["watch"], isUnread: boolean): ReadinessCheck {
  const isOk = watch === "live" || watch === "unsupported";
  const detail = isUnread ? UNREAD : WATCH_DETAILS[watch];
  return { name: "watch", isOk, ...(watch === "down" ? { isAdvisory: true } : {}), detail };
}
const WATCH_DETAILS: Readonly<Record<OwnStatus["watch"], string>> = {
  starting: "what was changed in the database while this node was down is being looked at",
  live: "ok",
  down: "changes in the database are not seen at once: only the scrub finds them",
  unsupported: "a standalone MongoDB says nothing of changes: only the scrub finds them",
};

const describeIndex = ({ isWhole, progress }: Parts["driver"]["log"]["index"]): string =>
  isWhole ? "ok" : `it is being made anew: ${progress.through} of ${progress.of} blocks are done`;

const ROLE_NAMES = {
  follower: "follower",
  asking: "candidate",
  pre_candidate: "candidate",
  candidate: "candidate",
  leader: "leader",
} as const;

const NOT_OPEN = "unknown while the log is not open";

function describeMembership(view: ReplicaView | null): string {
  if (view === null) return NOT_OPEN;
  return view.isLearner ? "it waits to be admitted, and serves no reads" : "its votes and acknowledgements count";
}

function describeNoQuorum(view: ReplicaView | null): string {
  if (view === null) return NOT_OPEN;
  if (view.isForming && view.missing.length > 0)
    return `the cluster has not formed: waiting for ${view.missing.join(", ")}`;
  if (view.isLearner)
    return "this node waits to be admitted; if voters can no longer be a majority, bring back their identity files or disks";
  return (
    "no leader is known, or none was heard for an election timeout; if most members have lost their data, they wait to be admitted: " +
    "bring back their identity files or disks"
  );
}
