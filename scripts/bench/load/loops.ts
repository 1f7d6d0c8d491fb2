import { setTimeout as sleep } from "node:timers/promises";
import { Histogram } from "./histogram.js";
import type { Acknowledgement, LoadSpec } from "./spec.js";

/** What a successful operation brought. */
export interface Answer {
  readonly events: number;
  /** A page that ended before it was full, though there may be more. */
  readonly isUnfinished?: boolean;
  readonly acknowledgement?: Acknowledgement;
}
/** `n` counts all operations of a process: it chooses the server and makes the events differ. */
export type Operation = (n: number) => Promise<Answer>;

const RETRY_AFTER_MS = 20;
/** Open loop: with so many waiting, the rate is far beyond what the server takes, and memory must stay bounded. */
const WAITING_MAX = 20_000;
/** How long answers may take after the end of an open loop. */
const DRAIN_MS_MAX = 10_000;
const ERRORS_KINDS_MAX = 20;

/** What a run has counted so far. */
export class Tally {
  operations = 0;
  events = 0;
  dropped = 0;
  unfinished = 0;
  readonly latency = new Histogram();
  readonly errors: Record<string, number> = {};
  readonly acknowledgements: Acknowledgement[] = [];

  get errorCount(): number {
    return Object.values(this.errors).reduce((sum, count) => sum + count, 0);
  }

  /** Runs one operation; false if it failed. Latency counts from `sinceMs`, and only for a success. */
  async measure(operation: Operation, n: number, sinceMs: number): Promise<boolean> {
    try {
      const { events, acknowledgement, isUnfinished } = await operation(n);
      this.latency.record(performance.now() - sinceMs);
      this.operations += 1;
      this.events += events;
      if (isUnfinished) this.unfinished += 1;
      if (acknowledgement !== undefined) this.acknowledgements.push(acknowledgement);
      return true;
    } catch (error) {
      this.#fail((error as Error).message.split("\n")[0] ?? "");
      return false;
    }
  }

  #fail(reason: string): void {
    const isKnown = reason in this.errors || Object.keys(this.errors).length < ERRORS_KINDS_MAX;
    const key = isKnown ? reason.slice(0, 200) : "others";
    this.errors[key] = (this.errors[key] ?? 0) + 1;
  }
}

/** A run: what is done, where it is counted, the number of its first operation, and whether it was told to end. */
export interface Run {
  readonly operation: Operation;
  readonly tally: Tally;
  readonly firstN: number;
  readonly isOver: () => boolean;
}

/** Every client keeps one operation under way until the time is over. */
export async function closedLoop(spec: LoadSpec, { operation, tally, firstN, isOver }: Run): Promise<void> {
  const endMs = performance.now() + spec.seconds * 1_000;
  const nMax = firstN + (spec.operationsMax ?? Number.POSITIVE_INFINITY);
  let n = firstN;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs && n < nMax && !isOver()) {
      if (!(await tally.measure(operation, n++, performance.now()))) await sleep(RETRY_AFTER_MS);
    }
  };
  await Promise.all(Array.from({ length: spec.clients }, client));
}

/**
 * Operations fall due at a steady rate and are begun then, whether or not earlier ones are answered; at most `clients`
 * are under way, the others wait. Latency counts from the due time: a pause of the server is seen by every operation
 * that fell due in it. The timer's granularity (about a millisecond) is in it too, for every system alike.
 */
export async function openLoop(
  spec: LoadSpec & { perSecond: number },
  { operation, tally, firstN, isOver }: Run,
): Promise<void> {
  const startMs = performance.now();
  const dueMs = (index: number): number => startMs + (index * 1_000) / spec.perSecond;
  const total = Math.floor(spec.seconds * spec.perSecond);
  const waiting: number[] = [];
  let firstWaiting = 0;
  let next = 0;
  let underWay = 0;
  const begin = (index: number): void => {
    underWay += 1;
    void tally.measure(operation, firstN + index, dueMs(index)).then(() => {
      underWay -= 1;
      // By index: `shift` of a long array would move all of it.
      const first = waiting[firstWaiting++];
      if (first === undefined) firstWaiting = waiting.length;
      else begin(first);
    });
  };
  while (next < total && !isOver()) {
    for (const now = performance.now(); next < total && dueMs(next) <= now; next++) {
      if (underWay < spec.clients) begin(next);
      else if (waiting.length - firstWaiting < WAITING_MAX) waiting.push(next);
      else tally.dropped += 1;
    }
    await sleep(1);
  }
  const drainUntilMs = performance.now() + DRAIN_MS_MAX;
  while (underWay > 0 && performance.now() < drainUntilMs) await sleep(1);
  tally.dropped += waiting.length - firstWaiting + underWay;
  firstWaiting = waiting.length; // What is still under way must not begin these.
}
