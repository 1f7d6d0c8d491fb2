import type { Height, NodeId } from "../../shared/ids.js";
import type { EventFilter, Hits } from "../../shared/log/filter.js";
import { StoredEvent } from "../../shared/log/stored-event.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import { StoreError } from "../storage/port.js";
import type { BlockSource } from "./sound-blocks.js";
import { StoredFilter } from "./stored-filter.js";

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
  /** Told of the other nodes whose copies were looked at. */
  readonly sources?: Set<NodeId>;
}

export interface Found {
  readonly events: StoredEvent[];
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
  /** The block itself, where it has said that its sure ones are hits. */
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

/** No stored block is known to hold an event that is committed. */
export class LostPlace extends StoreError {
  constructor(
    readonly sequence: number,
    detail: string,
  ) {
    super("unknown", detail);
  }
}

/** What the block says counts: an entry only gave the place. */
export function assertPlace({ first, count }: WalkedHits, { header }: ProvedBlock): void {
  if (header.firstSequence !== first || header.eventCount !== count) throw new IndexDiffers(header.height);
}

/** Gathers a page: reads the blocks of its hits, as many at once as fit. */
export class PageBuilder {
  private readonly events: StoredEvent[] = [];
  private readonly filter: StoredFilter;
  private bytes = 0;
  private toSkip: number;

  constructor(
    private readonly search: Search,
    private readonly blocks: BlockSource,
  ) {
    this.filter = new StoredFilter(search.filter);
    this.toSkip = search.skip ?? 0;
  }

  /** Null: right behind the last event that it has. */
  end(ended: Ended | null): Found {
    if (ended !== null) return { events: this.events, ...ended };
    const last = (this.events.at(-1) as StoredEvent).sequence;
    const next = this.search.order === "asc" ? last + 1 : last - 1;
    const isOver = this.search.order === "asc" ? next >= this.search.high : next < this.search.low;
    return { events: this.events, next: isOver ? null : next, isCutOff: false };
  }

  /** What has something ends before what cannot be had now: whoever goes on from there is told why. */
  endBefore(error: unknown): Found {
    const isOfBlock = error instanceof AlteredBlock || error instanceof LostPlace;
    if (this.events.length === 0 || !isOfBlock) throw error;
    return this.end(null);
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

  /** The same of hits whose blocks have all said so themselves; null where one has not. */
  takeAtHand(walked: readonly WalkedHits[]): boolean | null {
    for (const hits of walked) {
      const { sure, unsure, block } = hits;
      if (sure.length + unsure.length === 0) continue;
      if (block === undefined) return null;
      if (!this.takeBlock(hits, block)) return false;
    }
    return true;
  }

  private takeBlock(hits: WalkedHits, block: ProvedBlock): boolean {
    assertPlace(hits, block);
    if (block.from !== undefined) this.search.sources?.add(block.from);
    const { sure, unsure } = hits;
    const positions = unsure.length === 0 ? sure : [...sure, ...unsure].sort((a, b) => a - b);
    const isUnsure = new Set(unsure);
    // The page may need more reads: nobody keeps what this one has brought but for what is shown of it.
    const isKept = this.blocks.atHandAt(block.header.height) === block;
    const isAsc = this.search.order === "asc";
    for (let n = 0; n < positions.length; n++) {
      const i = positions[isAsc ? n : positions.length - 1 - n] as number;
      if (!this.takeEvent(i, { isUnsure: isUnsure.has(i), isKept }, hits, block)) return false;
    }
    return true;
  }

  /** False once the page is full. */
  private takeEvent(
    i: number,
    { isUnsure, isKept }: { readonly isUnsure: boolean; readonly isKept: boolean },
    hits: WalkedHits,
    block: ProvedBlock,
  ): boolean {
    // Those that are passed over for certain need not be looked at.
    if (this.toSkip > 0 && !isUnsure) {
      this.toSkip -= 1;
      return true;
    }
    if (isUnsure || hits.block === undefined) {
      if (!this.filter.meets(block, i)) {
        if (isUnsure) return true;
        throw new IndexDiffers(block.header.height);
      }
      if (this.toSkip > 0) {
        this.toSkip -= 1;
        return true;
      }
    }
    const { limit, bytesMax } = this.search;
    const event = new StoredEvent(block.events, i, block.header);
    this.events.push(isKept ? event : event.detached());
    this.bytes += event.payloadBytes + RECORD_BYTES;
    return this.events.length < limit && this.bytes < bytesMax;
  }
}
