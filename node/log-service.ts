import type { Logger } from "pino";
import { z } from "zod";
import type { Effect, ReplicaView } from "../cluster/types.js";
import type { EventView, PreparedEvent } from "../shared/event.js";
import type { NodeId } from "../shared/ids.js";
import { clusterStatus, type OwnStatus, ownStatusSchema } from "./cluster-status.js";
import type { Config } from "./config.js";
import type { Driver } from "./driver.js";
import { PeerError } from "./peers/peer-client.js";
import type { PeerTransport } from "./peers/transport.js";
import { ProblemError } from "./problems.js";
import type {
  AppendOutcome,
  ClusterStatus,
  LogService,
  NodeCopy,
  ReadinessCheck,
  Standing,
  WriteRequest,
} from "./service.js";
import type { AlertRecord, EventFilter, Storage } from "./storage/port.js";
import { forwardedWriteSchema, fromForwarded, toForwarded, type WriteResult, WriteTracker } from "./writes.js";

/** A read waits at most this long for what it must see. */
const READ_WAIT_MS_MAX = 2_000;
/** How long one peer may take to say what it knows; a node that does not is listed as such. */
const PEER_ANSWER_MS_MAX = 1_000;
/** Between looks for a leader during an election. */
const LEADER_POLL_MS = 20;
/** Between looks whether the leader that was asked still leads. */
const LEADER_WATCH_MS = 50;
const RETRY_AFTER_SECONDS = 1;
/** Writes under way in this process, from all clients. */
const WRITES_MAX = 10_000;
const ALERTS_MAX = 1_000;

export interface LogServiceOptions {
  readonly config: Config;
  readonly version: string;
  readonly storage: Storage;
  readonly driver: Driver;
  readonly transport: PeerTransport | null;
  readonly logger: Logger;
}

/** The log as the routes see it: appends on whichever node leads, reads of what this node acknowledged. */
export class NodeLogService implements LogService {
  readonly nodeId: NodeId;
  private readonly tracker: WriteTracker;
  /** Reads wait for these: events that this node acknowledged. */
  private acknowledgedSize = 0;
  /** After a start, reads wait for the commit height that a leader confirmed; the size of the log there. */
  private isConfirmed = false;
  private writes = 0;
  private isStopping = false;

  constructor(private readonly options: LogServiceOptions) {
    this.nodeId = options.config.nodeId;
    this.tracker = new WriteTracker(options.driver, options.logger);
    this.serve();
  }

  onEffect(effect: Effect): void {
    this.tracker.onEffect(effect);
  }
  onReplicaLost(): void {
    this.tracker.onReplicaLost();
  }
  onRecovered: WriteTracker["onRecovered"] = (commitHeight) => this.tracker.onRecovered(commitHeight);
  stop(): void {
    this.isStopping = true;
  }
  /** Resolves when the writes under way are answered, each within its own deadline. */
  async drained(): Promise<void> {
    while (this.writes > 0) await pause(LEADER_POLL_MS);
  }

  // --- Writes --------------------------------------------------------------------------------------------------------

