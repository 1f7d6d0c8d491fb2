import type { Logger } from "pino";
import type { Effect } from "../../cluster/types.js";
import { type WriteResult, WriteTracker } from "../../node/service/write-tracker.js";
import { type HashHex, type Height, height, type NodeId, type Term } from "../../shared/ids.js";
import type { PreparedEvent } from "../../shared/log/event.js";
import type { SimProcess } from "./process.js";

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
  | {
      kind: "written";
      events: readonly WrittenEvent[];
      height: Height;
      isReplay: boolean;
      acknowledgedBy: readonly NodeId[];
    }
  /** Certainly not written, and never will be. */
  | { kind: "not_written"; reason: string }
  | { kind: "unknown" }
  | { kind: "in_progress" }
  /** The key was used for another body. */
  | { kind: "key_reused" }
  | { kind: "head_differs" };

export type Answer = (outcome: Outcome) => void;

interface Attempt {
  readonly write: Write;
  readonly answer: Answer;
  readonly deadline: number;
  isUncertain: boolean;
  /** It stands in no block up to here: known to be committed before any attempt that may have been written. */
  sinceHeight: Height;
}

/** Carries a write to another node, as to the leader of a term; `answer` is called at most once, possibly never. */
export type ForwardPort = (request: {
  from: NodeId;
  to: NodeId;
  write: Write;
  term: Term;
  remainingMs: number;
  sinceHeight: Height;
  answer: Answer;
}) => void;

const RETRY_MS = 40;

/**
 * The client's side of a process: the real tracker of proposed writes, and around it what node/service/writes.ts does:
 * it forwards where it does not lead, and tries again with the same ids across an election.
 */
export class Gateway {
  readonly tracker: WriteTracker;
  private readonly reads = new Map<number, (at: Height | null) => void>();
  private lastReadId = 0;

  constructor(
    private readonly process: SimProcess,
    logger: Pick<Logger, "warn">,
    private readonly forwardPort: ForwardPort,
  ) {
    this.tracker = new WriteTracker(process.driver, logger, process);
  }

  get openReads(): number {
    return this.reads.size;
  }

  onEffect(effect: Effect): void {
    this.tracker.onEffect(effect);
    if (effect.kind === "read_confirmed") this.settleRead(effect.readId, effect.height);
    if (effect.kind === "read_refused") this.settleRead(effect.readId, null);
  }

  /** A client's write: answered once, at the deadline at the latest, unless this process dies. */
  submit(write: Write, answer: Answer): void {
    const { requestTimeoutMs } = this.process.node.around.timing;
    const deadline = this.process.now() + requestTimeoutMs;
    this.attempt({ write, answer, deadline, isUncertain: false, sinceHeight: height(0) });
  }

  private attempt(attempt: Attempt): void {
    const { process } = this;
    const retry = () => process.after(RETRY_MS, () => this.attempt(attempt));
    if (process.now() >= attempt.deadline) {
      // Once a try's fate is unknown, later certainties about other tries do not settle it.
      const isCertain = !attempt.isUncertain;
      return attempt.answer(isCertain ? { kind: "not_written", reason: "expired" } : { kind: "unknown" });
    }
    const settle: Answer = (outcome) => {
      if (outcome.kind === "unknown") attempt.isUncertain = true;
      if (outcome.kind === "unknown" || outcome.kind === "not_written") retry();
      else if (outcome.kind === "in_progress" && attempt.isUncertain) attempt.answer({ kind: "unknown" });
      else attempt.answer(outcome);
    };
    const standing = process.driver.standing();
    const leaderId = standing?.leaderId ?? null;
    if (standing === null || leaderId === null) return void retry();
    if (!attempt.isUncertain) attempt.sinceHeight = standing.knownCommitHeight;
    if (leaderId === process.node.id) this.propose(attempt.write, attempt, settle);
    else this.forward(attempt, { leaderId, term: standing.term }, settle);
  }

  private forward(attempt: Attempt, to: { leaderId: NodeId; term: Term }, settle: Answer): void {
    const { process } = this;
    const remainingMs = attempt.deadline - process.now();
    let isSettled = false;
    const once: Answer = (outcome) => {
      if (isSettled) return;
      isSettled = true;
      settle(outcome);
    };
    process.after(Math.min(remainingMs, process.node.around.timing.requestTimeoutMs / 3), () =>
      once({ kind: "unknown" }),
    );
    this.forwardPort({
      from: process.node.id,
      to: to.leaderId,
      write: attempt.write,
      term: to.term,
      remainingMs,
      sinceHeight: attempt.sinceHeight,
      answer: (outcome) => process.run(() => once(outcome)),
    });
  }

  /** A write that another node forwarded: proposed here or refused, never forwarded again, nor taken in another term. */
  receiveForwarded(
    write: Write,
    { term, remainingMs, sinceHeight }: { term: Term; remainingMs: number; sinceHeight: Height },
    answer: Answer,
  ): void {
    const standing = this.process.driver.standing();
    if (standing?.role !== "leader" || standing.term !== term) answer({ kind: "not_written", reason: "not_leader" });
    else this.propose(write, { deadline: this.process.now() + remainingMs, sinceHeight }, answer);
  }

  private propose(write: Write, at: { deadline: number; sinceHeight: Height }, answer: Answer): void {
    const { ifPreviousHash } = write;
    const { deadline, sinceHeight } = at;
    const condition = ifPreviousHash === undefined ? {} : { ifPreviousHash };
    void this.tracker
      .propose(write.events, { deadline, sinceHeight, ...condition })
      .then((result) => answer(outcomeOf(result)));
  }

  /** A linearizable read on a node that thinks it leads: answered with the height that the read must reflect. */
  read(answer: (at: Height | null) => void): void {
    const readId = ++this.lastReadId;
    this.reads.set(readId, answer);
    if (this.process.driver.standing() === null) this.settleRead(readId, null);
    else this.process.driver.submit({ kind: "read_index", now: this.process.now(), readId });
  }

  private settleRead(readId: number, at: Height | null): void {
    const answer = this.reads.get(readId);
    this.reads.delete(readId);
    answer?.(at);
  }
}

function outcomeOf(result: WriteResult): Outcome {
  if (result.kind !== "committed") return { ...result };
  const events = result.events.map(({ sequence, hash }) => ({ sequence, hash }));
  const { isReplay, acknowledgedBy } = result;
  return { kind: "written", events, height: (result.events[0]?.height ?? 0) as Height, isReplay, acknowledgedBy };
}
