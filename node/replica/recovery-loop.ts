import type { Logger } from "pino";
import { type Clock, sleep } from "../clock.js";
import { StoreError } from "../storage/port.js";

const RETRY_MS = 500;
const RETRY_MS_MAX = 5_000;

/** The database belongs to another process, or cannot be used. */
export const endsProcess = (error: unknown): error is StoreError =>
  error instanceof StoreError && (error.failure === "not_owner" || error.failure === "unfit");

/** Tries until a recovery has given a replica that is still there, or the node stops. */
export async function recoverForEver(parts: {
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** Done before the first recovery; it never rejects. */
  readonly first?: (() => Promise<void>) | undefined;
  readonly recoverOnce: () => Promise<unknown>;
  /** Asked after one that succeeded. */
  readonly isOver: () => boolean;
  readonly isStopped: () => boolean;
  readonly onFatal: (error: StoreError) => void;
}): Promise<void> {
  const { clock, logger, isStopped } = parts;
  if (parts.first !== undefined) await parts.first();
  for (let delayMs = RETRY_MS; !isStopped(); delayMs = Math.min(RETRY_MS_MAX, 2 * delayMs)) {
    try {
      await parts.recoverOnce();
      if (!parts.isOver()) continue;
      logger.info("the store is recovered");
      return;
    } catch (error) {
      if (isStopped()) return;
      if (endsProcess(error)) return parts.onFatal(error);
      logger.warn({ err: error }, "the store cannot be recovered yet: trying again");
      await sleep(clock, delayMs);
    }
  }
}
