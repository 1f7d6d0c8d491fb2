import type { Socket } from "node:net";

/** What one direction of a link does to the bytes that pass. */
export interface Way {
  /**
   * `hold`: bytes wait, and arrive late when the way is open again, as TCP's repetitions do after a partition.
   * `drop`: they are swallowed; such a connection is of no use afterwards and is broken when the way opens.
   */
  readonly flow: "pass" | "hold" | "drop";
  readonly delayMs: number;
  /** Added to the delay, uniformly from 0 to this. */
  readonly jitterMs: number;
  readonly bytesPerSecond: number;
}

export const OPEN_WAY: Way = { flow: "pass", delayMs: 0, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };

/** What waits here at most, for each direction of a connection; then its sender has to wait. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** One direction of one connection. Bytes keep their order, as TCP promises, whatever else is done to them. */
export class Pipe {
  /** A part of the stream is missing. */
  hasDropped = false;
  readonly #queue: { chunk: Buffer; dueMs: number }[] = [];
  #waitingBytes = 0;
  #newestDueMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly way: () => Way,
  ) {
    to.on("drain", () => this.deliver());
    to.on("close", () => clearTimeout(this.#timer));
  }

  take(chunk: Buffer): void {
    const { flow, delayMs, jitterMs, bytesPerSecond } = this.way();
    if (flow === "drop") {
      this.hasDropped = true;
      return;
    }
    const arrivesMs = performance.now() + delayMs + Math.random() * jitterMs;
    const dueMs = Math.max(arrivesMs, this.#newestDueMs) + (1000 * chunk.length) / bytesPerSecond;
    this.#newestDueMs = dueMs;
    this.#queue.push({ chunk, dueMs });
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.from.pause();
    this.deliver();
  }

  /** The sender has said that nothing follows, or is gone. */
  end(): void {
    this.#hasEnded = true;
    this.deliver();
  }

  /** Sends on what is due; called again whenever something may have changed. */
  deliver(): void {
    clearTimeout(this.#timer);
    if (this.to.destroyed || this.way().flow !== "pass") return;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.deliver(), waitMs);
        return;
      }
      if (this.to.writableNeedDrain) return;
      this.#queue.shift();
      this.#waitingBytes -= next.chunk.length;
      this.to.write(next.chunk);
    }
    if (this.#waitingBytes <= WAITING_BYTES_MAX / 2) this.from.resume();
    if (!this.#hasEnded) return;
    // One side half-open is a conversation; with the other side gone it would stay for ever.
    if (this.from.destroyed) this.to.destroySoon();
    else this.to.end();
  }
}
