import type { Logger } from "pino";
import { utf8 } from "../../shared/bytes.js";
import { sha256Hex } from "../../shared/hash.js";
import { type Clock, sleep } from "../clock.js";
import type { IntegrityStore } from "../storage/integrity-port.js";

const TRIES = 3;
const AGAIN_MS = 500;
/** Documents that are kept when they are told of: whoever plants them can plant any number. */
export const PLANTED_MAX = 64;

export const NOT_KEPT = "what stands there could not be kept";

export interface KeepingParts {
  readonly store: Pick<IntegrityStore, "keepPlanted">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

/** Takes evidence before anything is told. Whoever alters a database may keep it from that too: then it is told without. */
export class Keeping {
  private failures = 0;
  /** What was planted, by its id, and the names of what is kept of it. */
  private readonly planted = new Map<string, string>();

  constructor(private readonly parts: KeepingParts) {}

  /** Null where there is nothing to keep, or nothing can be kept. What has failed before is tried once. */
  async kept<T>(keep: () => Promise<T | null>): Promise<T | null> {
    const { clock, logger } = this.parts;
    for (;;)
      try {
        const kept = await keep();
        this.failures = 0;
        return kept;
      } catch (err) {
        this.failures += 1;
        logger.warn({ err }, "evidence could not be kept");
        if (this.failures >= TRIES) return null;
        await sleep(clock, AGAIN_MS);
      }
  }

  /** Keeps a document that somebody planted: once, however often it is told of, and whatever stands there since. */
  async plantedAt(id: unknown, text: string): Promise<readonly string[]> {
    // An id may be as long as a document.
    const key = sha256Hex(utf8(`${typeof id} ${text}`));
    const known = this.planted.get(key);
    if (known !== undefined) return [known];
    if (this.planted.size >= PLANTED_MAX) return [];
    const name = await this.kept(() => this.parts.store.keepPlanted(id));
    if (name === null) return [];
    this.planted.set(key, name);
    return [name];
  }

  /** What was planted was taken out: what comes again is kept again. */
  forget(): void {
    this.planted.clear();
  }
}
