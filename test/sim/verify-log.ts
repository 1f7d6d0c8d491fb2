import type { Clock } from "../../node/clock.js";
import type { LogStore } from "../../node/storage/port.js";
import { type Height, height } from "../../shared/ids.js";
import { type BlockVerifier, type ChainState, EMPTY_CHAIN } from "../../shared/log/chain.js";

const READ_LIMIT = { bytesMax: 1024 * 1024, blocksMax: 64 };

export interface PassOptions {
  readonly log: LogStore;
  readonly verifyBlock: BlockVerifier;
  readonly clock: Clock;
  /** null while the store is being recovered. */
  readonly commitHeight: () => Height | null;
  readonly onInvalidBlock: (at: Height, detail: string) => void;
}

export interface VerificationPass {
  readonly verifiedThrough: Height;
  readonly lastSequence: number;
  /** The first block that fails its check; nothing above it was judged. */
  readonly invalidAt: Height | null;
}

/** Re-reads and verifies every committed block from the genesis on: what any pass over the whole log must find. */
export async function verifyAll(options: PassOptions): Promise<VerificationPass> {
  let state: ChainState = EMPTY_CHAIN;
  for (;;) {
    const through = options.commitHeight();
    if (through === null || state.height >= through) return passOf(state, null);
    const stored = await options.log.readBlocks(height(state.height + 1), READ_LIMIT);
    if (stored.length === 0) {
      const missing = height(state.height + 1);
      options.onInvalidBlock(missing, "the block is missing from the database");
      return passOf(state, missing);
    }
    for (const { block } of stored) {
      if (state.height >= through) break;
      const at = height(state.height + 1);
      const verdict = options.verifyBlock(state, block);
      if (!verdict.ok) {
        options.onInvalidBlock(at, verdict.detail);
        return passOf(state, at);
      }
      state = verdict.next;
    }
    await options.clock.breathe();
  }
}

const passOf = (state: ChainState, invalidAt: Height | null): VerificationPass => ({
  verifiedThrough: state.height,
  lastSequence: state.range.size - 1,
  invalidAt,
});
