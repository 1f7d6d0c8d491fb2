import type { NodeId } from "../../../shared/ids.js";
import type { ShownEvent } from "../../../shared/log/event.js";
import type { SimNode } from "../node.js";
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
  /** How much of the log this process has published: never less later. */
  private readonly published = new WeakMap<SimProcess, number>();
  private readonly streamed = new WeakMap<SimProcess, number>();
  /** How much of the log a node's clients know of by its answers, in whichever life of its process. */
  private readonly told = new Map<NodeId, number>();

  constructor(
    private readonly history: History,
    private readonly quorums: QuorumChecker,
  ) {}

  /** A read begins: the returned function takes how much of the log it is answered from. */
  begin(process: SimProcess): (size: number) => void {
    const { node } = process;
    this.quorums.onSaid(process);
    const due = this.toldBy(node);
    return (size) => {
      check(size >= due, "I10", () => `${node.id} denies the events from #${size} on, and has told of ${due}`);
      this.tell(node, size);
    };
  }

  /** Somebody asks for an event; the returned function is called if there is said to be none. */
  beginAbsence({ node }: SimProcess, sequence: number): () => void {
    const due = Math.max(0, ...this.told.values());
    return () =>
      check(sequence >= due, "I10", () => `${node.id} says that there is no #${sequence}; ${due} were told of`);
  }

  onAcknowledged(node: SimNode, events: readonly { readonly sequence: number }[]): void {
    this.tell(node, Math.max(...events.map(({ sequence }) => sequence)) + 1);
  }

  private toldBy(node: SimNode): number {
    return this.told.get(node.id) ?? 0;
  }
  private tell(node: SimNode, size: number): void {
    this.told.set(node.id, Math.max(this.toldBy(node), size));
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
    const { logSize } = process.service.reads;
    const before = this.published.get(process) ?? 0;
    check(logSize >= before, "I10", () => `${node.id} has ${logSize} events, and has published ${before}`);
    this.published.set(process, logSize);
    this.tell(node, logSize);
  }

  onShown(process: SimProcess, events: readonly ShownEvent[]): void {
    this.answered += 1;
    for (const shown of events) checkShown(process.node, shown, this.history.events[shown.sequence]);
  }

  onRefused(why: string): void {
    this.refused.set(why, (this.refused.get(why) ?? 0) + 1);
  }
}
