import type { Effect, ReplicaView } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import { NOTICES_MAX } from "../../shared/limits.js";
import type { AnswerOf, QuestionTo } from "../../shared/protocol/requests.js";
import { PeerError } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import type { AlertRecord } from "../storage/port.js";
import { clusterStatus, type OwnStatus } from "./cluster-status.js";
import type { ClusterStatus, ReadinessCheck, Standing } from "./log-port.js";
import { LEADER_POLL_MS, type Parts, PEER_ANSWER_MS_MAX, type PeerReply, pause, unavailable } from "./parts.js";
import type { Reads } from "./reads.js";
import { SharedRun } from "./shared-run.js";

/** A block that says so is committed, and the node writes its mark. */
const ADMITTED_WITHIN_MS = 3_000;
/** More than there can be warnings, of which there is one a node and member. */
const ALERTS_LOOKED_AT = 100;

/** What this node says of itself, what all say together, and the admission of learners. */
export class Status {
  isStopping = false;
  /** The last sequence that the latest full verification of the log reached. */
  verifiedThrough = -1;
  private stableSince: string | null = null;
  private readonly asking = new SharedRun(() => this.askForStatus());

  constructor(
    private readonly parts: Parts,
    private readonly reads: Reads,
  ) {
    const { peers } = parts;
    peers.handle("status", async () => this.ownStatus());
    peers.handle("alerts", ({ limit }) => this.ownAlerts(limit));
    peers.handle("admit", async (request) => {
      await this.admitHere(request);
      return {};
    });
  }

