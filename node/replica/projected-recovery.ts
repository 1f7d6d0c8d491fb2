import { type Clock, delay } from "../clock.js";
import type { CommittedEvents } from "./committed.js";
import { type Recovered, type RecoveryOptions, recover } from "./recovery.js";

/** How often a recovery that waits for the projection looks whether its connection is still there. */
const PROJECTION_LOOK_MS = 50;

export interface ProjectedRecoveryOptions extends Omit<RecoveryOptions, "projectedThrough" | "onCommitted"> {
  readonly committed: CommittedEvents;
  /** Throws StoreError once this recovery is over before its end: its store was lost, or the node stops. */
  readonly assertCurrent: () => void;
}

/** Recovers the log, and resolves when the projection holds all that is committed in it. Throws StoreError. */
export async function recoverProjected(options: ProjectedRecoveryOptions): Promise<Recovered> {
  const { committed, assertCurrent, remembered } = options;
  const recovered = await recover({
    ...options,
    projectedThrough: (opened) => {
      if (remembered === null) committed.publishedSize = opened.projectedThrough;
      const published = remembered === null ? Number.POSITIVE_INFINITY : committed.publishedSize;
      return Math.min(opened.projectedThrough, published);
    },
    onCommitted: async ({ block, events }) => {
      const hasRoom = await committed.room();
      assertCurrent();
      if (hasRoom) committed.add(block, events);
    },
  });
  await untilProjected(recovered.boot.base.range.size, options);
  return recovered;
}

async function untilProjected(
  size: number,
  { committed, assertCurrent, clock }: { committed: CommittedEvents; assertCurrent: () => void; clock: Clock },
): Promise<void> {
  for (;;) {
    const { reached, cancel } = committed.awaitProjected(size);
    const isReached = await Promise.race([
      reached.then(() => true),
      delay(clock, PROJECTION_LOOK_MS).then(() => false),
    ]);
    cancel();
    assertCurrent();
    if (isReached) return;
  }
}
