import { height } from "../../shared/ids.js";
import { ProblemError } from "../problems.js";
import { ForwardedWrites } from "./forwarded-writes.js";
import { Forwarder } from "./forwarder.js";
import type { AppendOutcome, LogWrites, WriteRequest } from "./log-port.js";
import { notReady, type Parts, RETRY_AFTER_SECONDS, unavailable } from "./parts.js";
import { type ProposedWrite, type WriteResult, WriteTracker } from "./write-tracker.js";

/** Between tries, if no other node leads before: after the first this long, then twice as long each time, up to a bound. */
const RETRY_MS = 20;
const RETRY_MS_MAX = 80;
/** Writes under way in this process, from all clients. */
const WRITES_MAX = 10_000;

type NotWritten = Extract<WriteResult, { kind: "not_written" }>["reason"];

export interface WriteHooks {
  /** A write was refused because no leader took it. */
  readonly onRefused: () => void;
  readonly onAcknowledged: (size: number) => void;
  /** This node leads, and its disk is too full: true if another node can be expected to take over. */
  readonly isHandingOver: () => boolean;
}

/** Appends on whichever node leads, across elections, within each write's deadline. */
export class Writes implements LogWrites {
  /** Told of what happens to the replica. */
  readonly tracker: WriteTracker;
  private readonly forwarder: Forwarder;
  private underWay = 0;
  private onDrained: (() => void) | null = null;
  private isStopping = false;

  constructor(
    private readonly parts: Parts,
    private readonly hooks: WriteHooks,
  ) {
    this.tracker = new WriteTracker(parts.driver, parts.logger, parts.clock);
    this.forwarder = new Forwarder(parts);
    new ForwardedWrites(parts, (writes) => this.proposeAll(writes));
  }

  /** New writes are refused from now on; those under way go on for as long as there is a leader to take them. */
  stop(): void {
    this.isStopping = true;
    this.parts.leaders.wake();
  }
  /** Resolves when the writes under way are answered, each within its own deadline. */
  async drained(): Promise<void> {
    if (this.underWay > 0)
      await new Promise<void>((resolve) => {
        this.onDrained = resolve;
      });
  }

