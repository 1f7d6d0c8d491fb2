import { drainMicrotasks } from "./drain.js";
import { assertNoViolation } from "./violation.js";

export interface Entry {
  readonly time: number;
  readonly order: number;
  /** Null once it was taken back: then it is no step. */
  action: (() => void) | null;
}

/** Virtual time in whole milliseconds and what is due when; equal times run in the order in which they were asked for. */
export class Scheduler {
  now = 0;
  /** Events that have been run. */
  steps = 0;
  private order = 0;
  /** A binary heap: the earliest entry first. */
  private readonly heap: Entry[] = [];

  after(delayMs: number, action: () => void): void {
    this.timer(delayMs, action);
  }

  /** For one that may be taken back. */
  timer(delayMs: number, action: () => void): Entry {
    const time = this.now + Math.max(0, Math.round(delayMs));
    this.order += 1;
    const entry = { time, order: this.order, action };
    this.push(entry);
    return entry;
  }

  /** Runs everything that is due up to `time`, then stands at `time`. */
  runUntil(time: number): void {
    for (let next = this.heap[0]; next !== undefined && next.time <= time; next = this.heap[0]) {
      this.pop();
      if (next.action === null) continue;
      this.now = next.time;
      this.steps += 1;
      next.action();
      drainMicrotasks();
      assertNoViolation();
    }
    this.now = time;
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[i] = heap[parent] as Entry;
      i = parent;
    }
    heap[i] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);
