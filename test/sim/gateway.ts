import type { Effect } from "../../cluster/types.js";
import type { PreparedEvent } from "../../shared/event.js";
import type { HashHex, Height, NodeId } from "../../shared/ids.js";
import type { SimNode } from "./node.js";
import type { Scheduler } from "./scheduler.js";
import type { SimTiming } from "./timing.js";
import { check } from "./violation.js";

export interface Write {
  readonly events: readonly PreparedEvent[];
  readonly ifPreviousHash?: HashHex | "";
}

export interface WrittenEvent {
  readonly sequence: number;
  readonly hash: HashHex;
}

/** What a node answers to a write: 201, 503, 504, 409 and 412 of the real one. */
export type Outcome =
  | { kind: "written"; events: readonly WrittenEvent[]; height: Height; blockHash: HashHex; isReplay: boolean }
  /** Certainly not written, and never will be. */
  | { kind: "not_written"; reason: string }
  | { kind: "unknown" }
  | { kind: "in_progress" }
  | { kind: "head_differs" };

export type Answer = (outcome: Outcome) => void;
type Verdict = Extract<Effect, { kind: "sealed" | "duplicate" | "in_progress" | "refused" | "head_differs" }>;

interface Pending {
  readonly answer: Answer;
  readonly write: Write;
  /** Where it stands, once it is sealed or found to be a duplicate; a null hash is the committed block's. */
  place: { height: Height; blockHash: HashHex | null; isReplay: boolean } | null;
}

/** Carries a write to another node; `answer` is called at most once, possibly never. */
export type ForwardPort = (request: {
  from: NodeId;
  to: NodeId;
  write: Write;
  remainingMs: number;
  answer: Answer;
}) => void;

/**
 * The client's side of a node, as the real one will be: proposes where it leads, forwards where it does not, tries
 * again with the same ids across an election, and says "written" only when the block is committed here.
 */
export class Gateway {
  private readonly pending = new Map<number, Pending>();
  private readonly reads = new Map<number, (height: Height | null) => void>();
  private lastProposalId = 0;
  private lastReadId = 0;

  constructor(
    private readonly node: SimNode,
    private readonly scheduler: Scheduler,
    private readonly timing: SimTiming,
    readonly forwardPort: ForwardPort,
  ) {}

  /** The process died: its callers hear nothing. */
  reset(): void {
    this.pending.clear();
    this.reads.clear();
  }

  /** A client's write: answered once, at the deadline at the latest, unless this process dies. */
  submit(write: Write, answer: Answer): void {
    const attempt = { write, answer, deadline: this.node.now + this.timing.requestTimeoutMs, isUncertain: false };
    this.attempt(attempt);
  }

  private attempt(attempt: Attempt): void {
    const { node } = this;
    // Once a try's fate is unknown, later certainties about other tries do not settle it.
    const giveUp = (reason: string): Outcome =>
      attempt.isUncertain ? { kind: "unknown" } : { kind: "not_written", reason };
    const remainingMs = attempt.deadline - node.now;
    if (remainingMs <= 0) return attempt.answer(giveUp("expired"));

    const retry = () => this.afterHere(RETRY_MS, () => this.attempt(attempt));
    const settle: Answer = (outcome) => {
      if (outcome.kind === "unknown") attempt.isUncertain = true;
      if (outcome.kind === "unknown" || outcome.kind === "not_written" || outcome.kind === "in_progress") retry();
      else if (outcome.kind === "head_differs" && attempt.isUncertain) attempt.answer({ kind: "unknown" });
      else attempt.answer(outcome);
    };
    const { role, leaderId } = node.view;
    if (role === "leader") this.propose(attempt.write, attempt.deadline, settle);
    else if (leaderId === null || leaderId === node.id) retry();
    else this.forward(attempt, leaderId, settle);
  }

  private forward(attempt: Attempt, to: NodeId, settle: Answer): void {
    const remainingMs = attempt.deadline - this.node.now;
    let isSettled = false;
    const once: Answer = (outcome) => {
      if (isSettled) return;
      isSettled = true;
      settle(outcome);
    };
    this.afterHere(Math.min(remainingMs, this.timing.requestTimeoutMs / 3), () => once({ kind: "unknown" }));
    const { boot } = this.node;
    this.forwardPort({
      from: this.node.id,
      to,
      write: attempt.write,
      remainingMs,
      answer: (outcome) => {
        if (this.node.boot === boot) once(outcome);
      },
    });
  }

