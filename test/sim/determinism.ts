import { drainMicrotasks } from "./drain.js";

const refuse = (name: string) => (): never => {
  throw new Error(`${name} was called in a simulated run: take it as an input`);
};

/**
 * Runs `body` with the process's own clocks, timers and randomness replaced by throwers: a node that reaches for one
 * would make a seed unrepeatable, and is found at once. Copies are not made: what the simulator stores is never changed
 * in place.
 */
export function withoutAmbientInputs<T>(body: () => T): T {
  const { setTimeout, setInterval, setImmediate, structuredClone } = globalThis;
  const { random } = Math;
  const { now } = Date;
  const monotonic = performance.now;
  Object.assign(globalThis, {
    setTimeout: refuse("setTimeout"),
    setInterval: refuse("setInterval"),
    setImmediate: refuse("setImmediate"),
    structuredClone: (value: unknown) => value,
  });
  Math.random = refuse("Math.random");
  Date.now = refuse("Date.now");
  performance.now = refuse("performance.now");
  try {
    return body();
  } finally {
    drainMicrotasks();
    Object.assign(globalThis, { setTimeout, setInterval, setImmediate, structuredClone });
    Math.random = random;
    Date.now = now;
    performance.now = monotonic;
  }
}
