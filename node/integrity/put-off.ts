import type { Height } from "../../shared/ids.js";
import type { Suspicion } from "./inspector.js";
import { bothOf } from "./suspicion-of.js";

const REMEMBERED_MAX = 10_000;

/** Heights that wait to be committed before anything can be said of them. */
export class PutOff {
  private readonly waiting = new Map<Height, Suspicion>();
  /** The lowest and the highest of those that are not remembered. */
  private forgotten: readonly [lowest: number, highest: number] | null = null;

  put(at: Height, suspicion: Suspicion): void {
    const { waiting } = this;
    waiting.set(at, bothOf(waiting.get(at), suspicion));
    if (waiting.size <= REMEMBERED_MAX) return;
    const oldest = waiting.keys().next().value as Height;
    waiting.delete(oldest);
    const [lowest, highest] = this.forgotten ?? [oldest, oldest];
    this.forgotten = [Math.min(lowest, oldest), Math.max(highest, oldest)];
  }

  /** Those that are committed by now. */
  take(through: Height): (readonly [Height, Suspicion])[] {
    const due = [...this.waiting].filter(([at]) => at <= through);
    for (const [at] of due) this.waiting.delete(at);
    return due;
  }

  /** Whether one that is not remembered is committed by now. Said once as the first of them is, and once as all are. */
  isForgottenDue(through: Height): boolean {
    if (this.forgotten === null || through < this.forgotten[0]) return false;
    const [, highest] = this.forgotten;
    this.forgotten = highest > through ? [highest, highest] : null;
    return true;
  }
}
