import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { hostsOf, waitingFor } from "./mongo/causes.js";
import { StoreError } from "./port.js";

/** How long a start waits for a MongoDB that cannot be opened yet. */
const WAIT_MS = 30_000;
const RETRY_MS = 500;
/** Whoever waits longer than this is told for what. */
const TELL_AFTER_MS = 3_000;

export interface FirstOpening<T> {
  readonly open: () => Promise<T>;
  readonly mongodbUri: string;
  readonly logger: Pick<Logger, "warn">;
  /** What is being waited for, as a sentence; each one once in a row. */
  readonly onWaiting: (sentence: string) => void;
  readonly waitMs?: number;
  readonly tellAfterMs?: number;
}

/**
 * Opens a database that may start a little later than its node: what can pass is tried again, and told; everything else
 * is thrown at once. Throws StoreError.
 */
export async function openAtStart<T>(opening: FirstOpening<T>): Promise<T> {
  const { open, mongodbUri, logger, onWaiting, waitMs = WAIT_MS, tellAfterMs = TELL_AFTER_MS } = opening;
  const deadline = performance.now() + waitMs;
  let wait = `The MongoDB at ${hostsOf(mongodbUri)} is being opened and the end of its log verified.`;
  let told = "";
  let logged = "";
  const tell = (): void => {
    if (wait === told) return;
    told = wait;
    if (wait !== logged) logger.warn({}, wait);
    onWaiting(wait);
  };
  const timer = setInterval(tell, tellAfterMs);
  try {
    for (;;) {
      try {
        return await open();
      } catch (error) {
        if (!(error instanceof StoreError) || error.failure === "unfit" || error.failure === "not_owner") throw error;
        if (isForbidden(error))
          throw new StoreError("unfit", `${error.message} See to that and start again.`, { cause: error });
        const cause = waitingFor(error, mongodbUri);
        if (performance.now() > deadline) throw new StoreError("not_stored", cause, { cause: error });
        if (cause !== logged) logger.warn({ err: error }, `${cause} Trying again.`);
        wait = cause;
        logged = cause;
        await sleep(RETRY_MS);
      }
    }
  } finally {
    clearInterval(timer);
  }
}

/** A file of this node's own cannot be read or written, and will not be before a person has changed that. */
function isForbidden(error: Error): boolean {
  const { code, path, cause } = error as NodeJS.ErrnoException;
  if (path !== undefined && /^(EACCES|EPERM|EROFS|ENOTDIR|EISDIR)$/.test(code ?? "")) return true;
  return cause instanceof Error && isForbidden(cause);
}
