import { setTimeout as sleep } from "node:timers/promises";
import { loopback } from "../loopback.js";
import { poll } from "../processes.js";

const ATTEMPT_TIMEOUT_MS = 10_000;
const RETRY_AFTER_MS = 20;
const PROBE_EVERY_MS = 25;
/** More would measure no better, and while nothing can be written they would only pile up. */
const PROBES_MAX = 256;
/** In a mix, of eight writes one has no key and one is a batch. */
const MIX_PERIOD = 8;
/** Nothing was written, whoever asks. */
const REFUSED = new Set([429, 503]);
/** Certainly or possibly not written; with the same Idempotency-Key the write may be sent again. */
const RETRYABLE = new Set([409, 504, ...REFUSED]);

export interface Acknowledged {
  sequence: number;
  id: string;
  hash: string;
}

/** What clients were told, by the name of each write (`dataPayload.write`): the log must hold it to the letter. */
export interface Promises {
  readonly acknowledged: ReadonlyMap<string, Acknowledged>;
  /** Sent once, and answered "nothing was written": they must never turn up. */
  readonly refused: ReadonlySet<string>;
}

export interface LoadOptions {
  urls: string[];
  /** Makes the names of this run's writes its own. */
  runId: string;
  sourceAppId: string;
  /** Some writes without a key, which are sent once only, and some batches. */
  isMixed?: boolean;
}

interface Write {
  names: string[];
  key: string | undefined;
  /** Where the next attempt goes. */
  turn: number;
  startedAtMs: number;
  /** The highest sequence acknowledged before this write was begun: its own must be higher. */
  floor: number;
}

/** Measures a pause of writes with fresh writes of its own. */
export class Probing {
  readonly done: Promise<void>;
  #gapMs: number | undefined;
  #newestMs: number;
  #stallMs = 0;
  #isOver = false;

  constructor(
    private readonly sinceMs: number,
    private readonly write: () => Promise<void>,
  ) {
    this.#newestMs = sinceMs;
    this.done = this.#run();
  }

  acknowledged(startedAtMs: number): void {
    const now = performance.now();
    this.#stallMs = Math.max(this.#stallMs, now - this.#newestMs);
    this.#newestMs = now;
    if (startedAtMs > this.sinceMs) this.#gapMs ??= now - this.sinceMs;
  }

  async firstAcknowledgement(withinMs: number): Promise<{ gapMs: number }> {
    const found = await poll(() => this.#gapMs !== undefined && { gapMs: this.#gapMs }, { withinMs, everyMs: 10 });
    if (found === undefined) throw new Error(`No write was acknowledged within ${withinMs} ms.`);
    return found;
  }

  /** The longest time until now in which no write at all was acknowledged. */
  stop(): { stallMs: number } {
    this.#isOver = true;
    return { stallMs: Math.max(this.#stallMs, performance.now() - this.#newestMs) };
  }

  async #run(): Promise<void> {
    const open = new Set<Promise<void>>();
    while (!this.#isOver) {
      if (open.size < PROBES_MAX) {
        const probe = this.write().finally(() => open.delete(probe));
        open.add(probe);
      }
      await sleep(PROBE_EVERY_MS);
    }
  }
}

/** Writers that keep one write each under way, through all nodes in turn, until each write is acknowledged. */
export class Load implements Promises {
  readonly acknowledged = new Map<string, Acknowledged>();
  readonly refused = new Set<string>();
  /** Of the writes that are sent once only: those whose outcome the client could not learn. */
  unknown = 0;
  batches = 0;
  /** Sentences about acknowledgements out of order; empty when everything holds. */
  readonly faults: string[] = [];
  /** A valid write was refused for good: the run is void. */
  failure: Error | undefined;
  highestSequence = -1;
  readonly #running = new Set<Promise<void>>();
  #isStopping = false;
  #writes = 0;
  readonly #probings = new Set<Probing>();

  constructor(private readonly options: LoadOptions) {}

  start(writers: number): void {
    for (let writer = 0; writer < writers; writer++) void this.#keep(this.#writeUntilStopped());
  }

  /** No new writes; waits until each that was begun has its outcome, and throws if one was refused for good. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const probing of this.#probings) probing.stop();
    await Promise.all(this.#running);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Waits for that many acknowledgements more. */
  async moreAcknowledged(count: number, withinMs: number): Promise<void> {
    const target = this.acknowledged.size + count;
    const isDone = () => this.failure !== undefined || this.acknowledged.size >= target;
    const done = await poll(isDone, { withinMs, everyMs: 20 });
    if (this.failure !== undefined) throw this.failure;
    if (done === undefined) throw new Error(`Fewer than ${count} writes were acknowledged in ${withinMs / 1000} s.`);
  }

  /**
   * Milliseconds from `sinceMs` to the first acknowledgement of a write that was begun after it. The writers may all
   * be waiting for older writes, so fresh ones are begun as well.
   */
  async firstNewAcknowledgement(sinceMs: number, withinMs: number): Promise<number> {
    const probing = this.probe(sinceMs);
    const { gapMs } = await probing.firstAcknowledgement(withinMs).finally(() => probing.stop());
    return gapMs;
  }

  /** Begins a fresh write every few milliseconds until it is stopped, and watches what is acknowledged. */
  probe(sinceMs: number): Probing {
    const probing = new Probing(sinceMs, () => this.#keep(this.#writeSingle(true)));
    this.#probings.add(probing);
    void probing.done.then(() => this.#probings.delete(probing));
    return probing;
  }

  #keep(work: Promise<void>): Promise<void> {
    const handled: Promise<void> = work
      .catch((error: Error) => {
        this.failure ??= error;
      })
      .finally(() => this.#running.delete(handled));
    this.#running.add(handled);
    return handled;
  }

  async #writeUntilStopped(): Promise<void> {
    while (!this.#isStopping) {
      const place = this.options.isMixed ? this.#writes % MIX_PERIOD : 0;
      if (place === MIX_PERIOD - 1) await this.#writeBatch(2 + ((this.#writes / MIX_PERIOD) & 7));
      else await this.#writeSingle(place !== MIX_PERIOD / 2);
    }
  }

  async #writeSingle(hasKey: boolean): Promise<void> {
    const write = this.#begin(1, hasKey);
    await this.#sendUntilSettled(write, "/api/v1/events", this.#event(write.names[0] as string));
  }

  async #writeBatch(size: number): Promise<void> {
    this.batches++;
    const write = this.#begin(size, false);
    await this.#sendUntilSettled(write, "/api/v1/events:batch", {
      events: write.names.map((name) => this.#event(name)),
    });
  }