  async append(write: WriteRequest): Promise<AppendOutcome> {
    if (this.isStopping) throw this.unavailable("This node is stopping. Nothing was written; try another node.");
    if (this.writes >= WRITES_MAX) {
      const detail = `${WRITES_MAX} writes are under way on this node. Nothing was written; try again shortly.`;
      throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.writes += 1;
    try {
      const outcome = await this.decide(write);
      const last = outcome.events.at(-1);
      if (last !== undefined) this.acknowledgedSize = Math.max(this.acknowledgedSize, last.sequence + 1);
      return outcome;
    } finally {
      this.writes -= 1;
    }
  }

  /** Tries until the deadline: here when this node leads, else at the leader; across elections with the same ids. */
  private async decide(write: WriteRequest): Promise<AppendOutcome> {
    const deadline = performance.now() + this.options.config.requestTimeoutMs;
    let mayBeWritten = false;
    let lastReason = "no leader is known";
    while (performance.now() < deadline && !this.isStopping) {
      const view = this.options.driver.view();
      const leaderId = view?.leaderId ?? null;
      if (view === null || leaderId === null) {
        lastReason = view === null ? "this node's database does not answer" : "no leader is known";
        await pause(LEADER_POLL_MS);
        continue;
      }
      const result = await this.attempt(write, { view, leaderId, deadline });
      switch (result.kind) {
        case "committed":
          return result;
        case "head_differs":
          throw headDiffers(write, result);
        case "in_progress":
          throw new ProblemError(
            "in_progress",
            "A write with the same Idempotency-Key is still under way. Ask again with the same key for its outcome.",
            { retryAfterSeconds: RETRY_AFTER_SECONDS },
          );
        case "unknown":
          mayBeWritten = true;
          lastReason = "the leader did not answer in time";
          break;
        case "not_written":
          if (result.reason === "queue_full")
            throw new ProblemError(
              "overloaded",
              "The leader's queue is full. Nothing was written; try again shortly.",
              {
                retryAfterSeconds: RETRY_AFTER_SECONDS,
              },
            );
          lastReason = REASONS[result.reason];
          break;
      }
      await pause(LEADER_POLL_MS);
    }
    if (mayBeWritten) throw outcomeUnknown();
    throw this.unavailable(`Nothing was written: ${lastReason}, within ${this.options.config.requestTimeoutMs} ms.`);
  }

  private async attempt(
    write: WriteRequest,
    at: { view: ReplicaView; leaderId: NodeId; deadline: number },
  ): Promise<WriteResult> {
    if (at.leaderId === this.nodeId) {
      const condition = write.ifPreviousHash === undefined ? {} : { ifPreviousHash: write.ifPreviousHash };
      return this.tracker.propose(write.events, { deadline: at.deadline, ...condition });
    }
    const budgetMs = Math.max(1, Math.floor(at.deadline - performance.now()));
    // A leader that hangs is replaced: its request is given up as soon as this node follows another one.
    const given = new AbortController();
    const watch = setInterval(() => {
      const view = this.options.driver.view();
      if (view?.leaderId !== at.leaderId || view.term !== at.view.term) given.abort();
    }, LEADER_WATCH_MS);
    try {
      const answer = await this.transport().request(
        at.leaderId,
        "append",
        { term: at.view.term, budgetMs, ifPreviousHash: write.ifPreviousHash, events: write.events.map(toForwarded) },
        // The leader answers at the deadline at the latest; a dead one is noticed by its closed connection.
        { timeoutMs: budgetMs + LEADER_POLL_MS * 2, requestId: write.requestId, signal: given.signal },
      );
      return answer.status === 200 ? (answer.body as WriteResult) : { kind: "unknown" };
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return error.mayHaveArrived ? { kind: "unknown" } : { kind: "not_written", reason: "not_leader" };
    } finally {
      clearInterval(watch);
    }
  }

  /** A forwarded write is taken by the leader of the term it was sent to, and is never forwarded again. */
  private async takeForwarded(body: unknown): Promise<WriteResult> {
    const forwarded = forwardedWriteSchema.parse(body);
    const view = this.options.driver.view();
    if (view === null || view.role !== "leader") return { kind: "not_written", reason: "not_leader" };
    if (view.term !== forwarded.term) return { kind: "not_written", reason: "stale_term" };
    const budgetMs = Math.min(forwarded.budgetMs, this.options.config.requestTimeoutMs);
    const { ifPreviousHash } = forwarded;
    return this.tracker.propose(forwarded.events.map(fromForwarded) as PreparedEvent[], {
      deadline: performance.now() + budgetMs,
      ...(ifPreviousHash === undefined ? {} : { ifPreviousHash }),
    });
  }

  // --- Reads ---------------------------------------------------------------------------------------------------------

  get logSize(): number {
    return this.options.storage.projection.through;
  }

  async awaitReadable(): Promise<void> {
    const deadline = performance.now() + READ_WAIT_MS_MAX;
    while (!this.isConfirmed) {
      const view = this.options.driver.view();
      if (view !== null && view.confirmedHeight !== null && view.commitHeight >= view.confirmedHeight) {
        this.acknowledgedSize = Math.max(this.acknowledgedSize, view.committedSize);
        this.isConfirmed = true;
      } else if (performance.now() > deadline) {
        const detail =
          "This node has started and no leader has confirmed yet how far the log goes. Ask another node, or again shortly.";
        throw new ProblemError("not_ready", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
      } else await pause(LEADER_POLL_MS);
    }
    const wanted = this.acknowledgedSize;
    if (this.logSize >= wanted) return;
    const isThere = await within(this.options.driver.committed.projected(wanted), deadline - performance.now());
    if (isThere) return;
    const detail = `This node has projected ${this.logSize} events and acknowledged ${wanted}: it is catching up. Ask again shortly.`;
    throw new ProblemError("not_ready", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  async get(sequence: number): Promise<EventView | null> {
    return this.guarded(() => this.options.storage.projection.get(sequence));
  }
  async list(filter: EventFilter, page: Parameters<LogService["list"]>[1]): Promise<EventView[]> {
    return this.guarded(() => this.options.storage.projection.list(filter, page));
  }
  async count(filter: EventFilter, cap: number): Promise<{ total: number; isCapped: boolean }> {
    return this.guarded(() => this.options.storage.projection.count(filter, cap));
  }

  /** A database that does not answer is a 503 that says so. */
  private async guarded<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      this.options.logger.warn({ err: cause }, "a read failed");
      const detail = "This node's MongoDB does not answer. Ask another node, or again shortly.";
      throw new ProblemError("not_ready", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
  }

  async copies(sequence: number): Promise<NodeCopy[]> {
    const own: NodeCopy = await this.ownCopy(sequence);
    const others = await this.askPeers<NodeCopy>("copy", { sequence }, (body) => body as NodeCopy);
    const unreachable = (node: NodeId): NodeCopy => ({ node, hash: null, event: null, detail: "it does not answer" });
    return [own, ...others.map(({ peer, answer }) => answer ?? unreachable(peer))].sort((a, b) =>
      a.node < b.node ? -1 : 1,
    );
  }

  private async ownCopy(sequence: number): Promise<NodeCopy> {
    const event = await this.options.storage.projection.get(sequence);
    const detail = event === null ? { detail: "it does not have it" } : {};
    return { node: this.nodeId, hash: event?.hash ?? null, event, ...detail };
  }

  subscribe(listener: (events: readonly EventView[]) => void): () => void {
    return this.options.driver.committed.subscribe(listener);
  }

  // --- Status --------------------------------------------------------------------------------------------------------

  standing(): Standing {
    const view = this.options.driver.view();
    if (view === null) return { leaderId: null, term: 0, isStale: true };
    return { leaderId: view.leaderId, term: view.term, isStale: !view.hasQuorum };
  }

  readiness(): ReadinessCheck[] {
    const view = this.options.driver.view();
    const lag = view === null ? 0 : view.committedSize - this.logSize;
    return [
      {
        name: "mongodb",
        isOk: view !== null && !view.isStalled,
        detail: view === null ? "not answering: recovering" : "ok",
      },
      {
        name: "quorum",
        isOk: view?.hasQuorum === true,
        detail: view?.hasQuorum === true ? "a majority is reachable" : describeNoQuorum(view),
      },
      { name: "leader", isOk: view?.leaderId != null, detail: view?.leaderId ?? "none known" },
      { name: "projection", isOk: this.isConfirmed || view?.confirmedHeight != null, detail: `${lag} events behind` },
    ];
  }

  async clusterStatus(): Promise<ClusterStatus> {
    const own = this.ownStatus();
    const sentAt = Date.now();
    const others = await this.askPeers<OwnStatus & { skewMs: number }>("status", {}, (body) => {
      const status = ownStatusSchema.parse(body);
      // Half the round trip is taken as the way back.
      return { ...status, skewMs: Math.round(Date.parse(status.clock) - (sentAt + Date.now()) / 2) };
    });
    const { alerts } = await this.alerts(1);
    return clusterStatus({
      own,
      others: others.map(({ peer, answer }) => ({ id: peer, status: answer })),
      configured: this.options.config.members,
      view: this.options.driver.view(),
      hasAlerts: alerts.length > 0,
      now: performance.now(),
    });
  }

  private ownStatus(): OwnStatus {
    const view = this.options.driver.view();
    const { config, version } = this.options;
    return {
      id: this.nodeId,
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
      projectedSize: this.logSize,
    };
  }

  async admit(request: { node: NodeId; actor: string; reason: string }): Promise<void> {
    const view = this.options.driver.view();
    const leaderId = view?.leaderId ?? null;
    if (view === null || leaderId === null) throw this.unavailable("No leader is known: nobody can be admitted now.");
    if (leaderId === this.nodeId) return this.admitHere(request);
    const answer = await this.transport().request<{ detail?: string }>(leaderId, "admit", request, {
      timeoutMs: PEER_ANSWER_MS_MAX,
    });
    if (answer.status !== 200)
      throw new ProblemError("admission_conflict", answer.body.detail ?? "The leader refused.");
  }

  private admitHere(request: { node: NodeId; actor: string; reason: string }): void {
    const peer = this.options.driver.view()?.peers.find((known) => known.id === request.node);
    if (peer === undefined)
      throw new ProblemError("admission_conflict", `${request.node} is not a member of this cluster.`);
    if (!peer.wantsAdmission) {
      const detail = `${request.node} does not ask to be admitted: it counts already, has not caught up yet, or does not answer.`;
      throw new ProblemError("admission_conflict", detail);
    }
    this.options.driver.submit({ kind: "admit", now: performance.now(), wall: new Date().toISOString(), ...request });
  }

  async alerts(limit: number): Promise<{ alerts: AlertRecord[]; unreachable: NodeId[] }> {
    const own = await this.options.storage.alerts.list(Math.min(limit, ALERTS_MAX)).catch(() => null);
    const others = await this.askPeers<AlertRecord[]>(
      "alerts",
      { limit },
      (body) => (body as { alerts: AlertRecord[] }).alerts,
    );
    const found = [...(own ?? []), ...others.flatMap(({ answer }) => answer ?? [])];
    const unreachable = others.filter(({ answer }) => answer === null).map(({ peer }) => peer);
    found.sort((a, b) => (a.openedAt < b.openedAt ? 1 : -1));
    return { alerts: found.slice(0, limit), unreachable: own === null ? [this.nodeId, ...unreachable] : unreachable };
  }

  // --- Peers ---------------------------------------------------------------------------------------------------------

  private transport(): PeerTransport {
    if (this.options.transport === null) throw this.unavailable("This node stands alone and knows no other.");
    return this.options.transport;
  }

  /** Asks every other member at once; null for one that does not answer in time. */
  private async askPeers<T>(
    path: string,
    body: unknown,
    parse: (body: unknown) => T,
  ): Promise<{ peer: NodeId; answer: T | null }[]> {
    const peers = this.options.config.members.filter((member) => member.id !== this.nodeId);
    return Promise.all(
      peers.map(async ({ id }) => {
        try {
          const answer = await this.transport().request(id, path, body, { timeoutMs: PEER_ANSWER_MS_MAX });
          return { peer: id, answer: answer.status === 200 ? parse(answer.body) : null };
        } catch {
          return { peer: id, answer: null };
        }
      }),
    );
  }

  private serve(): void {
    const { transport, storage } = this.options;
    if (transport === null) return;
    const ok = (body: unknown) => ({ status: 200, body });
    transport.handle("append", async (body) => ok(await this.takeForwarded(body)));
    transport.handle("status", async () => ok(this.ownStatus()));
    transport.handle("copy", async (body) =>
      ok(await this.ownCopy(z.object({ sequence: z.int().min(0) }).parse(body).sequence)),
    );
    transport.handle("alerts", async (body) => {
      const { limit } = z.object({ limit: z.int().min(1).max(ALERTS_MAX) }).parse(body);
      return ok({ alerts: await storage.alerts.list(limit) });
    });
    transport.handle("admit", async (body) => {
      try {
        this.admitHere(z.object({ node: z.string(), actor: z.string(), reason: z.string() }).parse(body));
        return ok({});
      } catch (error) {
        return { status: 409, body: { detail: error instanceof ProblemError ? error.detail : "not admitted" } };
      }
    });
  }

  private unavailable(detail: string): ProblemError {
    return new ProblemError("no_quorum", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }
}

const ROLE_NAMES = {
  follower: "follower",
  asking: "candidate",
  pre_candidate: "candidate",
  candidate: "candidate",
  leader: "leader",
} as const;

const REASONS: Record<Extract<WriteResult, { kind: "not_written" }>["reason"], string> = {
  not_leader: "the leader changed",
  expired: "the write waited too long",
  queue_full: "the leader's queue is full",
  unavailable: "the leader's database does not answer",
  superseded: "another leader's block took its place",
  stale_term: "a new leader was elected meanwhile",
};

function headDiffers(write: WriteRequest, result: Extract<WriteResult, { kind: "head_differs" }>): ProblemError {
  const detail =
    `previousHash is ${JSON.stringify(write.ifPreviousHash)}, but the log's head is ${JSON.stringify(result.headHash)}. ` +
    "Nothing was written. Read the head and try again.";
  const head = { sequence: result.nextSequence - 1, hash: result.headHash };
  return new ProblemError("hash_chain_conflict", detail, { extra: { head } });
}

const outcomeUnknown = (): ProblemError =>
  new ProblemError(
    "outcome_unknown",
    "The write was handed to a leader and its outcome is not known: it may be stored or not. Retry with the same Idempotency-Key.",
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );

function describeNoQuorum(view: ReplicaView | null): string {
  if (view === null) return "unknown while the database is recovered";
  if (view.isForming && view.missing.length > 0)
    return `the cluster has not formed: waiting for ${view.missing.join(", ")}`;
  if (view.isLearner)
    return "this node waits to be admitted; if voters can no longer be a majority, bring back their identity files or disks";
  return (
    "no leader has been heard for an election timeout; if most members have lost their data, they wait to be admitted: " +
    "bring back their identity files or disks"
  );
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, ms));
  });
  const isThere = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return isThere;
}
