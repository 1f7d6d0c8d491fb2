import type { BlockHeader } from "../../shared/log/block.js";
import type { IncidentKind, Range } from "../storage/incident.js";
import type { IncidentFinding } from "./incident-record.js";

interface Judged {
  readonly first: number;
  readonly last: number;
  readonly finding: IncidentFinding;
  /** Of the committed blocks, where they are known. */
  readonly from: BlockHeader | null;
  readonly to: BlockHeader | null;
}

/**
 * Says which events stand in altered blocks whose committed headers are not known: those between the nearest known ones, if
 * everything between these is altered in the same way. Blocks come in order of height.
 */
export class EventsBetween {
  /** From a known block on, without a gap: the height after the newest, and how many events there were after the known one. */
  private run: { readonly kind: IncidentKind; readonly next: number; readonly treeSize: number } | null = null;

  forget(): void {
    this.run = null;
  }

  /** The finding, with the events of those before it that had none. */
  completed({ first, last, finding, from, to }: Judged): IncidentFinding {
    const { kind, sequences = [] } = finding;
    const run = this.run?.next === first && this.run.kind === kind ? this.run : null;
    if (to === null) {
      // Where events are known, not all of them need be altered.
      this.run = run === null || sequences.length > 0 ? null : { ...run, next: last + 1 };
      return finding;
    }
    this.run = { kind, next: last + 1, treeSize: to.treeSize };
    const { firstSequence } = from ?? to;
    if (run === null || run.treeSize === firstSequence) return finding;
    const between: Range = [run.treeSize, firstSequence - 1];
    return { ...finding, sequences: [between, ...sequences] };
  }
}
