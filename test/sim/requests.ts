import { ProblemError } from "../../node/problems.js";
import type { HashHex, Height, NodeId } from "../../shared/ids.js";
import type { PreparedEvent } from "../../shared/log/event.js";
import type { SimProcess } from "./process.js";
import { check, noteError } from "./violation.js";

export interface Write {
  readonly events: readonly PreparedEvent[];
  readonly ifPreviousHash?: HashHex | "";
}

export interface WrittenEvent {
  readonly sequence: number;
  readonly hash: HashHex;
}

/** What a node answers to a write: 201, 503, 504, 409, 422 and 412. */
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

/** Codes of answers that say that nothing was written. */
const NOT_WRITTEN: ReadonlySet<string> = new Set(["no_quorum", "not_ready", "overloaded", "index_rebuilding"]);

/** A client's write: answered once, unless the process dies. */
export function post(process: SimProcess, write: Write, answer: Answer): void {
  const { service, node } = process;
  const judge = node.around.checkers.justified.begin(process, write);
  const answered = service.writes.append({ ...write, requestId: "simulated" }).then(
    ({ events, isReplay, acknowledgedBy }): Outcome => {
      const height = (events[0]?.height ?? 0) as Height;
      const written = events.map(({ sequence, hash }) => ({ sequence, hash }));
      return { kind: "written", events: written, height, isReplay, acknowledgedBy };
    },
    (error: unknown) => refusalOf(error),
  );
  answered
    .then((outcome) => {
      if (!process.isAlive) return;
      judge(outcome);
      if (outcome.kind === "written" && !process.isReplaced)
        node.around.checkers.reads.onAcknowledged(node, outcome.events);
      answer(outcome);
    })
    .catch(noteError);
}

function refusalOf(error: unknown): Outcome {
  if (!(error instanceof ProblemError)) throw error;
  const { code } = error;
  if (code === "outcome_unknown") return { kind: "unknown" };
  if (code === "in_progress") return { kind: "in_progress" };
  if (code === "idempotency_key_reused") return { kind: "key_reused" };
  if (code === "hash_chain_conflict") return { kind: "head_differs" };
  check(NOT_WRITTEN.has(code), "exception", () => `a write was answered ${code}`);
  return { kind: "not_written", reason: code };
}

/** A linearizable read: answered with how far the log goes there then; null where no leader confirmed that in time. */
export function readNewest(process: SimProcess, answer: (at: Height | null) => void): void {
  process.service.reads
    .awaitReadable({ isLinearizable: true })
    .then(
      () => process.driver.log.committed.height,
      (error: unknown) => {
        if (error instanceof ProblemError) return null;
        throw error;
      },
    )
    .then((height) => process.isAlive && answer(height))
    .catch(noteError);
}

/** A person asks any node for another leader, which is answered once one leads. */
export function askForHandOver(process: SimProcess, target: NodeId | null): void {
  const { elections } = process.node.around.checkers;
  const { id } = process.node;
  const isLogOpen = process.driver.view() !== null;
  process.service.leadership
    .stepDown({ actor: "simulated", reason: "simulated", ...(target === null ? {} : { target }) })
    .then(
      ({ leaderId, term }) =>
        check(elections.hasLed(term, leaderId), "I1", () => `${id} says that ${leaderId} leads term ${term}`),
      (error: unknown) => {
        if (!(error instanceof ProblemError)) throw error;
        // Who does not lead knows of no other reason than that its log is not open.
        const isRight = NOT_HANDED_OVER.has(error.code) || (error.code === "not_ready" && !isLogOpen);
        check(isRight, "exception", () => `a hand-over was answered ${error.code}`);
      },
    )
    .catch(noteError);
}
const NOT_HANDED_OVER: ReadonlySet<string> = new Set(["step_down_conflict", "no_quorum"]);
