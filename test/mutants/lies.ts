import { CORE, FOLLOWER, type Mutant, one, RECOVERY, REPLICA } from "./mutant.js";

/** 72 to 76: lies of a leader, inserts that are replaced under way, what stands where a mark says something else. */
export const LIES: readonly Mutant[] = [
  one(
    "72",
    "what a leader has called committed is replaced while it is being stored",
    FOLLOWER,
    "if (expected <= Math.max(log.commitHeight, core.learnedCommit)) return below(expected);",
    "if (expected <= log.commitHeight) return below(expected);",
  ),
  one(
    "73",
    "another block of the same term and height takes the place of the first one",
    FOLLOWER,
    "if (mine !== undefined && mine.term === header.term && header.term > 0)",
    "if (mine !== undefined && mine.term === header.term && header.term < 0)",
  ),
  one(
    "74",
    "a term from far away is taken",
    REPLICA,
    "if (message.term > core.term + TERM_LEAP_MAX && !this.isTermBelieved",
    "if (message.term < 0 && !this.isTermBelieved",
  ),
  one(
    "75",
    "an insert that was replaced under way counts for the block in its place",
    CORE,
    "return done.isVoid ? null : done;",
    "return done;",
  ),
  one(
    "76",
    "what stands at the height of the mark is taken for what the mark names",
    RECOVERY,
    "    if (block.blockHash === point.hash) known = point.height;",
    "    if (block.blockHash.length === point.hash.length) known = point.height;",
  ),
];
