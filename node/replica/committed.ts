import type { Height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { type LoggedEvent, type ShownEvent, shownEvent } from "../../shared/log/event.js";

type Listener = (events: readonly ShownEvent[]) => void;
/** Asked before events are made for a listener, with the first and the sequence after the last: true if it needs only these. */
export type PassBy = (first: number, next: number) => boolean;

/**
 * How far the log is committed on this node, and who wants to know. Every event is published once in this process, in
 * order, also when the replica is recovered in between: what has been shown is never taken back.
 */
export class CommittedEvents {
  private readonly listeners = new Set<{ readonly listener: Listener; readonly passBy: PassBy | undefined }>();
  private waiters: { readonly isReached: (known: Known) => boolean; readonly resolve: () => void }[] = [];
  private known: Known = { height: 0 as Height, size: 0 };

  /** The newest committed block that was published. */
  get height(): Height {
    return this.known.height;
  }
  /** Events below this were published. */
  get size(): number {
    return this.known.size;
  }

  /** Where this process begins: what was committed before it is not published. */
  begin(at: Known): void {
    if (at.height > this.known.height) this.moveTo(at);
  }

  subscribe(listener: Listener, passBy?: PassBy): () => void {
    const subscription = { listener, passBy };
    this.listeners.add(subscription);
    return () => this.listeners.delete(subscription);
  }

  /** Takes the next committed block; one that was published before is not published again. */
  add({ header }: Block, events: readonly LoggedEvent[]): void {
    if (header.height <= this.known.height) return;
    this.moveTo({ height: header.height, size: header.treeSize });
    if (events.length === 0) return;
    let shown: ShownEvent[] | null = null;
    for (const { listener, passBy } of this.listeners) {
      if (passBy?.(header.firstSequence, header.treeSize) === true) continue;
      shown ??= events.map((event) => shownEvent(event, header));
      listener(shown);
    }
  }

  /** Resolves when all events below `size` are committed here; for one who may stop waiting: then nothing is kept for it. */
  awaitSize(size: number): Waiting {
    return this.await((known) => known.size >= size);
  }
  awaitHeight(height: Height): Waiting {
    return this.await((known) => known.height >= height);
  }

  private await(isReached: (known: Known) => boolean): Waiting {
    const waiter = { isReached, resolve: () => {} };
    const reached = isReached(this.known)
      ? Promise.resolve()
      : new Promise<void>((resolve) => {
          waiter.resolve = resolve;
          this.waiters.push(waiter);
        });
    const cancel = (): void => {
      this.waiters = this.waiters.filter((other) => other !== waiter);
    };
    return { reached, cancel };
  }

  private moveTo(known: Known): void {
    this.known = { ...known };
    if (this.waiters.length === 0) return;
    const due = this.waiters.filter((waiter) => waiter.isReached(known));
    this.waiters = this.waiters.filter((waiter) => !waiter.isReached(known));
    for (const waiter of due) waiter.resolve();
  }
}

interface Known {
  readonly height: Height;
  readonly size: number;
}
interface Waiting {
  readonly reached: Promise<void>;
  readonly cancel: () => void;
}
