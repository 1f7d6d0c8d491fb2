import type { ShownEvent } from "../../../shared/log/event.js";
import type { SimProcess } from "../process.js";
import { check } from "../violation.js";
import type { History } from "./history.js";
import type { QuorumChecker } from "./quorums.js";
import { checkShown } from "./shown.js";

/** What readers are shown, held against the history: I4 and I10. */
export class ReadChecker {
  answered = 0;
  /** Why reads were not answered, and how often. */
  readonly refused = new Map<string, number>();
  /** Events below this were shown by this process, in an answer or a stream: never denied later. */
  private readonly shown = new WeakMap<SimProcess, number>();
  private readonly streamed = new WeakMap<SimProcess, number>();

  constructor(
    private readonly history: History,
    private readonly quorums: QuorumChecker,
  ) {}

  /** A read begins: how much of the log it is answered from. */
  begin(process: SimProcess): number {
    const { size } = process.driver.committed;
    this.quorums.onSaid(process);
    this.mustNotDeny(process, size);
    return size;
  }

  private mustNotDeny(process: SimProcess, size: number): void {
    const before = this.shown.get(process) ?? 0;
    check(
      size >= before,
      "I10",
      () => `${process.node.id} denies the events from #${size} on, and has shown ${before}`,
    );
    this.shown.set(process, size);
  }

  /** Every committed event, once, in order. */
  onStreamed(process: SimProcess, events: readonly ShownEvent[]): void {
    const { node } = process;
    for (const shown of events) {
      const next = this.streamed.get(process) ?? shown.sequence;
      check(shown.sequence === next, "I10", () => `${node.id} streams #${shown.sequence}, where #${next} is the next`);
      this.streamed.set(process, next + 1);
      checkShown(node, shown, this.history.events[shown.sequence]);
    }
    this.mustNotDeny(process, process.driver.committed.size);
  }

  onShown(process: SimProcess, events: readonly ShownEvent[]): void {
    this.answered += 1;
    for (const shown of events) checkShown(process.node, shown, this.history.events[shown.sequence]);
  }

  onRefused(why: string): void {
    this.refused.set(why, (this.refused.get(why) ?? 0) + 1);
  }
}
