import type { Height } from "../../shared/ids.js";
import { height } from "../../shared/ids.js";
import type { ReadEvent } from "../../shared/log/event.js";
import { keyValue, termHash } from "../../shared/log/index.js";
import type { Clock } from "../clock.js";
import type { KeyReader } from "../storage/port.js";
import { KeyFilter } from "./key-filter.js";
import type { LoggedRequests } from "./logged-requests.js";

/** Blocks whose entries have a key's term: more than one only where terms collide, or a key was used twice. */
const HEIGHTS_MAX = 16;
const LOAD_ENTRIES = 1_000;
/** Keys of stored blocks that may have been used before, and have not been looked up yet. */
const SUSPECTS_MAX = 1_000;

interface Key {
  readonly sourceAppId: string;
  readonly idempotencyKey: string;
}
interface Suspect extends Key {
  readonly height: Height;
}

export interface KeyLookUpsParts {
  readonly keys: KeyReader;
  readonly clock: Clock;
  readonly filterBytes: number;
  /** The requests of a stored block, committed or not. Throws, or null, where it is not what it should be. */
  readonly requestsOf: (at: Height) => Promise<Pick<LoggedRequests, "hasKey"> | null>;
  /** A committed event has a key that an earlier block has as well. */
  readonly onRepeated: (key: Key, heights: readonly Height[]) => void;
  readonly onWarning: (error: unknown, text: string) => void;
}

/**
 * Whether an idempotency key was used. The index has the keys of every stored block; a filter in memory answers for most
 * keys that were never used, once it is whole.
 */
export class KeyLookUps {
  private filter: KeyFilter;
  private isWhole = false;
  /** Counts loads: an earlier one ends when the index was lost meanwhile. */
  private load = 0;
  private suspects: Suspect[] = [];
  private isLooking = false;

  constructor(private readonly parts: KeyLookUpsParts) {
    this.filter = new KeyFilter(parts.filterBytes);
  }

  /** The lowest block with the key; null if no stored block has it. Throws StoreError. */
  async find(sourceAppId: string, idempotencyKey: string): Promise<{ readonly height: Height } | null> {
    const term = termOf({ sourceAppId, idempotencyKey });
    if (this.isWhole && !this.filter.has(term)) return null;
    const [first] = await this.heightsOf({ sourceAppId, idempotencyKey }, term);
    return first === undefined ? null : { height: first };
  }

  /** Learns the keys of a block that is about to be stored. */
  onStoring(at: Height, events: readonly ReadEvent[]): void {
    const seen = new Set<string>();
    for (const { record } of events) {
      const { sourceAppId, idempotencyKey } = record;
      if (idempotencyKey === undefined) continue;
      const key = { sourceAppId, idempotencyKey };
      const name = keyValue(sourceAppId, idempotencyKey);
      if (seen.has(name)) continue;
      seen.add(name);
      const term = termOf(key);
      if (this.isWhole && this.filter.has(term) && this.suspects.length < SUSPECTS_MAX)
        this.suspects.push({ ...key, height: at });
      this.filter.add(term);
    }
  }

  /** Looks up the keys of blocks that are committed now and seemed to be used before. */
  onCommitted(through: Height): void {
    if (this.suspects.length === 0 || this.isLooking) return;
    const due = this.suspects.filter((suspect) => suspect.height <= through);
    this.suspects = this.suspects.filter((suspect) => suspect.height > through);
    if (due.length === 0) return;
    this.isLooking = true;
    void this.examine(due).finally(() => {
      this.isLooking = false;
    });
  }

  /** Until it has been filled from the index, the filter says nothing. */
  async fill(): Promise<void> {
    const load = ++this.load;
    this.isWhole = false;
    // What is stored meanwhile is added to it as well.
    this.filter = new KeyFilter(this.parts.filterBytes);
    let from: Height | null = height(1);
    while (from !== null) {
      const { terms, next }: Awaited<ReturnType<KeyReader["keyTerms"]>> = await this.parts.keys.keyTerms(
        from,
        LOAD_ENTRIES,
      );
      if (load !== this.load) return;
      for (const term of terms) this.filter.add(term);
      from = next;
      await this.parts.clock.breathe();
    }
    if (load === this.load) this.isWhole = true;
  }

  /** Learns the keys of entries that are made anew: what the filter was filled from may not have had them. */
  learn(terms: readonly Uint8Array[]): void {
    for (const term of terms) this.filter.add(term);
  }

  /** The index was lost: nothing can be called absent. */
  forget(): void {
    this.load += 1;
    this.isWhole = false;
  }

  private async examine(due: readonly Suspect[]): Promise<void> {
    for (const suspect of due) {
      try {
        const heights = await this.heightsOf(suspect, termOf(suspect));
        // The block that it came with may have been replaced since, and the key logged elsewhere, once.
        const isRepeated = heights.includes(suspect.height) && heights.some((at) => at < suspect.height);
        if (isRepeated) this.parts.onRepeated(suspect, heights);
      } catch (error) {
        this.parts.onWarning(error, "a key that may have been used twice could not be looked up");
      }
    }
  }

  private async heightsOf({ sourceAppId, idempotencyKey }: Key, term: Uint8Array): Promise<Height[]> {
    const found: Height[] = [];
    const heights = await this.parts.keys.heightsOfKey(term, HEIGHTS_MAX);
    for (const at of heights) {
      const requests = await this.parts.requestsOf(at);
      if (requests === null) throw new Error(`block ${at}, which the index names for a key, cannot be read`);
      if (requests.hasKey(sourceAppId, idempotencyKey)) found.push(at);
    }
    if (found.length === 0 && heights.length === HEIGHTS_MAX)
      throw new Error(`more than ${HEIGHTS_MAX} blocks have the term of a key, and the first ones not the key`);
    return found;
  }
}

const termOf = ({ sourceAppId, idempotencyKey }: Key): Uint8Array =>
  termHash("key", keyValue(sourceAppId, idempotencyKey)).subarray(0, 8);
