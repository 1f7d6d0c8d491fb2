import { type Height, height } from "../../shared/ids.js";
import type { BlockHeader } from "../../shared/log/block.js";
import { type Plan, sealedRangeOf } from "../../shared/log/filter.js";
import type { Place } from "../replica/places.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import { type FoundEntry, type LogReader, StoreError } from "../storage/port.js";
import { BLOCKS_AT_ONCE, LostPlace, type Search } from "./page-builder.js";
import type { BlockSource } from "./sound-blocks.js";

/**
 * The bounds of a range of `recordedAt` are found to within so many blocks and events where finding more would cost reads:
 * it takes less to read a few small blocks in vain than to look at another header.
 */
const UNDECIDED_BLOCKS = 8;
const UNDECIDED_EVENTS = 400;

/** Heights, both ends inclusive. */
export interface Range {
  readonly from: Height;
  readonly to: Height;
  /** Whether a block in it is certainly within the filter's range of `recordedAt`. */
  readonly isDecided: (at: Height) => boolean;
}

export interface PlaceFinderParts {
  readonly reader: LogReader;
  readonly blocks: BlockSource;
  readonly commitHeight: () => Height;
}

/** Where events stand: by what is in memory, and where that says nothing by headers. No index entry is needed for it. */
export class PlaceFinder {
  constructor(private readonly parts: PlaceFinderParts) {}

  /** The heights between which the range lies; null if it is empty. */
  async heightsOf(plan: Plan, { low, high }: Search): Promise<Range | null> {
    const [lowest, highest, since, until] = await Promise.all([
      low === 0 ? height(1) : this.placeOf(low).then((place) => place.height),
      this.placeOf(high - 1).then((place) => place.height),
      plan.sealedFrom === null ? null : this.firstSealedFrom(plan.sealedFrom),
      plan.sealedBefore === null ? null : this.firstSealedFrom(plan.sealedBefore),
    ]);
    return rangeOf({ lowest, highest, since, until });
  }

  /** The same where all that it takes is in memory; null also where it is not. */
  heightsAtHand({ low, high, filter }: Search): Range | null {
    const { places } = this.parts.blocks;
    const { sealedFrom, sealedBefore } = sealedRangeOf(filter);
    const lowest = low === 0 ? height(1) : places.of(low)?.height;
    const highest = places.of(high - 1)?.height;
    const since = sealedFrom === null ? null : this.boundAtHand(sealedFrom);
    const until = sealedBefore === null ? null : this.boundAtHand(sealedBefore);
    if (lowest === undefined || highest === undefined || since?.unknown !== undefined || until?.unknown !== undefined)
      return null;
    return rangeOf({ lowest, highest, since, until });
  }

  /**
   * Where the first block stands that was not sealed before then, by the blocks themselves: all below `from` were, none
   * from `to` on. The places that are looked at are the same for all searches, as far as the log's length lets them be.
   */
  private async firstSealedFrom(millis: number): Promise<Bound> {
    const { blocks } = this.parts;
    let bound = this.boundAtHand(millis);
    while (bound.unknown !== undefined) {
      const isBefore = (await blocks.sealedAt(bound.unknown)) < millis;
      bound = this.boundAtHand(
        millis,
        isBefore ? { ...bound, from: bound.unknown + 1 } : { ...bound, to: bound.unknown },
      );
    }
    return bound;
  }

  /** As far as it is in memory when blocks were sealed; `unknown` is of the block that is to be asked next. */
  private boundAtHand(millis: number, within?: Bound): Bound & { readonly unknown?: Height } {
    const { blocks } = this.parts;
    let { from, to } = within ?? { from: 1, to: this.parts.commitHeight() + 1 };
    const undecided = Math.min(UNDECIDED_BLOCKS, Math.floor(UNDECIDED_EVENTS / blocks.places.eventsPerBlock));
    while (from < to) {
      const middle = roundest(from, to - 1);
      const known = blocks.knownSealedAt(middle);
      if (known === null) return to - from <= undecided ? { from, to } : { from, to, unknown: middle };
      if (known < millis) from = middle + 1;
      else to = middle;
    }
    return { from, to };
  }

  /** Where an event stands. Throws AlteredBlock or StoreError. */
  async placeOf(sequence: number): Promise<Place> {
    const known = this.parts.blocks.places.of(sequence);
    if (known !== null) return known;
    const { header } = await this.blockOf(sequence);
    return { height: header.height, first: header.firstSequence, count: header.eventCount };
  }

  /** The block of an event: its place is known, or the store says it, or, where that says nothing true, the headers. */
  async blockOf(sequence: number): Promise<ProvedBlock> {
    const { blocks } = this.parts;
    const known = blocks.places.of(sequence);
    const found = known === null ? await this.held(sequence) : await blocks.one(known.height);
    const block = found ?? (await blocks.one((await this.placeByHeaders(sequence)).height));
    const { firstSequence, treeSize } = block.header;
    if (firstSequence <= sequence && sequence < treeSize) return block;
    throw new LostPlace(sequence, `No block of this node is known to hold event ${sequence}.`);
  }

