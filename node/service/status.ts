import { z } from "zod";
import type { Effect, ReplicaView } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import { delay } from "../clock.js";
import { PeerError, type PeerResult } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import type { AlertRecord } from "../storage/port.js";
import { clusterStatus, type OwnStatus, ownStatusSchema } from "./cluster-status.js";
import type { ClusterStatus, ReadinessCheck, Standing } from "./log-port.js";
import { LEADER_POLL_MS, ok, type Parts, PEER_ANSWER_MS_MAX, unavailable } from "./parts.js";
import type { Reads } from "./reads.js";
import { SharedRun } from "./shared-run.js";

const ALERTS_MAX = 1_000;
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
    peers.handle("status", async () => ok(this.ownStatus()));
    peers.handle("alerts", async (body) => {
      const { limit } = z.object({ limit: z.int().min(1).max(ALERTS_MAX) }).parse(body);
      return ok(await this.ownAlerts(limit));
    });
    peers.handle("admit", async (body) => {
      try {
        await this.admitHere(z.object({ node: z.string(), actor: z.string(), reason: z.string() }).parse(body));
        return ok({});
      } catch (error) {
        if (!(error instanceof ProblemError) || error.code !== "admission_conflict") throw error;
        return { status: 409, body: { detail: error.detail } };
      }
    });
  }

  onEffect(effect: Effect): void {
    if (effect.kind === "role_changed") this.stableSince = effect.leaderId === null ? null : this.parts.clock.wall();
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
    const { clock } = this.parts;
    const sentAt = Date.parse(clock.wall());
    const others = await this.parts.peers.askAll<OwnStatus & { skewMs: number }>("status", {}, (body) => {
      const status = ownStatusSchema.parse(body);
      // Half the round trip is taken as the way back.
      return { ...status, skewMs: Math.round(Date.parse(status.clock) - (sentAt + Date.parse(clock.wall())) / 2) };
    });
    const { alerts } = await this.alerts(ALERTS_LOOKED_AT);
    return clusterStatus({
      own,
      others: others.map(({ peer, answer, wasAsked }) => ({ id: peer, status: answer, wasAsked })),
      configured: this.parts.config.members,
      view: this.parts.driver.view(),
      hasAlerts: alerts.some(({ severity }) => severity === "critical"),
      now: clock.now(),
    });
  }

  private ownStatus(): OwnStatus {
    const view = this.parts.driver.view();
    const { config, version } = this.parts;
    return {
      id: this.parts.config.nodeId,
      clock: this.parts.clock.wall(),
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
    const answer = await this.askLeader(leaderId, request);
    if (answer.status === 200) return;
    if (answer.status !== 409 || answer.body?.detail === undefined) throw noWord(leaderId, request.node);
    throw new ProblemError("admission_conflict", answer.body.detail);
  }

  private async askLeader(leaderId: NodeId, request: { node: NodeId }): Promise<PeerResult<{ detail?: string }>> {
    try {
      const timeoutMs = ADMITTED_WITHIN_MS + PEER_ANSWER_MS_MAX;
      return await this.parts.peers.transport().request<{ detail?: string }>(leaderId, "admit", request, { timeoutMs });
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
    const { driver, config, clock } = this.parts;
    driver.submit({ kind: "admit", now: clock.now(), wall: clock.wall(), ...request });
    const deadline = clock.now() + ADMITTED_WITHIN_MS;
    while (driver.view()?.peers.find((known) => known.id === request.node)?.isVoter !== true) {
      if (clock.now() > deadline) throw noWord(config.nodeId, request.node);
      await delay(clock, LEADER_POLL_MS);
    }
  }

  private async ownAlerts(limit: number): Promise<NodeAlerts> {
    const { alerts } = this.parts.storage;
    const [newest, count] = await Promise.all([alerts.list(limit), alerts.count()]);
    return { alerts: newest, count };
  }

  async alerts(limit: number): Promise<{ alerts: AlertRecord[]; more: number; unreachable: NodeId[] }> {
    const own = await this.ownAlerts(Math.min(limit, ALERTS_MAX)).catch(() => null);
    const others = await this.parts.peers.askAll("alerts", { limit }, (body) => body as NodeAlerts);
    const told = [own, ...others.map(({ answer }) => answer)].filter((answer) => answer !== null);
    const found = told.flatMap(({ alerts }) => alerts);
    const count = told.reduce((sum, { alerts, count }) => sum + (count ?? alerts.length), 0);
    const unreachable = others.filter(({ answer }) => answer === null).map(({ peer }) => peer);
    found.sort((a, b) => (a.openedAt < b.openedAt ? 1 : -1));
    return {
      alerts: found.slice(0, limit),
      more: count - Math.min(limit, found.length),
      unreachable: own === null ? [this.parts.config.nodeId, ...unreachable] : unreachable,
    };
  }
}

interface NodeAlerts {
  readonly alerts: AlertRecord[];
  /** Of all open ones; earlier versions do not tell. */
  readonly count?: number;
}

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
