import type { Effect, PeerView, ReplicaView } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import { sleep } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import type { LeadingNode, StepDownRequest } from "./log-port.js";
import { LEADER_POLL_MS, noLeader, type Parts, RETRY_AFTER_SECONDS, unavailable } from "./parts.js";

/** A follower that is this little behind is level within a message or two; one further behind cannot take over in time. */
const LEVEL_BLOCKS_MAX = 64;
/** A stop has 14 s for all it does, whatever the election timeout. */
const STOP_PATIENCE_MS_MAX = 5_000;
/** Beside the two election timeouts, for the way to the leader and back. */
const ANSWER_MARGIN_MS = 500;

/** Hands the lead over: because a person asks for it, this node stops, or its disk is nearly full. */
export class HandOver {
  /** Peers whose processes have ended, as far as this node knows: nobody hands over to them. */
  private readonly gone = new Set<NodeId>();
  private diskRun: Promise<void> | null = null;

  constructor(private readonly parts: Parts) {
    parts.peers.handle("step-down", (request) => this.stepDownHere(request));
    parts.peers.handle("disk", async () => ({ isLow: parts.disk.isLow }));
  }

  /** Two election timeouts: the freeze lasts at most one, and an election after it another. */
  private get patienceMs(): number {
    return 2 * this.parts.config.electionTimeoutMs;
  }

  onPeerGone(peer: NodeId): void {
    this.gone.add(peer);
  }
  onPeerHeard(peer: NodeId): void {
    this.gone.delete(peer);
  }
  onEffect(effect: Effect): void {
    if (effect.kind === "role_changed" && effect.role === "leader") this.onDisk();
  }

  // --- Asked for by a person -----------------------------------------------------------------------------------------

  async stepDown(request: StepDownRequest): Promise<LeadingNode> {
    const { driver, config, peers } = this.parts;
    const leaderId = driver.view()?.leaderId ?? null;
    if (leaderId === null)
      throw noLeader(driver, "No leader is known, so nobody can step down now. Nothing was changed.");
    if (leaderId === config.nodeId) return this.stepDownHere(request);
    try {
      const timeoutMs = this.patienceMs + ANSWER_MARGIN_MS;
      const reply = await peers.request(leaderId, "step-down", request, { timeoutMs });
      if (reply.kind === "answered") return reply.answer;
      throw reply.kind === "refused" ? conflict(reply.detail) : noWord(leaderId);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      throw noWord(leaderId);
    }
  }

  private async stepDownHere(request: StepDownRequest): Promise<LeadingNode> {
    const { driver, config, logger } = this.parts;
    const { actor, reason, target } = request;
    const view = driver.view();
    if (view?.role !== "leader") throw conflict(`${config.nodeId} does not lead. Nothing was changed.`);
    if (target === config.nodeId) throw conflict(`${target} leads already. Name another node, or none.`);
    if (target !== undefined && !view.members.some((member) => member.id === target))
      throw conflict(`${target.slice(0, 64)} is not a member of this cluster. Nothing was changed.`);
    if (this.fit(view, target) === null) throw conflict(nobodyFit(target));
    logger.info({ actor, reason, target: target ?? null }, `${actor} asks this leader to step down: ${reason}`);
    const next = await this.handOver(target);
    if (next !== null) return next;
    throw conflict(
      `No other node has taken the lead: ${config.nodeId} goes on as it can. Ask again shortly; GET /api/v1/cluster shows who is healthy.`,
    );
  }

  // --- Asked for by the node itself ----------------------------------------------------------------------------------

  /** A node that stops and leads: waits until another leads, at most two election timeouts. Writes go on meanwhile. */
  async beforeStop(): Promise<void> {
    const patienceMs = Math.min(this.patienceMs, STOP_PATIENCE_MS_MAX);
    const view = this.parts.driver.view();
    if (view?.role !== "leader" || this.fit(view, undefined) === null) return;
    this.parts.logger.info("handing over before the stop");
    const next = await this.handOver(undefined, patienceMs);
    if (next === null) this.parts.logger.warn("nobody took over in time: the others will elect after this stop");
  }

  /** Whether writes that this leader's disk cannot take can be expected to find another leader soon. */
  get isLeavingForDisk(): boolean {
    return this.diskRun !== null;
  }

