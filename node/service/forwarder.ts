import type { Height, NodeId, Term } from "../../shared/ids.js";
import { FORWARDED_WRITES_MAX } from "../../shared/limits.js";
import { eventBytesBound } from "../../shared/log/body.js";
import type { AnswerOf, QuestionTo } from "../../shared/protocol/requests.js";
import { PeerError } from "../peers/peer-client.js";
import { fromTold, toForwarded } from "./forwarded.js";
import type { WriteRequest } from "./log-port.js";
import { ANSWER_GRACE_MS, type Parts } from "./parts.js";
import type { WriteResult } from "./write-tracker.js";

/** Events of one request as a block has them, or one write. Their JSON is a few times as long; a peer takes 12 MiB. */
const FORWARDED_BYTES_MAX = 1024 * 1024;
/** Requests on their way to the leader: it holds one, which it answers when the other one comes. */
const REQUESTS_MAX = 2;
/** How long a request waits at most for writes of clients that were just answered. */
const GATHER_MS_MAX = 10;

type Course = Pick<Lead, "leaderId" | "term">;
type Question = QuestionTo<"append">;

/** One attempt to have a write logged by another node, within a time. */
export interface Attempt {
  readonly deadline: number;
  /** The write stands in no block up to here. */
  readonly sinceHeight: Height;
  readonly ifPreviousHash: WriteRequest["ifPreviousHash"];
}

interface Waiting extends Attempt {
  readonly n: number;
  readonly write: WriteRequest;
  readonly bytes: number;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: unknown) => void;
  readonly cancelExpiry: () => void;
  /** When its request left. */
  sentAt: number;
}

/** Carries writes to whichever node leads: all that came since the last request left travel in the next one. */
export class Forwarder {
  private lead: Lead | null = null;

  constructor(private readonly parts: Parts) {
    parts.leaders.onChange(() => this.look());
  }

  forward(write: WriteRequest, to: Course, attempt: Attempt): Promise<WriteResult> {
    if (this.lead?.leaderId !== to.leaderId || this.lead.term !== to.term) this.follow(to);
    return new Promise((resolve, reject) => this.lead?.add({ write, ...attempt, resolve, reject }));
  }

  private follow(to: Course | null): void {
    this.lead?.end();
    this.lead = to === null ? null : new Lead(this.parts, to.leaderId, to.term);
  }

  /** A leader that hangs is replaced: its requests are given up as soon as this node follows another one. */
  private look(): void {
    const standing = this.parts.driver.standing();
    if (standing?.leaderId !== this.lead?.leaderId || standing?.term !== this.lead?.term) this.follow(null);
  }
}

/**
 * A course: this node's writes to one leader in one term. Where a request fails, what it carried or asked for may have been
 * written, unless it certainly did not arrive.
 */
class Lead {
  private readonly course: string;
  private readonly given = new AbortController();
  private queue: Waiting[] = [];
  /** Sent and not answered, by number. */
  private readonly sent = new Map<number, Waiting>();
  private lastNumber = 0;
  private lastRequest = 0;
  private requests = 0;
  private isDue = false;
  /** As many writes were open when the last answers came: requests wait for as many, until this time. */
  private expected = 0;
  private gathersUntil = 0;
  private gatherMs = 0;
  private cancelWake: (() => void) | null = null;

  constructor(
    private readonly parts: Parts,
    readonly leaderId: NodeId,
    readonly term: Term,
  ) {
    this.course = parts.clock.randomHex(8);
  }

  add(waiting: Omit<Waiting, "n" | "bytes" | "cancelExpiry" | "sentAt">): void {
    const { clock } = this.parts;
    const n = ++this.lastNumber;
    // The leader answers at the deadline at the latest.
    const leftMs = Math.max(0, waiting.deadline - clock.now()) + ANSWER_GRACE_MS;
    const bytes = waiting.write.events.reduce((sum, event) => sum + eventBytesBound(event), 0);
    this.queue.push({ n, bytes, cancelExpiry: clock.after(leftMs, () => this.expire(n)), sentAt: 0, ...waiting });
    this.sendSoon();
  }

  /** This node follows it no more: what it has in its queue is not written, and of the rest nobody will say. */
  end(): void {
    this.given.abort();
    this.cancelWake?.();
    this.lose([...this.sent.values()], { kind: "unknown" });
    this.lose(this.queue, { kind: "not_written", reason: "unreached" });
    this.queue = [];
  }

  /** What else comes in this turn of the event loop goes along. */
  private sendSoon(): void {
    if (this.isDue || this.requests >= REQUESTS_MAX || this.isGathering()) return;
    this.isDue = true;
    void this.parts.clock.breathe().then(() => {
      this.isDue = false;
      this.send();
    });
  }

