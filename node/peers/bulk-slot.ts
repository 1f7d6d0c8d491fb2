import type { BulkEnd } from "../../cluster/types.js";

export interface BulkSlotOptions<M> {
  /** Sends it; `onProgress` whenever the peer has taken more of it. Rejects only on a bug. */
  readonly transmit: (message: M, signal: AbortSignal, onProgress: () => void) => Promise<BulkEnd>;
  readonly onProgress: (message: M) => void;
  readonly onEnd: (message: M, end: BulkEnd) => void;
  /** A message has failed after so long without progress. */
  readonly idleMs: number;
}

/**
 * The one message with blocks that is on its way to a peer. Two would share the link, and on a narrow one neither might
 * ever arrive. However long it takes, it goes on while the peer takes more of it. A newer one takes its place: whoever
 * sends that no longer counts on the older.
 */
export class BulkSlot<M> {
  private underWay: AbortController | null = null;

  constructor(private readonly options: BulkSlotOptions<M>) {}

  send(message: M): void {
    this.clear();
    const { transmit, onProgress, onEnd, idleMs } = this.options;
    const own = new AbortController();
    this.underWay = own;
    let timer = setTimeout(() => own.abort("timeout"), idleMs);
    const progress = (): void => {
      if (own.signal.aborted) return;
      clearTimeout(timer);
      timer = setTimeout(() => own.abort("timeout"), idleMs);
      onProgress(message);
    };
    void transmit(message, own.signal, progress).then((end) => {
      clearTimeout(timer);
      if (this.underWay !== own) return;
      this.underWay = null;
      onEnd(message, end);
    });
  }

  /** Breaks off what is on its way; nobody is told. */
  clear(): void {
    this.underWay?.abort("closed");
    this.underWay = null;
  }
}
