import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPT_TIMEOUT_MS = 10_000;
const RETRY_AFTER_MS = 20;
const PROBE_EVERY_MS = 25;
/** Certainly or possibly not written; with the same Idempotency-Key the write may be sent again. */
const RETRYABLE = new Set([409, 429, 503, 504]);

export interface Acknowledged {
  sequence: number;
  id: string;
  hash: string;
}

/** Writers that keep one write each under way, through all nodes in turn, until each write is acknowledged. */
export class Load {
  /** By Idempotency-Key. */
  readonly acknowledged = new Map<string, Acknowledged>();
  /** A valid write was refused for good: the run is void. */
  failure: Error | undefined;
  readonly #running: Promise<void>[] = [];
  #isStopping = false;
  #writes = 0;
  #onAcknowledged: (startedAtMs: number) => void = () => {};

  constructor(
    private readonly urls: string[],
    private readonly runId: string,
  ) {}

  start(writers: number): void {
    for (let writer = 0; writer < writers; writer++) this.#keep(this.#writeUntilStopped());
  }

  /** No new writes; waits until each that was begun is acknowledged, and throws if one was refused. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running);
    if (this.failure !== undefined) throw this.failure;
  }

  /**
   * Milliseconds from `sinceMs` to the first acknowledgement of a write that was begun after it. The writers may all
   * be waiting for older writes, so fresh ones are begun as well.
   */
  async firstNewAcknowledgement(sinceMs: number, withinMs: number): Promise<number> {
    let gapMs: number | undefined;
    this.#onAcknowledged = (startedAtMs) => {
      if (startedAtMs > sinceMs) gapMs ??= performance.now() - sinceMs;
    };
    while (gapMs === undefined) {
      if (performance.now() - sinceMs > withinMs) throw new Error(`No write was acknowledged within ${withinMs} ms.`);
      this.#keep(this.#write());
      await sleep(PROBE_EVERY_MS);
    }
    return gapMs;
  }

  #keep(work: Promise<void>): void {
    const handled = work.catch((error: Error) => {
      this.failure ??= error;
    });
    this.#running.push(handled);
  }

  async #writeUntilStopped(): Promise<void> {
    while (!this.#isStopping) await this.#write();
  }

  async #write(): Promise<void> {
    const startedAtMs = performance.now();
    const number = this.#writes++;
    const key = `${this.runId}-${number}`;
    const body = JSON.stringify({ eventType: "load", sourceAppId: "kill-leader", dataPayload: { number } });
    for (let attempt = number; ; attempt++) {
      const answer = await this.#attempt(this.urls[attempt % this.urls.length] as string, key, body);
      if (answer !== undefined) {
        this.acknowledged.set(key, answer);
        this.#onAcknowledged(startedAtMs);
        return;
      }
      await sleep(RETRY_AFTER_MS);
    }
  }

  async #attempt(url: string, key: string, body: string): Promise<Acknowledged | undefined> {
    let status: number;
    let text: string;
    try {
      const answer = await fetch(`${url}/api/v1/events`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body,
        signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
      });
      status = answer.status;
      text = await answer.text();
    } catch {
      return undefined; // The node has gone, or goes while it answers.
    }
    if (status === 201) return JSON.parse(text) as Acknowledged;
    if (RETRYABLE.has(status)) return undefined;
    throw new Error(`${url} refused a valid write: ${status} ${text}`);
  }
}
