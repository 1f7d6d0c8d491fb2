import { schedule } from "node-cron";
import type { Logger } from "pino";
import { type Height, height } from "../../shared/ids.js";
import { type BlockVerifier, type ChainState, EMPTY_CHAIN } from "../../shared/log/chain.js";
import { type Clock, delay, systemClock } from "../clock.js";
import type { LogStore } from "../storage/port.js";

const READ_LIMIT = { bytesMax: 1024 * 1024, blocksMax: 64 };

/** A pass rests this many times as long as it works, so that it takes a tenth of one core at most from the writes. */
const REST_FACTOR = 9;
const PAUSE_MS_MAX = 2_000;
/** At the start only the log's tail is verified; all of it soon afterwards, when the node has found its place. */
const FIRST_PASS_AFTER_MS = 10_000;

export interface PassOptions {
  readonly log: LogStore;
  readonly verifyBlock: BlockVerifier;
  readonly clock?: Clock;
  /** null while the store is being recovered. */
  readonly commitHeight: () => Height | null;
  readonly onInvalidBlock: (at: Height, detail: string) => void;
}

export interface VerificationOptions extends PassOptions {
  readonly logger: Logger;
  /** A pass has ended: the last sequence up to which every block was verified. */
  readonly onVerified: (lastSequence: number) => void;
}

export interface VerificationPass {
  readonly verifiedThrough: Height;
  readonly lastSequence: number;
  /** The first block that fails its check; nothing above it was judged. */
  readonly invalidAt: Height | null;
}

/** Re-reads and verifies every committed block from the genesis on, at a tenth of a core at most. */
export async function verifyAll(options: PassOptions): Promise<VerificationPass> {
  const { clock = systemClock } = options;
  let state: ChainState = EMPTY_CHAIN;
  for (;;) {
    const through = options.commitHeight();
    const startedAt = clock.now();
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
    await delay(clock, Math.min(PAUSE_MS_MAX, REST_FACTOR * (clock.now() - startedAt)));
  }
}

const passOf = (state: ChainState, invalidAt: Height | null): VerificationPass => ({
  verifiedThrough: state.height,
  lastSequence: state.range.size - 1,
  invalidAt,
});

/** Runs `verifyAll` once after the start and then by a cron expression; a pass that is still running is not started again. */
export function scheduleVerification(expression: string, options: VerificationOptions): { stop(): Promise<void> } {
  let isStopped = false;
  const pass = async (): Promise<void> => {
    try {
      const commitHeight = (): Height | null => (isStopped ? null : options.commitHeight());
      const verified = await verifyAll({ ...options, commitHeight });
      if (isStopped) return;
      options.onVerified(verified.lastSequence);
      options.logger.info(verified, `verified the log through block ${verified.verifiedThrough}`);
    } catch (error) {
      options.logger.warn({ err: error }, "the verification pass was interrupted; the next one starts anew");
    }
  };
  const task = schedule(expression, pass, { noOverlap: true });
  const first = setTimeout(() => void task.execute(), FIRST_PASS_AFTER_MS);
  return {
    async stop() {
      isStopped = true;
      clearTimeout(first);
      await task.destroy();
    },
  };
}
