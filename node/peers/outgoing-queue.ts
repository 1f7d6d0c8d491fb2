export interface Outgoing {
  readonly isHeartbeat: boolean;
  /** The encoded message. */
  readonly body: Buffer;
}

export interface OutgoingQueueOptions {
  readonly inFlightMax: number;
  readonly queueMax: number;
  /** A message that waited longer says nothing true any more. */
  readonly waitMsMax: number;
  /** Sends one message; rejects only on a bug. */
  readonly transmit: (body: Buffer) => Promise<void>;
}

interface Waiting extends Outgoing {
  readonly since: number;
}

/**
 * Messages to one peer on one kind of connection. The network may lose messages, so may this queue: when it is full it
 * drops the oldest heartbeat, else the oldest message.
 */
export class OutgoingQueue {
  private waiting: Waiting[] = [];
  private inFlight = 0;
  /** Messages that were never sent: over the limit, or too old. */
  dropped = 0;

  constructor(private readonly options: OutgoingQueueOptions) {}

  get length(): number {
    return this.waiting.length;
  }

  push(message: Outgoing): void {
    this.waiting.push({ since: performance.now(), ...message });
    this.pump();
    if (this.waiting.length <= this.options.queueMax) return;
    const heartbeat = this.waiting.findIndex(({ isHeartbeat }) => isHeartbeat);
    this.waiting.splice(Math.max(heartbeat, 0), 1);
    this.dropped++;
  }

  clear(): void {
    this.dropped += this.waiting.length;
    this.waiting = [];
  }

  private pump(): void {
    while (this.inFlight < this.options.inFlightMax) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      if (performance.now() - next.since > this.options.waitMsMax) {
        this.dropped++;
        continue;
      }
      this.inFlight++;
      void this.options.transmit(next.body).finally(() => {
        this.inFlight--;
        this.pump();
      });
    }
  }
}
