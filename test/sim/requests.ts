import { ProblemError } from "../../node/problems.js";
import type { HashHex, Height } from "../../shared/ids.js";
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
  | { kind: "written"; events: readonly WrittenEvent[]; height: Height; isReplay: boolean }
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
  const answered = service.writes.append({ ...write, requestId: "simulated" }).then(
    ({ events, isReplay }): Outcome => {
      const height = (events[0]?.height ?? 0) as Height;
      return { kind: "written", events: events.map(({ sequence, hash }) => ({ sequence, hash })), height, isReplay };
    },
    (error: unknown) => refusalOf(error),
  );
  answered
    .then((outcome) => {
      if (!process.isAlive) return;
      if (outcome.kind === "written") node.around.checkers.reads.onAcknowledged(node, outcome.events);
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
