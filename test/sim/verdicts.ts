import { isDeepStrictEqual } from "node:util";
import type { Block } from "../../shared/log/block.js";
import { type BlockVerdict, type BlockVerifier, blockVerifier, type ChainState } from "../../shared/log/chain.js";
import type { ReadEvent } from "../../shared/log/event.js";
import { ownRun, type Run } from "../../shared/log/index.js";
import { fakeVerifier } from "./fake-crypto.js";
import { check } from "./violation.js";

interface Verified {
  readonly before: ChainState;
  readonly verdict: BlockVerdict;
}
const verified = new WeakMap<Block, Verified>();
const verify = blockVerifier(fakeVerifier);
let known = 0;
/** One in so many is verified again all the same. */
const AGAIN_EVERY = 64;

/**
 * `verifyBlock`, which a block that was sound after some state need not pass again after an equal one. Here nodes and
 * disks hand the same object on, and nobody writes to it (which is looked at now and then): what is altered or forged is
 * a copy.
 */
export const rememberedVerdicts: BlockVerifier = (before, block) => {
  const found = verified.get(block);
  if (found !== undefined && (found.before === before || isDeepStrictEqual(found.before, before))) {
    known += 1;
    check(
      known % AGAIN_EVERY !== 0 || isDeepStrictEqual(verify(before, block), found.verdict),
      "exception",
      () => `block ${block.header.height}, or what follows from it, was changed in memory`,
    );
    return found.verdict;
  }
  const verdict = verify(before, block);
  if (verdict.ok) verified.set(block, { before, verdict });
  return verdict;
};

const ownRuns = new WeakMap<readonly ReadEvent[], Map<string, Run>>();

/** `ownRun`, made once of the events that nodes hand on. */
export const rememberedOwnRun: typeof ownRun = (events, paths) => {
  const name = paths.join();
  const known = ownRuns.get(events) ?? new Map<string, Run>();
  const run = known.get(name) ?? ownRun(events, paths);
  ownRuns.set(events, known.set(name, run));
  return run;
};
