import { setTimeout as sleep } from "node:timers/promises";

/**
 * A deadline is for what never comes. What it is told is what a quiet machine needs at most; one that does much else at the
 * time, as CI's does, gets so many times as long.
 */
const SLOWNESS = 6;

/** Polls until `check` gives something; throws what was last seen when the deadline passes. */
export async function eventually<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs: number,
  what: string,
): Promise<T> {
  const deadlineMs = SLOWNESS * withinMs;
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await check();
      if (found !== undefined && found !== false) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs} ms (last: ${String(last)})`);
    await sleep(25);
  }
}
