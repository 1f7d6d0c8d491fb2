import { schedule } from "node-cron";
import type { Logger } from "pino";
import { type ChainState, EMPTY_CHAIN, type SignatureVerifier, verifyBlock } from "../shared/chain.js";
import { type Height, height } from "../shared/ids.js";
import type { LogStore } from "./storage/port.js";

const READ_LIMIT = { bytesMax: 1024 * 1024, blocksMax: 64 };

export interface VerificationOptions {
  readonly log: LogStore;
  readonly verifier: SignatureVerifier;
  readonly logger: Logger;
  /** null while the store is being recovered. */
  readonly commitHeight: () => Height | null;
  readonly onInvalidBlock: (at: Height, detail: string) => void;
}

export interface VerificationPass {
  readonly verifiedThrough: Height;
  /** The first block that fails its check; nothing above it was judged. */
  readonly invalidAt: Height | null;
}

/** Re-reads and verifies every committed block from the genesis on, leaving the event loop free between reads. */
export async function verifyAll(options: VerificationOptions): Promise<VerificationPass> {
  let state: ChainState = EMPTY_CHAIN;
  for (;;) {
    const through = options.commitHeight();
    if (through === null || state.height >= through) return { verifiedThrough: state.height, invalidAt: null };
    const stored = await options.log.readBlocks(height(state.height + 1), READ_LIMIT);
    if (stored.length === 0) {
      const missing = height(state.height + 1);
      options.onInvalidBlock(missing, "the block is missing from the database");
      return { verifiedThrough: state.height, invalidAt: missing };
    }
    for (const { block } of stored) {
      if (state.height >= through) break;
      const at = height(state.height + 1);
      const verdict = verifyBlock(state, block, options.verifier);
      if (!verdict.ok) {
        options.onInvalidBlock(at, verdict.detail);
        return { verifiedThrough: state.height, invalidAt: at };
      }
      state = verdict.next;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Runs `verifyAll` by a cron expression; a pass that is still running is not started again. */
export function scheduleVerification(expression: string, options: VerificationOptions): { stop(): Promise<void> } {
  const task = schedule(
    expression,
    async () => {
      try {
        const pass = await verifyAll(options);
        options.logger.info(pass, `verified the log through block ${pass.verifiedThrough}`);
      } catch (error) {
        options.logger.warn({ err: error }, "the verification pass was interrupted; the next one starts anew");
      }
    },
    { noOverlap: true },
  );
  return {
    async stop() {
      await task.destroy();
    },
  };
}