  async append(write: WriteRequest): Promise<AppendOutcome> {
    if (this.isStopping) throw notReady("This node is stopping. Nothing was written; try another node.");
    if (this.underWay >= WRITES_MAX) {
      const detail = `${WRITES_MAX} writes are under way on this node. Nothing was written; try again shortly.`;
      throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.underWay += 1;
    try {
      const outcome = await this.decide(write);
      const last = outcome.events.at(-1);
      if (last !== undefined) this.hooks.onAcknowledged(last.sequence + 1);
      return outcome;
    } finally {
      this.underWay -= 1;
      if (this.underWay === 0) this.onDrained?.();
    }
  }

  /** Tries until the deadline: here when this node leads, else at the leader; across elections with the same ids. */
  private async decide(write: WriteRequest): Promise<AppendOutcome> {
    const { driver, config, clock, leaders } = this.parts;
    const deadline = clock.now() + config.requestTimeoutMs;
    let mayBeWritten = false;
    let sinceHeight = height(0);
    let lastReason = "no leader is known";
    let isRebuilding = false;
    let retryMs = RETRY_MS;
    while (clock.now() < deadline) {
      const standing = driver.standing();
      const leaderId = standing?.leaderId ?? null;
      if (standing === null || leaderId === null) {
        lastReason = standing === null ? "this node has not opened its log" : "no leader is known";
        if (this.isStopping) break;
        await leaders.changeWithin(clock, deadline - clock.now());
        continue;
      }
      // It stands in no block that was known to be committed before any attempt that may have been written.
      if (!mayBeWritten) sinceHeight = standing.knownCommitHeight;
      isRebuilding = false;
      const attempt = { deadline, sinceHeight, ifPreviousHash: write.ifPreviousHash };
      const { term } = standing;
      const result = await (leaderId === config.nodeId
        ? this.propose({ events: write.events, ...attempt })
        : this.forwarder.forward(write, { leaderId, term }, attempt));
      if (result.kind === "committed") return result;
      if (result.kind === "unknown") mayBeWritten = true;
      else if (result.kind === "not_written") {
        // What an earlier attempt may have written is not denied by a later one.
        const problem = mayBeWritten ? null : finalRefusal(result.reason);
        if (problem !== null) throw problem;
        lastReason = REASONS[result.reason];
        isRebuilding = result.reason === "index_rebuilding";
      } else if (result.kind === "head_differs") throw headDiffers(write, result);
      else if (result.kind === "key_reused") throw keyReused(result.sequence);
      // Without a client's key only an earlier attempt of this very write can be under way.
      else throw mayBeWritten || write.events[0]?.idempotencyKey === undefined ? outcomeUnknown() : inProgress();
      await leaders.changeWithin(clock, retryMs);
      retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
    }
    if (mayBeWritten) throw outcomeUnknown();
    const detail = `Nothing was written: ${lastReason}, within ${config.requestTimeoutMs} ms.`;
    // Its own database says nothing of the cluster's majority.
    if (driver.standing() === null) throw notReady(`${detail} Try another node.`);
    if (isRebuilding)
      throw new ProblemError("index_rebuilding", `${detail} Try again shortly, or without a key.`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    this.hooks.onRefused();
    throw unavailable(detail);
  }

  /** As leader. A disk that is nearly full takes nothing; while another node takes over, the write is tried again there. */
  private proposeAll(writes: readonly ProposedWrite[]): Promise<WriteResult>[] {
    if (!this.parts.disk.isLow) return this.tracker.proposeAll(writes);
    const reason = this.hooks.isHandingOver() ? "handing_over" : "disk_low";
    return writes.map(async () => ({ kind: "not_written", reason }) as const);
  }

  private propose(write: ProposedWrite): Promise<WriteResult> {
    return this.proposeAll([write])[0] as Promise<WriteResult>;
  }
}

const REASONS: Record<NotWritten, string> = {
  not_leader: "the node that was asked does not lead",
  unreached: "the request did not get to the leader",
  expired: "the write waited too long",
  queue_full: "the leader's queue is full",
  unavailable: "the node that was asked cannot write now",
  superseded: "another leader's block took its place",
  stale_term: "a new term has begun",
  handing_over: "the leader's disk is nearly full, and no other node has taken over yet",
  disk_low: "the leader's disk is nearly full",
  cannot_tell: "the leader no longer knows whether an earlier attempt was logged",
  look_up_failed: "the leader could not look the Idempotency-Key up",
  index_rebuilding: "the leader's index of Idempotency-Keys is being rebuilt",
  not_valid: "the leader found an event that cannot be logged",
};

/** What trying again within the request's time would not change. */
function finalRefusal(reason: NotWritten): ProblemError | null {
  if (reason === "queue_full") {
    const detail = "The leader's queue is full. Nothing was written; try again shortly.";
    return new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }
  if (reason === "not_valid") {
    const detail =
      "The leader found an event that cannot be logged, though this node had taken it. Nothing was written.";
    return new ProblemError("internal_error", detail);
  }
  if (reason !== "disk_low") return null;
  const detail =
    "A volume that the leader writes to has less free space than DISK_FREE_MIN_BYTES, and no other node has taken " +
    "over. Nothing was written. Free some space, or add some; GET /readyz?verbose on each node says how much there is.";
  return new ProblemError("disk_low", detail, { retryAfterSeconds: DISK_RETRY_SECONDS });
}
const DISK_RETRY_SECONDS = 5;

const inProgress = (): ProblemError =>
  new ProblemError(
    "in_progress",
    "A write with the same Idempotency-Key is still under way. Ask again with the same key for its outcome.",
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );

const keyReused = (sequence: number): ProblemError =>
  new ProblemError(
    "idempotency_key_reused",
    `This Idempotency-Key was used before, for event ${sequence}, which differs from what was sent. Nothing was written. Use a new key for a new write.`,
  );

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
    "The write was sent to a leader and its outcome is not known: it may be stored or not. Retry with the same Idempotency-Key.",
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
