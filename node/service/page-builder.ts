import type { Height } from "../../shared/ids.js";
import { type EventFilter, type Hits, matches } from "../../shared/log/filter.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import type { EventAt, ProvedBlocks } from "../replica/proved-blocks.js";

/** Blocks that one read brings. */
export const BLOCKS_AT_ONCE = 64;

/** About what an answer has of an event beside its payload. */
const RECORD_BYTES = 512;

/** Which of a filter's events are wanted: those with a sequence from `low` on and below `high`. */
export interface Search {
  readonly filter: EventFilter;
  readonly order: "asc" | "desc";
  readonly low: number;
  readonly high: number;
  /** So many hits are passed over first. */
  readonly skip?: number;
  readonly limit: number;
  /** The page ends once its events are as large as this. */
  readonly bytesMax: number;
  /** Monotonic milliseconds: then the search ends wherever it is. */
  readonly deadline: number;
}

export interface Found {
  readonly events: EventAt[];
  /** Where to go on: the next sequence to look at in the order; null once all of the range was looked at. */
  readonly next: number | null;
  /** It ended at its deadline, or had looked at as many entries as one search may. */
  readonly isCutOff: boolean;
}

/** Hits of one block. */
export interface BlockHits extends Hits {
  readonly height: Height;
  readonly first: number;
}
export interface WalkedHits extends BlockHits {
  readonly count: number;
  /** Where it had to be read to find them. */
  readonly block?: ProvedBlock;
}
export interface Ended {
  readonly next: number | null;
  readonly isCutOff: boolean;
}

/** An entry says what its block does not: derived data that were altered. */
export class IndexDiffers extends Error {
  constructor(readonly height: Height) {
    super(`the index entry of block ${height} is not what the block gives`);
    this.name = "IndexDiffers";
  }
}

/** What the block says counts: an entry only gave the place. */
export function assertPlace({ first, count }: WalkedHits, { header }: ProvedBlock): void {
  if (header.firstSequence !== first || header.eventCount !== count) throw new IndexDiffers(header.height);
}

/** Gathers a page: reads the blocks of its hits, as many at once as fit. */
export class PageBuilder {
  private readonly events: EventAt[] = [];
  private bytes = 0;
  private toSkip: number;

  constructor(
    private readonly search: Search,
    private readonly blocks: ProvedBlocks,
  ) {
    this.toSkip = search.skip ?? 0;
  }

  end(ended: Ended | null): Found {
    if (ended !== null) return { events: this.events, ...ended };
    const last = (this.events.at(-1) as EventAt).event.record.sequence;
    const next = this.search.order === "asc" ? last + 1 : last - 1;
    const isOver = this.search.order === "asc" ? next >= this.search.high : next < this.search.low;
    return { events: this.events, next: isOver ? null : next, isCutOff: false };
  }

  /** False once the page is full. */
  async take(walked: readonly WalkedHits[]): Promise<boolean> {
    const found = walked.filter(({ sure, unsure }) => sure.length + unsure.length > 0);
    let passed = 0;
    // Only those that come first: how many of the later ones are passed over is known once these are read.
    for (const { sure, unsure } of found) {
      if (unsure.length > 0 || sure.length > this.toSkip) break;
      this.toSkip -= sure.length;
      passed += 1;
    }
    const wanted = found.slice(passed);
    for (let at = 0; at < wanted.length; ) {
      const some = wanted.slice(at, at + this.blocksAtOnce(wanted, at));
      const read = await this.read(some);
      for (const [i, block] of read.entries()) if (!this.takeBlock(some[i] as WalkedHits, block)) return false;
      at += read.length;
    }
    return true;
  }

  private async read(hits: readonly WalkedHits[]): Promise<readonly ProvedBlock[]> {
    const there = hits.flatMap(({ block }) => (block === undefined ? [] : [block]));
    return there.length === hits.length ? there : this.blocks.read(hits.map(({ height }) => height));
  }

  /** As many as seem to hold what is wanted: how many hits each has is known, or nearly so. */
  private blocksAtOnce(found: readonly WalkedHits[], at: number): number {
    let left = this.search.limit - this.events.length + this.toSkip;
    let count = 0;
    for (; left > 0 && count < BLOCKS_AT_ONCE && at + count < found.length; count++) {
      const { sure, unsure } = found[at + count] as WalkedHits;
      left -= sure.length + unsure.length;
    }
    return count;
  }

  private takeBlock(hits: WalkedHits, block: ProvedBlock): boolean {
    const { order, filter, limit, bytesMax } = this.search;
    assertPlace(hits, block);
    const positions = hits.unsure.length === 0 ? hits.sure : [...hits.sure, ...hits.unsure].sort((a, b) => a - b);
    const unsure = new Set(hits.unsure);
    for (const i of order === "asc" ? positions : positions.toReversed()) {
      // Those that are passed over for certain need not be decoded.
      if (this.toSkip > 0 && !unsure.has(i)) {
        this.toSkip -= 1;
        continue;
      }
      const event = block.events.event(i);
      if (!matches(event, filter)) {
        if (unsure.has(i)) continue;
        throw new IndexDiffers(block.header.height);
      }
      if (this.toSkip > 0) {
        this.toSkip -= 1;
        continue;
      }
      this.events.push({ event, header: block.header });
      this.bytes += event.payload.length + RECORD_BYTES;
      if (this.events.length >= limit || this.bytes >= bytesMax) return false;
    }
    return true;
  }
}
