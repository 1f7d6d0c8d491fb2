import { CONFLICT, type Mutant, one, RECOVERY, STORE_QUEUE, TERMS_OF_ELECTIONS } from "./mutant.js";

/** 72 to 76: lies of a leader, inserts that are replaced under way, what stands where a mark says something else. */
export const LIES: readonly Mutant[] = [
  one(
    "72",
    "what a leader has called committed is replaced while it is being stored",
    CONFLICT,
    "if (at <= Math.max(core.log.commitHeight, core.following.learnedCommit)) return",
    "if (at <= core.log.commitHeight) return",
  ),
  one(
    "73",
    "another block of the same term and height takes the place of the first one",
    CONFLICT,
    "if (mine !== undefined && mine.term === header.term && header.term > 0)",
    "if (mine !== undefined && mine.term === header.term && header.term < 0)",
  ),
  one(
    "74",
    "a term from far away is taken",
    TERMS_OF_ELECTIONS,
    "if (term > core.term + TERM_LEAP_MAX && !isBelieved",
    "if (term < 0 && !isBelieved",
  ),
  one(
    "75",
    "an insert that was replaced under way counts for the block in its place",
    STORE_QUEUE,
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