  /**
   * Whoever was just answered will often write again at once: the next request waits until as many writes are open as were
   * before, half as long as the answered one was on its way, and so does the one after that. Without it the first to come
   * would travel alone, and so the next ones: several requests for each block. Nobody waits for a lone client's next
   * write, nor for writes while there are none.
   */
  private gather(tookMs: number): void {
    this.expected = this.open;
    this.gatherMs = Math.min(GATHER_MS_MAX, Math.ceil(tookMs / 2));
    this.gathersUntil = this.parts.clock.now() + this.gatherMs;
  }

  private get open(): number {
    return this.queue.length + this.sent.size;
  }

  private isGathering(): boolean {
    const leftMs = this.gathersUntil - this.parts.clock.now();
    if (this.open >= this.expected || leftMs <= 0) return false;
    if (this.open > 0)
      this.cancelWake ??= this.parts.clock.after(leftMs, () => {
        this.cancelWake = null;
        this.sendSoon();
      });
    return true;
  }

  private send(): void {
    if (this.given.signal.aborted || this.requests >= REQUESTS_MAX) return;
    const writes = this.take();
    // Somebody has to fetch the answers that are still open.
    if (writes.length === 0 && (this.sent.size === 0 || this.requests > 0)) return;
    const now = this.parts.clock.now();
    for (const waiting of writes) {
      waiting.sentAt = now;
      this.sent.set(waiting.n, waiting);
    }
    this.gathersUntil = now + this.gatherMs;
    this.requests += 1;
    void this.exchange(writes).finally(() => {
      this.requests -= 1;
      if (this.queue.length > 0 || (this.sent.size > 0 && this.requests === 0)) this.sendSoon();
    });
    if (this.queue.length > 0) this.sendSoon();
  }

  /** The first of the queue; a write that is older than its time is not sent any more. */
  private take(): Waiting[] {
    const now = this.parts.clock.now();
    for (const { n, deadline } of this.queue) if (deadline <= now) this.expire(n);
    let bytes = 0;
    const count = this.queue.findIndex((waiting, i) => {
      bytes += waiting.bytes;
      return i > 0 && (i >= FORWARDED_WRITES_MAX || bytes > FORWARDED_BYTES_MAX);
    });
    return this.queue.splice(0, count === -1 ? this.queue.length : count);
  }

  private async exchange(writes: readonly Waiting[]): Promise<void> {
    const { peers, config } = this.parts;
    const question = this.question(writes);
    try {
      const timeoutMs = config.requestTimeoutMs + ANSWER_GRACE_MS;
      const options = { timeoutMs, signal: this.given.signal, isSentOnce: true, isFrequent: true };
      const reply = await peers.request(this.leaderId, "append", question, options);
      const answers = reply.kind === "answered" ? reply.answer.answers : null;
      // Asked for what is open, the leader knows of nothing.
      const isForgotten = answers?.length === 0 && writes.length === 0 && question.request === this.lastRequest;
      if (answers === null || isForgotten) return this.loseAll();
      this.settle(answers);
    } catch (error) {
      if (!(error instanceof PeerError)) for (const { n } of writes) this.taken(n)?.reject(error);
      else if (!error.mayHaveArrived) this.lose(writes, { kind: "not_written", reason: "unreached" });
      this.loseAll();
    }
  }

  private question(writes: readonly Waiting[]): Question {
    const now = this.parts.clock.now();
    return {
      course: this.course,
      request: ++this.lastRequest,
      term: this.term,
      writes: writes.map(({ n, write, deadline, sinceHeight, ifPreviousHash }) => ({
        n,
        requestId: write.requestId,
        sinceHeight,
        ifPreviousHash,
        budgetMs: Math.max(1, Math.floor(deadline - now)),
        events: write.events.map(toForwarded),
      })),
    };
  }

  private settle(answers: AnswerOf<"append">["answers"]): void {
    const [first] = answers;
    const sentAt = first === undefined ? undefined : this.sent.get(first.n)?.sentAt;
    if (sentAt !== undefined) this.gather(this.parts.clock.now() - sentAt);
    for (const { n, result } of answers) {
      const waiting = this.taken(n);
      waiting?.resolve(fromTold(waiting.write.events, result));
    }
  }

  /** What is sent may be written, and its answer may be lost. */
  private loseAll(): void {
    this.lose([...this.sent.values()], { kind: "unknown" });
  }

  private lose(some: readonly Waiting[], result: WriteResult): void {
    for (const waiting of some) {
      this.sent.delete(waiting.n);
      waiting.cancelExpiry();
      waiting.resolve(result);
    }
  }

  private taken(n: number): Waiting | undefined {
    const waiting = this.sent.get(n);
    this.sent.delete(n);
    waiting?.cancelExpiry();
    return waiting;
  }

  private expire(n: number): void {
    const isSent = this.sent.has(n);
    const waiting = this.taken(n) ?? this.queue.find((one) => one.n === n);
    this.queue = this.queue.filter((one) => one !== waiting);
    waiting?.resolve(isSent ? { kind: "unknown" } : { kind: "not_written", reason: "expired" });
  }
}
