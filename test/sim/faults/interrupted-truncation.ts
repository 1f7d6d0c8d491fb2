import { type Fault, isolate, nothingToUndo } from "./fault.js";

/** Long enough for the others to elect somebody. */
const CUT_OFF_MS: readonly [number, number] = [1_500, 2_500];
/** By then the deposed leader has replaced its tail. */
const WAITS_MS = 3_000;
const SLOW_MS: readonly [number, number] = [300, 1_500];

/**
 * A deposed leader replaces its tail, and the file that has to be written before that is slow: its mongod is started again
 * meanwhile, and the store opened anew. What the replica of before was about to remove is there for the one after it.
 */
export const interruptedTruncation: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  if (leader === undefined || world.nodes.length === 1) return null;
  const cutOffMs = random.between(...CUT_OFF_MS);
  strike.lastsFor(isolate(world, leader), cutOffMs);
  // Something that nobody else gets to know.
  world.afterElection(leader);
  leader.identityWriteMs = SLOW_MS;
  leader.onMarkBeforeTruncation = () => {
    world.scheduler.after(random.between(1, 100), () => {
      if (!strike.isOpen() || !leader.isUp) return;
      strike.arises("interrupted-truncation");
      leader.store.restart();
    });
  };
  strike.lastsFor(() => {
    leader.identityWriteMs = null;
    leader.onMarkBeforeTruncation = null;
  }, cutOffMs + WAITS_MS);
  return nothingToUndo;
};