  private async held(sequence: number): Promise<ProvedBlock | null> {
    try {
      return await this.parts.blocks.holding(sequence);
    } catch (error) {
      // The server's own index is gone: it is made again when the store is opened next.
      if (error instanceof StoreError && error.failure === "index_lost") return null;
      throw error;
    }
  }

  private async placeByHeaders(sequence: number): Promise<Place> {
    let low = 1;
    let high: number = this.parts.commitHeight();
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [found] = await this.parts.reader.readHeaders(height(middle), height(middle));
      if (found === undefined) throw new LostPlace(sequence, `Block ${middle} is missing.`);
      if (found.header.treeSize <= sequence) low = middle + 1;
      else high = middle;
    }
    const [found] = await this.parts.reader.readHeaders(height(low), height(low));
    if (found === undefined || found.header.firstSequence > sequence || found.header.treeSize <= sequence)
      throw new LostPlace(sequence, `No stored block says that it holds event ${sequence}.`);
    return { height: height(low), first: found.header.firstSequence, count: found.header.eventCount };
  }

  async placeAt(at: Height, order: "asc" | "desc"): Promise<FoundEntry | null> {
    const [entry] = await this.parts.reader.neighbours(at, order, 1);
    return entry ?? null;
  }

  /** The block of an event and some after it in the order; each has events. */
  async placesFrom(sequence: number, order: "asc" | "desc"): Promise<readonly Place[]> {
    const known = this.parts.blocks.places.from(sequence, order, BLOCKS_AT_ONCE);
    if (known.length > 0) return known;
    const place = await this.placeOf(sequence);
    const [from, to] =
      order === "asc"
        ? [place.height, Math.min(place.height + BLOCKS_AT_ONCE - 1, this.parts.commitHeight())]
        : [Math.max(1, place.height - BLOCKS_AT_ONCE + 1), place.height];
    const headers = await this.parts.reader.readHeaders(height(from), height(to));
    const inOrder = this.placesIn(order === "asc" ? headers : headers.reverse(), order === "asc" ? from : to, order);
    // A header that says that its block has no events hides none: the next look finds its place by the index.
    const end = inOrder.findIndex((one, i) => !follows(one, inOrder[i - 1] ?? null, { sequence, order }));
    const whole = end === -1 ? inOrder : inOrder.slice(0, end);
    return whole.length === 0 ? [place] : whole;
  }

  /** The places of headers that stand one after the other, up to the first that is missing, or says that it is another's. */
  private placesIn(
    headers: readonly { readonly header: BlockHeader }[],
    first: number,
    order: "asc" | "desc",
  ): Place[] {
    const places: Place[] = [];
    for (const [i, stored] of headers.entries()) {
      const at = height(order === "asc" ? first + i : first - i);
      if (stored.header.height !== at) break;
      // Where another node's copy is at hand, this one's was found altered.
      const { firstSequence, eventCount } = this.parts.blocks.lentAt?.(at)?.header ?? stored.header;
      if (eventCount > 0) places.push({ height: at, first: firstSequence, count: eventCount });
    }
    return places;
  }
}

/** All blocks below `from` were sealed before some time, and none from `to` on. */
interface Bound {
  readonly from: number;
  readonly to: number;
}

function rangeOf(known: { lowest: Height; highest: Height; since: Bound | null; until: Bound | null }): Range | null {
  const { lowest, highest, since, until } = known;
  const from = Math.max(lowest, since?.from ?? 0);
  const to = Math.min(highest, (until?.to ?? Number.POSITIVE_INFINITY) - 1);
  if (from > to) return null;
  const decided = { from: since?.to ?? 0, to: (until?.from ?? Number.POSITIVE_INFINITY) - 1 };
  return { from: height(from), to: height(to), isDecided: (at) => isIn(at, decided) };
}

/** Whether a place holds the sequence that is looked for first, or is the next one in the order. */
function follows(place: Place, before: Place | null, first: { sequence: number; order: "asc" | "desc" }): boolean {
  if (before === null) return place.first <= first.sequence && first.sequence < place.first + place.count;
  return first.order === "asc"
    ? place.first === before.first + before.count
    : place.first + place.count === before.first;
}

export const isIn = (at: number, { from, to }: { from: number; to: number }): boolean => at >= from && at <= to;

/** The number between two (inclusive) that the largest power of two divides: the same for many ranges. */
export function roundest(from: number, to: number): Height {
  let width = 2 ** Math.floor(Math.log2(Math.max(1, to)));
  while (Math.floor(to / width) * width < from) width /= 2;
  return height(Math.floor(to / width) * width);
}

export const step = (at: Height, isAsc: boolean): Height => height(isAsc ? at + 1 : Math.max(0, at - 1));