  #begin(size: number, hasKey: boolean): Write {
    const turn = this.#writes++;
    const name = `${this.options.runId}-${turn}`;
    const names = size === 1 ? [name] : Array.from({ length: size }, (_, index) => `${name}.${index}`);
    return { names, key: hasKey ? name : undefined, turn, startedAtMs: performance.now(), floor: this.highestSequence };
  }

  #event(write: string): object {
    return { eventType: "load", sourceAppId: this.options.sourceAppId, dataPayload: { write } };
  }

  async #sendUntilSettled(write: Write, path: string, body: object): Promise<void> {
    const text = JSON.stringify(body);
    for (;;) {
      const answer = await this.#attempt(write, path, text);
      if (typeof answer === "object") return this.#acknowledge(write, answer);
      if (write.key === undefined) {
        if (answer === "unknown") this.unknown++;
        else for (const name of write.names) this.refused.add(name);
      }
      // Without a key a second attempt could double it. The wait keeps refused writers from spinning.
      await sleep(RETRY_AFTER_MS);
      if (write.key === undefined) return;
      write.turn++;
    }
  }

  #acknowledge(write: Write, events: Acknowledged[]): void {
    for (const [index, name] of write.names.entries()) {
      const event = events[index];
      if (event === undefined) this.faults.push(`the answer to the batch of ${name} leaves it out`);
      else {
        const { sequence, id, hash } = event;
        this.acknowledged.set(name, { sequence, id, hash });
        this.highestSequence = Math.max(this.highestSequence, sequence);
        if (sequence <= write.floor)
          this.faults.push(
            `the write ${name} stands at ${sequence}, but ${write.floor} was acknowledged before it began`,
          );
      }
    }
    for (const probing of this.#probings) probing.acknowledged(write.startedAtMs);
  }

  async #attempt({ key, turn }: Write, path: string, body: string): Promise<Acknowledged[] | "refused" | "unknown"> {
    const { urls } = this.options;
    const url = urls[turn % urls.length] as string;
    let status: number;
    let text: string;
    try {
      const answer = await loopback(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(key === undefined ? {} : { "idempotency-key": key }) },
        body,
        signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
      });
      status = answer.status;
      text = await answer.text();
    } catch {
      return "unknown"; // The node has gone, or goes while it answers.
    }
    if (status === 201) {
      const answer = JSON.parse(text) as Acknowledged & { events?: Acknowledged[] };
      return answer.events ?? [answer];
    }
    if (RETRYABLE.has(status)) return REFUSED.has(status) ? "refused" : "unknown";
    throw new Error(`${url} refused a valid write: ${status} ${text}`);
  }
}