  onEffect(effect: Effect): void {
    if (effect.kind === "role_changed") this.stableSince = effect.leaderId === null ? null : new Date().toISOString();
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
        detail:
          view?.isLearner === false
            ? "its votes and acknowledgements count"
            : "it waits to be admitted, and serves no reads",
      },
      { name: "leader", isOk: view?.leaderId != null, detail: view?.leaderId ?? "none known" },
      {
        name: "reads",
        isOk: this.reads.hasConfirmation,
        detail: this.reads.hasConfirmation ? "ok" : "no leader has confirmed yet how far the log goes",
      },
      { name: "index", isOk: driver.index.isWhole, isAdvisory: true, detail: describeIndex(driver.index) },
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
    const sentAt = Date.now();
    const others = await this.parts.peers.askAll("status", {});
    const { alerts } = await this.alerts(ALERTS_LOOKED_AT);
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
      hasAlerts: alerts.some(({ severity }) => severity === "critical"),
      now: performance.now(),
    });
  }

  private ownStatus(): OwnStatus {
    const view = this.parts.driver.view();
    const { config, version } = this.parts;
    return {
      id: this.parts.config.nodeId,
      clock: new Date().toISOString(),
      version,
      address: config.self.address,
      clusterId: view?.clusterId ?? "",
      role: view === null ? "unknown" : view.isLearner ? "learner" : ROLE_NAMES[view.role],
      health: view === null ? "stalled" : view.isLearner ? "learner" : view.isStalled ? "stalled" : "sound",
      term: view?.term ?? 0,
      leaderId: view?.leaderId ?? null,
      lastHeight: view?.durableHeight ?? 0,
      commitHeight: view?.commitHeight ?? 0,
      committedSize: view?.committedSize ?? 0,
      headHash: view?.headHash ?? "",
      stableSince: view === null ? null : this.stableSince,
      verifiedThrough: this.verifiedThrough,
      index: {
        isWhole: this.parts.driver.index.isWhole,
        paths: [...this.parts.driver.index.indexedPaths],
        through: this.parts.driver.index.progress.through,
      },
    };
  }

  async admit(request: { node: NodeId; actor: string; reason: string }): Promise<void> {
    const view = this.parts.driver.view();
    const leaderId = view?.leaderId ?? null;
    if (view === null || leaderId === null) throw unavailable("No leader is known: nobody can be admitted now.");
    if (leaderId === this.parts.config.nodeId) return this.admitHere(request);
    const reply = await this.askLeader(leaderId, request);
    if (reply.kind === "none") throw noWord(leaderId, request.node);
    if (reply.kind === "refused") throw new ProblemError("admission_conflict", reply.detail);
  }

  private async askLeader(leaderId: NodeId, request: QuestionTo<"admit">): Promise<PeerReply<"admit">> {
    try {
      const timeoutMs = ADMITTED_WITHIN_MS + PEER_ANSWER_MS_MAX;
      return await this.parts.peers.request(leaderId, "admit", request, { timeoutMs });
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      throw noWord(leaderId, request.node);
    }
  }

  /** Resolves once the node counts: its admission is committed, and it has said that it knows. */
  private async admitHere(request: { node: NodeId; actor: string; reason: string }): Promise<void> {
    const view = this.parts.driver.view();
    // Only a leader knows who asks; what another core is told it forgets.
    if (view?.role !== "leader")
      throw new ProblemError("admission_conflict", `${this.parts.config.nodeId} does not lead: nobody was admitted.`);
    if (!view.members.some((member) => member.id === request.node))
      throw new ProblemError("admission_conflict", `${request.node.slice(0, 64)} is not a member of this cluster.`);
    if (view.peers.find((known) => known.id === request.node)?.wantsAdmission !== true) {
      const detail = `${request.node} does not ask to be admitted: it counts already, has not caught up yet, or has not been heard.`;
      throw new ProblemError("admission_conflict", detail);
    }
    const { driver, config } = this.parts;
    driver.submit({ kind: "admit", now: performance.now(), wall: new Date().toISOString(), ...request });
    const deadline = performance.now() + ADMITTED_WITHIN_MS;
    while (driver.view()?.peers.find((known) => known.id === request.node)?.isVoter !== true) {
      if (performance.now() > deadline) throw noWord(config.nodeId, request.node);
      await pause(LEADER_POLL_MS);
    }
  }

  private async ownAlerts(limit: number): Promise<NodeAlerts> {
    const { alerts } = this.parts.storage;
    const [newest, count] = await Promise.all([alerts.list(limit), alerts.count()]);
    return { alerts: newest, count };
  }

  async alerts(limit: number): Promise<{ alerts: AlertRecord[]; more: number; unreachable: NodeId[] }> {
    const own = await this.ownAlerts(Math.min(limit, NOTICES_MAX)).catch(() => null);
    const others = await this.parts.peers.askAll("alerts", { limit });
    const told = [own, ...others.map(({ answer }) => answer)].filter((answer) => answer !== null);
    const found = told.flatMap(({ alerts }) => alerts);
    const count = told.reduce((sum, one) => sum + one.count, 0);
    const unreachable = others.filter(({ answer }) => answer === null).map(({ peer }) => peer);
    found.sort((a, b) => (a.openedAt < b.openedAt ? 1 : -1));
    return {
      alerts: found.slice(0, limit),
      more: count - Math.min(limit, found.length),
      unreachable: own === null ? [this.parts.config.nodeId, ...unreachable] : unreachable,
    };
  }
}

type NodeAlerts = AnswerOf<"alerts">;

const noWord = (leaderId: NodeId, node: NodeId): ProblemError =>
  unavailable(
    `The leader ${leaderId} has not said that ${node} is admitted; GET /api/v1/cluster shows it. Ask again if it has not.`,
  );

const describeIndex = ({ isWhole, progress }: Parts["driver"]["index"]): string =>
  isWhole ? "ok" : `it is being made anew: ${progress.through} of ${progress.of} blocks are done`;

const ROLE_NAMES = {
  follower: "follower",
  asking: "candidate",
  pre_candidate: "candidate",
  candidate: "candidate",
  leader: "leader",
} as const;

function describeNoQuorum(view: ReplicaView | null): string {
  if (view === null) return "unknown while the log is not open";
  if (view.isForming && view.missing.length > 0)
    return `the cluster has not formed: waiting for ${view.missing.join(", ")}`;
  if (view.isLearner)
    return "this node waits to be admitted; if voters can no longer be a majority, bring back their identity files or disks";
  return (
    "no leader is known, or none was heard for an election timeout; if most members have lost their data, they wait to be admitted: " +
    "bring back their identity files or disks"
  );
}