  /** A leader whose disk is nearly full hands over to a level, healthy voter whose disk is not, if there is one. */
  onDisk(): void {
    const isLeading = this.parts.driver.view()?.role === "leader";
    if (!this.parts.disk.isLow || !isLeading || this.diskRun !== null) return;
    this.diskRun = this.leaveForDisk().finally(() => {
      this.diskRun = null;
    });
  }

  private async leaveForDisk(): Promise<void> {
    const { peers, driver, logger } = this.parts;
    const roomy = await peers.askAll("disk", {});
    const view = driver.view();
    if (view?.role !== "leader") return;
    const targets = roomy.filter(({ answer }) => answer?.isLow === false).map(({ peer }) => peer);
    const target = this.byPreference(view).find((id) => targets.includes(id));
    if (target === undefined) {
      logger.error(
        "the disk is nearly full, and no other node is known to have more space and to be able to lead: writes are refused",
      );
      return;
    }
    logger.warn(`the disk is nearly full: ${target} is asked to take over`);
    await this.handOver(target);
  }

  // --- The hand-over -------------------------------------------------------------------------------------------------

  /** Resolves with who leads next, or null when nobody else does within two election timeouts. */
  private async handOver(target: NodeId | undefined, patienceMs = this.patienceMs): Promise<LeadingNode | null> {
    const { driver, config, clock } = this.parts;
    const startedAt = clock.now();
    const startTerm = driver.view()?.term ?? 0;
    while (clock.now() < startedAt + patienceMs) {
      const view = driver.view();
      if (view !== null && view.term > startTerm && view.leaderId !== null && view.leaderId !== config.nodeId)
        return { leaderId: view.leaderId, term: view.term };
      if (this.isQuorumGone(view)) return null;
      const isLate = clock.now() > startedAt + config.electionTimeoutMs;
      const best = view?.role === "leader" && !isLate ? this.fit(view, target) : null;
      // Until a block of this leader's own term is committed the core does not begin; and while it does, asking again
      // changes nothing. So it is asked until it moves; the last time early enough to end within the time.
      if (best !== null) driver.submit({ kind: "hand_over", now: clock.now(), wall: clock.wall(), target: best });
      await sleep(clock, LEADER_POLL_MS);
    }
    return null;
  }

  /** The whole cluster stops: nobody is left to take over. */
  private isQuorumGone(view: ReplicaView | null): boolean {
    if (view === null) return true;
    const alive = view.members.filter((member) => !this.gone.has(member.id)).length;
    return alive <= view.members.length / 2;
  }

  /** `target`, or else the preferred of those that could take over now; null if it cannot. */
  private fit(view: ReplicaView, target: NodeId | undefined): NodeId | null {
    const fit = this.byPreference(view);
    return (target === undefined ? fit[0] : fit.find((id) => id === target)) ?? null;
  }

  /** Voters that answer, with a healthy store and nearly all that is committed; the highest priority first. */
  private byPreference(view: ReplicaView): NodeId[] {
    const now = this.parts.clock.now();
    const isFit = (peer: PeerView): boolean =>
      peer.isVoter &&
      peer.isStoreHealthy &&
      peer.matchHeight >= view.commitHeight - LEVEL_BLOCKS_MAX &&
      now - peer.lastContact <= this.parts.config.electionTimeoutMs &&
      !this.gone.has(peer.id);
    const rank = (id: NodeId): number => view.members.find((member) => member.id === id)?.priority ?? 0;
    const fit = view.peers.filter(isFit).map((peer) => peer.id);
    return fit.sort((a, b) => rank(b) - rank(a));
  }
}

const conflict = (detail: string): ProblemError =>
  new ProblemError("step_down_conflict", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });

const noWord = (leaderId: NodeId): ProblemError =>
  unavailable(
    `The leader ${leaderId} has not said whether it steps down; GET /api/v1/cluster shows who leads. Ask again if it still does.`,
  );

const nobodyFit = (target: NodeId | undefined): string =>
  target === undefined
    ? "No other node can take over now: each is a learner, behind, has a slow disk, has ended, or has not been heard for an election timeout. The leader stays."
    : `${target.slice(0, 64)} cannot take over now: it is a learner, behind, has a slow disk, has ended, or has not been heard for an election timeout. The leader stays.`;
