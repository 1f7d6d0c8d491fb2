import { randomBytes } from "node:crypto";

/** All that a node takes from its surroundings without being told: time, timers and randomness. A simulation replaces it. */
export interface Clock {
  /** Monotonic milliseconds of this process. */
  now(): number;
  /** RFC 3339 UTC with milliseconds. */
  wall(): string;
  /** Runs `action` once after `ms`; the returned function takes that back. */
  after(ms: number, action: () => void): () => void;
  /** Runs `action` every `ms` until the returned function is called. */
  every(ms: number, action: () => void): () => void;
  /** Lets whatever else waits in this process run first. */
  breathe(): Promise<void>;
  /** Milliseconds that this process's event loop has worked so far; what others take of it is seen between two looks. */
  busyMs(): number;
  /** From a cryptographic source, as lower-case hex. */
  randomHex(bytes: number): string;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => new Date().toISOString(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  every(ms, action) {
    const timer = setInterval(action, ms);
    return () => clearInterval(timer);
  },
  breathe: () => new Promise((resolve) => setImmediate(resolve)),
  busyMs: () => performance.eventLoopUtilization().active,
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
};

export const sleep = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve);
  });