  /** A write that another node forwarded: proposed here or refused, never forwarded again. */
  receiveForwarded(write: Write, remainingMs: number, answer: Answer): void {
    if (this.node.view.role !== "leader") answer({ kind: "not_written", reason: "not_leader" });
    else this.propose(write, this.node.now + remainingMs, answer);
  }

  private propose(write: Write, deadline: number, answer: Answer): void {
    this.lastProposalId += 1;
    const proposalId = this.lastProposalId;
    this.pending.set(proposalId, { answer, write, place: null });
    this.afterHere(deadline - this.node.now, () => {
      // In no block at its deadline: the replica does not seal it any more. In a block: only that block's fate decides.
      const place = this.pending.get(proposalId)?.place;
      this.finish(proposalId, place ? { kind: "unknown" } : { kind: "not_written", reason: "expired" });
    });
    this.node.input({ kind: "propose", proposal: { proposalId, deadline, ...write } });
  }

  onVerdict(verdict: Verdict): void {
    const pending = this.pending.get(verdict.proposalId);
    if (pending === undefined) return;
    switch (verdict.kind) {
      case "sealed":
      case "duplicate": {
        const { height, blockHash } = verdict;
        pending.place = { height, blockHash, isReplay: verdict.kind === "duplicate" };
        return this.decide(verdict.proposalId, pending);
      }
      case "in_progress":
        return this.finish(verdict.proposalId, { kind: "in_progress" });
      case "refused":
        return this.finish(verdict.proposalId, { kind: "not_written", reason: verdict.reason });
      case "head_differs":
        return this.finish(verdict.proposalId, { kind: "head_differs" });
    }
  }

  /** A linearizable read on a node that thinks it leads: answered with the height that the read must reflect. */
  read(answer: (height: Height | null) => void): void {
    this.lastReadId += 1;
    this.reads.set(this.lastReadId, answer);
    this.node.input({ kind: "read_index", readId: this.lastReadId });
  }

  onRead(effect: Extract<Effect, { kind: "read_confirmed" | "read_refused" }>): void {
    const answer = this.reads.get(effect.readId);
    this.reads.delete(effect.readId);
    answer?.(effect.kind === "read_confirmed" ? effect.height : null);
  }

  onCommitted(): void {
    for (const [proposalId, pending] of this.pending) this.decide(proposalId, pending);
  }

  private decide(proposalId: number, { place, write }: Pending): void {
    if (place === null) return;
    const committed = this.node.committed.get(place.height);
    if (committed === undefined) return;
    const blockHash = place.blockHash ?? committed;
    if (committed !== blockHash) return this.finish(proposalId, { kind: "not_written", reason: "another block" });
    const events = this.eventsOf(write, place.height);
    this.finish(proposalId, { kind: "written", events, height: place.height, blockHash, isReplay: place.isReplay });
  }

  /** A write's events as they stand in the block: found by id, or where a key repeats an earlier request, by key. */
  private eventsOf({ events }: Write, height: Height): WrittenEvent[] {
    const stored = this.node.disk.at(height)?.events ?? [];
    return events.flatMap(({ id, idempotencyKey, sourceAppId }) => {
      const found = stored.find(
        ({ record }) =>
          record.id === id ||
          (idempotencyKey !== undefined &&
            record.idempotencyKey === idempotencyKey &&
            record.sourceAppId === sourceAppId),
      );
      check(found !== undefined, "I9", () => `event ${id} is not in block ${height}, which is said to hold it`);
      return [{ sequence: found.record.sequence, hash: found.hash }];
    });
  }

  private finish(proposalId: number, outcome: Outcome): void {
    const pending = this.pending.get(proposalId);
    if (pending === undefined) return;
    this.pending.delete(proposalId);
    pending.answer(outcome);
  }

  /** Like a timer of this process: gone when it dies, late when it is paused. */
  private afterHere(delayMs: number, action: () => void): void {
    const { boot } = this.node;
    this.scheduler.after(delayMs, () => {
      if (this.node.boot !== boot) return;
      if (this.node.isPaused) this.afterHere(this.timing.tickMs, action);
      else action();
    });
  }
}

interface Attempt {
  readonly write: Write;
  readonly answer: Answer;
  readonly deadline: number;
  isUncertain: boolean;
}

const RETRY_MS = 40;
