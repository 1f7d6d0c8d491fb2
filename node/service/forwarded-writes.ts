import type { NodeId } from "../../shared/ids.js";
import type { AnswerTo, QuestionOf } from "../../shared/protocol/requests.js";
import { fromForwarded, toTold } from "./forwarded.js";
import type { Asked, Parts } from "./parts.js";
import type { ProposedWrite, WriteResult } from "./write-tracker.js";

/** Writes of one course that are not answered; beyond, they are refused as by a full queue. */
const UNANSWERED_MAX = 10_000;
/** Answers of one response, with the events of earlier requests in them; or one. */
const ANSWERS_MAX = 2_000;

type Answer = AnswerTo<"append">;
type Told = Answer["answers"][number];
type Forwarded = Extract<QuestionOf<"append">["writes"][number], { events: unknown }>;
type Propose = (writes: readonly ProposedWrite[]) => Promise<WriteResult>[];

/** Another node's writes to this one in one term, and the one request that fetches what is decided of them. */
interface Course {
  readonly from: NodeId;
  lastRequest: number;
  /** Taken, and not decided. */
  open: number;
  decided: Told[];
  /** Answers the request that is held. */
  answer: ((answer: Answer) => void) | null;
  isAnswering: boolean;
}

/** What the other nodes forward to this one: writes are proposed as they came, each is answered when it is decided. */
export class ForwardedWrites {
  private readonly courses = new Map<string, Course>();

  constructor(
    private readonly parts: Parts,
    private readonly propose: Propose,
  ) {
    parts.peers.handle("append", (question, asked) => this.take(question, asked));
  }

  private take(question: QuestionOf<"append">, asked: Asked): Promise<Answer> {
    const course = this.courseOf(question.course, asked.from);
    const refusal = this.refusalOf(question.term);
    const taken: { n: number; write: ProposedWrite }[] = [];
    for (const write of question.writes) {
      const { n } = write;
      const isFull = course.open + taken.length + course.decided.length >= UNANSWERED_MAX;
      const proposed = isFull || refusal !== null ? null : this.proposed(write);
      const reason = isFull ? "queue_full" : (refusal ?? "not_valid");
      if (proposed === null) this.decide(course, { n, result: { kind: "not_written", reason } });
      else taken.push({ n, write: proposed });
    }
    this.begin(course, taken);
    return this.hold(question, course, asked.signal);
  }

  private courseOf(name: string, from: NodeId): Course {
    const known = this.courses.get(name);
    if (known !== undefined) return known;
    // A node is on one course at a time. What it has not fetched of one that is over, it never will.
    for (const [other, course] of this.courses)
      if (course.from === from && course.open === 0 && course.answer === null) this.courses.delete(other);
    const course: Course = { from, lastRequest: 0, open: 0, decided: [], answer: null, isAnswering: false };
    this.courses.set(name, course);
    return course;
  }

  private begin(course: Course, taken: readonly { n: number; write: ProposedWrite }[]): void {
    if (taken.length === 0) return;
    course.open += taken.length;
    const results = this.propose(taken.map(({ write }) => write));
    for (const [i, { n }] of taken.entries()) {
      const end = (result: WriteResult): void => {
        course.open -= 1;
        this.decide(course, { n, result: toTold(result) });
      };
      results[i]?.then(end, (error: unknown) => {
        this.parts.logger.error({ err: error }, "a forwarded write failed here");
        end({ kind: "unknown" });
      });
    }
  }

  /** Writes are taken by the leader of the term that they were sent to, and never forwarded again. */
  private refusalOf(term: number): "not_leader" | "stale_term" | null {
    const standing = this.parts.driver.standing();
    if (standing?.role !== "leader") return "not_leader";
    return standing.term === term ? null : "stale_term";
  }

  private proposed(write: Forwarded | { n: number }): ProposedWrite | null {
    if (!("events" in write)) return null;
    const { clock, config, logger } = this.parts;
    const { sinceHeight, ifPreviousHash, requestId } = write;
    const deadline = clock.now() + Math.min(write.budgetMs, config.requestTimeoutMs);
    try {
      return { events: write.events.map(fromForwarded), deadline, sinceHeight, ifPreviousHash };
    } catch (error) {
      logger.error({ err: error, requestId }, "a forwarded write is not valid");
      return null;
    }
  }

  private decide(course: Course, told: Told): void {
    course.decided.push(told);
    if (course.isAnswering) return;
    course.isAnswering = true;
    // What is decided in the same step is told in the same answer.
    queueMicrotask(() => {
      course.isAnswering = false;
      this.answer(course);
    });
  }

  /** Until something is decided, or a later request comes. */
  private hold({ request, course: name }: QuestionOf<"append">, course: Course, gone: AbortSignal): Promise<Answer> {
    return new Promise((resolve) => {
      // One that was overtaken fetches nothing: perhaps nobody waits for it any more.
      if (request < course.lastRequest) return resolve({ answers: [] });
      course.lastRequest = request;
      course.answer?.({ answers: [] });
      course.answer = resolve;
      // Its node has ended, or has given the course up.
      gone.addEventListener("abort", () => {
        if (course.answer !== resolve) return;
        this.courses.delete(name);
        resolve({ answers: [] });
      });
      if (!course.isAnswering) this.answer(course);
    });
  }

  private answer(course: Course): void {
    const { answer, decided, open } = course;
    if (answer === null || (decided.length === 0 && open > 0)) return;
    course.answer = null;
    let size = 0;
    const count = decided.findIndex(({ result }, i) => {
      size += 1 + (result.kind === "committed" ? (result.earlier?.length ?? 0) : 0);
      return i > 0 && size > ANSWERS_MAX;
    });
    answer({ answers: decided.splice(0, count === -1 ? decided.length : count) });
  }
}
