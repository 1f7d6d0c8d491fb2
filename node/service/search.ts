import { type Height, height } from "../../shared/ids.js";
import { type EventFilter, type Hits, hitsOf, matches, type Plan, planOf } from "../../shared/log/filter.js";
import type { Clock } from "../clock.js";
import type { Place } from "../replica/places.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import type { ProvedBlocks } from "../replica/proved-blocks.js";
import { type EntryQuery, type FoundEntry, type LogReader, StoreError } from "../storage/port.js";
import {
  assertPlace,
  BLOCKS_AT_ONCE,
  type Ended,
  type Found,
  IndexDiffers,
  PageBuilder,
  type Search,
  type WalkedHits,
} from "./page-builder.js";

/** Entries that one search looks at. */
const ENTRIES_MAX = 200_000;
const ENTRIES_FIRST = 16;
const ENTRIES_CHUNK = 256;
/** Heights that are asked for at once where the server compares more than one group. */
const WINDOW_MIN = 1_024;
const WINDOW_MAX = 1_048_576;
const WINDOW_QUICK_MS = 100;
const WINDOW_SLOW_MS = 500;
const ESTIMATE_MAX = 1_000;
/** Filters whose counts are remembered. */
const COUNTS_MAX = 256;
/** Events of blocks in memory that one search compares itself, before it asks the index. */
const EVENTS_AT_HAND_MAX = 10_000;
const BLOCKS_AT_HAND = 16;
/** The bounds of a range of `recordedAt` are found to within so many blocks where finding more would cost reads. */
const UNDECIDED_BLOCKS = 8;

export interface SearchParts {
  readonly reader: LogReader;
  readonly blocks: ProvedBlocks;
  readonly clock: Pick<Clock, "now">;
  readonly commitHeight: () => Height;
  /** Up to here the store is known to hold the log: less than was committed while it is recovered, or has lost blocks. */
  readonly heldThrough: () => Height;
}

/** Finds events: filters are decided on index entries, and blocks are read for what is shown only. */
export class Searches {
  private readonly counts = new Map<string, { through: number; total: number }>();

  constructor(private readonly parts: SearchParts) {}

  /** Throws StoreError or AlteredBlock. */
  async find(search: Search): Promise<Found> {
    if (search.low >= search.high || search.limit < 1) return { events: [], next: null, isCutOff: false };
    const page = new PageBuilder(search, this.parts.blocks);
    const walk = this.walk(planOf(search.filter), search);
    for (;;) {
      const { value, done } = await walk.next();
      if (done) return page.end(value);
      if (!(await page.take(value))) return page.end(null);
    }
  }

  /** Counts the events below `high` that meet a filter, up to `cap`. null: it could not be told before the deadline. */
  async count(
    filter: EventFilter,
    { high, cap, deadline }: { high: number; cap: number; deadline: number },
  ): Promise<{ total: number; isCapped: boolean } | null> {
    const name = JSON.stringify(filter);
    // Committed blocks do not change: what was counted once is counted.
    const known = this.counts.get(name) ?? { through: 0, total: 0 };
    let { total } = known;
    let { through } = known;
    if (known.through > high) ({ total, through } = { total: 0, through: 0 });
    const search: Search = { filter, order: "asc", low: through, high, limit: 1, bytesMax: 0, deadline };
    let isCutOff = false;
    const walk = this.walk(planOf(filter), search);
    while (total <= cap) {
      const { value, done } = await walk.next();
      if (done) {
        isCutOff = value.isCutOff;
        if (!isCutOff) through = high;
        break;
      }
      for (const hits of value) {
        total += hits.sure.length + (await this.confirmed(hits, filter)).length;
        through = Math.min(hits.first + hits.count, high);
      }
    }
    this.remember(name, { through, total });
    if (total > cap) return { total: cap, isCapped: true };
    return isCutOff ? null : { total, isCapped: false };
  }

  private remember(name: string, count: { through: number; total: number }): void {
    this.counts.delete(name);
    this.counts.set(name, count);
    if (this.counts.size > COUNTS_MAX) this.counts.delete(this.counts.keys().next().value as string);
  }

  private async confirmed(hits: WalkedHits, filter: EventFilter): Promise<number[]> {
    if (hits.unsure.length === 0) return [];
    const block = await this.parts.blocks.one(hits.height);
    assertPlace(hits, block);
    return hits.unsure.filter((i) => matches(block.events.event(i), filter));
  }

  /** Where the place of an event is known, no other block's entry may name it. */
  private assertOwn({ height: at, first }: FoundEntry): void {
    const place = this.parts.blocks.places.of(first);
    if (place !== null && place.height !== at) throw new IndexDiffers(at);
  }

  /** Hits block by block, in order; returns where it ended. */
  private async *walk(plan: Plan, search: Search): AsyncGenerator<WalkedHits[], Ended> {
    const isAsc = search.order === "asc";
    const range = search.low < search.high ? await this.heightsOf(plan, search) : null;
    if (range === null) return DONE;
    const chunks = plan.groups.length === 0 ? this.unfiltered(search, range) : this.filtered(plan, search, range);
    let looked = 0;
    for await (const chunk of chunks) {
      looked += chunk.looked.length;
      if (chunk.looked.length > 0) yield chunk.looked.map((hits) => cut(hits, search));
      const isLate = this.parts.clock.now() >= search.deadline || looked >= ENTRIES_MAX;
      if (isLate && chunk.next !== null) {
        const last = chunk.looked.at(-1);
        if (last !== undefined) return { next: isAsc ? last.first + last.count : last.first - 1, isCutOff: true };
        const place = await this.placeAt(chunk.next, search.order);
        return place === null ? DONE : { next: isAsc ? place.first : place.first + place.count - 1, isCutOff: true };
      }
    }
    return DONE;
  }

  /** The heights between which the range lies; null if it is empty. */
  private async heightsOf(plan: Plan, { low, high }: Search): Promise<Range | null> {
    const [lowest, highest, since, until] = await Promise.all([
      low === 0 ? height(1) : this.placeOf(low).then((place) => place.height),
      this.placeOf(high - 1).then((place) => place.height),
      plan.sealedFrom === null ? null : this.firstSealedFrom(plan.sealedFrom),
      plan.sealedBefore === null ? null : this.firstSealedFrom(plan.sealedBefore),
    ]);
    const from = Math.max(lowest, since?.from ?? 0);
    const to = Math.min(highest, (until?.to ?? Number.POSITIVE_INFINITY) - 1);
    if (from > to) return null;
    const decided = { from: since?.to ?? 0, to: (until?.from ?? Number.POSITIVE_INFINITY) - 1 };
    return { from: height(from), to: height(to), isDecided: (at) => isIn(at, decided) };
  }

  /**
   * Where the first block stands that was not sealed before then, by the blocks themselves: all below `from` were, none
   * from `to` on. The places that are looked at are the same for all searches, as far as the log's length lets them be.
   */
  private async firstSealedFrom(millis: number): Promise<{ readonly from: number; readonly to: number }> {
    const { blocks } = this.parts;
    let from = 1;
    let to = this.parts.commitHeight() + 1;
    while (from < to) {
      const middle = roundest(from, to - 1);
      const known = blocks.knownSealedAt(middle);
      if (known === null && to - from <= UNDECIDED_BLOCKS) break;
      if ((known ?? (await blocks.sealedAt(middle))) < millis) from = middle + 1;
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
    throw new StoreError("unknown", `No block of this node is known to hold event ${sequence}.`);
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
      if (found === undefined) throw new StoreError("unknown", `Block ${middle} is missing.`);
      if (found.header.treeSize <= sequence) low = middle + 1;
      else high = middle;
    }
    const [found] = await this.parts.reader.readHeaders(height(low), height(low));
    if (found === undefined || found.header.firstSequence > sequence || found.header.treeSize <= sequence)
      throw new StoreError("unknown", `No stored block says that it holds event ${sequence}.`);
    return { height: height(low), first: found.header.firstSequence, count: found.header.eventCount };
  }

  private async placeAt(at: Height, order: "asc" | "desc"): Promise<FoundEntry | null> {
    const [entry] = await this.parts.reader.neighbours(at, order, 1);
    return entry ?? null;
  }

  /** Without a condition on entries the headers tell where events stand: no index is needed. */
  private async *unfiltered({ order, low, high }: Search, range: Range): AsyncGenerator<Chunk> {
    const isAsc = order === "asc";
    let cursor = isAsc ? low : high - 1;
    while (cursor >= low && cursor < high) {
      const places = await this.placesFrom(cursor, order);
      const looked = places.filter((place) => isIn(place.height, range)).map((place) => hitsOfPlace(place, range));
      const last = places.at(-1) as Place;
      cursor = isAsc ? last.first + last.count : last.first - 1;
      const isOver = (isAsc && last.height >= range.to) || (!isAsc && last.height <= range.from);
      yield { looked, next: isOver ? null : step(last.height, isAsc) };
      if (isOver) return;
    }
  }

  /** The block of an event and some after it in the order; each has events. */
  private async placesFrom(sequence: number, order: "asc" | "desc"): Promise<readonly Place[]> {
    const known = this.parts.blocks.places.from(sequence, order, BLOCKS_AT_ONCE);
    if (known.length > 0) return known;
    const place = await this.placeOf(sequence);
    const [from, to] =
      order === "asc"
        ? [place.height, Math.min(place.height + BLOCKS_AT_ONCE - 1, this.parts.commitHeight())]
        : [Math.max(1, place.height - BLOCKS_AT_ONCE + 1), place.height];
    const headers = await this.parts.reader.readHeaders(height(from), height(to));
    const places = headers.flatMap(({ header }): Place[] =>
      header.eventCount > 0 ? [{ height: header.height, first: header.firstSequence, count: header.eventCount }] : [],
    );
    const inOrder = order === "asc" ? places : places.reverse();
    // A header that says that its block has no events hides none: the next look finds its place by the index.
    const end = inOrder.findIndex((one, i) => !follows(one, inOrder[i - 1] ?? null, { sequence, order }));
    const whole = end === -1 ? inOrder : inOrder.slice(0, end);
    return whole.length === 0 ? [place] : whole;
  }

  /** The group that finds fewest drives; the server compares the others, in windows of heights so that it stops in time. */
  private async *filtered(plan: Plan, search: Search, range: Range): AsyncGenerator<Chunk> {
    const isAsc = search.order === "asc";
    let at = yield* this.atHand(search, range);
    if (at === null) return;
    const groups = await this.inOrder(plan.groups, isAsc ? { ...range, from: at } : { ...range, to: at });
    const isWindowed = groups.length > 1;
    const values = plan.conditions.map(({ values: list, isOwn }) => ({ terms: list.map(({ term }) => term), isOwn }));
    const query: Omit<EntryQuery, "from" | "to" | "limit"> = {
      groups,
      names: values.flatMap(({ terms, isOwn }) => (isOwn ? [] : terms)),
      own: values.flatMap(({ terms, isOwn }) => (isOwn ? terms : [])),
      wantsTimes: plan.millis !== null,
      order: search.order,
    };
    let window = isWindowed ? WINDOW_MIN : Number.POSITIVE_INFINITY;
    let limit = ENTRIES_FIRST;
    while (at !== null && isIn(at, range)) {
      const far = isAsc ? Math.min(range.to, at + window - 1) : Math.max(range.from, at - window + 1);
      const bounds = isAsc ? { from: at, to: height(far) } : { from: height(far), to: at };
      const askedAt = this.parts.clock.now();
      const entries = await this.parts.reader.find({ ...query, ...bounds, limit });
      // A database that went back has a whole index of what it holds, and would call the rest absent.
      if (this.parts.heldThrough() < bounds.to)
        throw new StoreError("unknown", `The store is not known to hold the log up to block ${bounds.to}.`);
      const tookMs = this.parts.clock.now() - askedAt;
      const last = entries.at(-1);
      const isFull = entries.length === limit && last !== undefined;
      const next: Height = step(isFull ? last.height : height(far), isAsc);
      at = isIn(next, range) ? next : null;
      if (tookMs < WINDOW_QUICK_MS) window = Math.min(WINDOW_MAX, 4 * window);
      else if (tookMs > WINDOW_SLOW_MS) window = Math.max(WINDOW_MIN, Math.floor(window / 4));
      if (!isWindowed) window = Number.POSITIVE_INFINITY;
      limit = Math.min(ENTRIES_CHUNK, 2 * limit);
      const looked = entries.map((entry): WalkedHits => {
        this.assertOwn(entry);
        const { height: of, first, count } = entry;
        return { height: of, first, count, ...decide(hitsIn(plan, entry), of, range) };
      });
      yield { looked, next: at };
    }
  }

  /** Blocks in memory say by their events what is wanted, sooner than any entry. Returns where the index has to go on. */
  private *atHand({ filter, order }: Search, range: Range): Generator<Chunk, Height | null> {
    const { blocks } = this.parts;
    const isAsc = order === "asc";
    let at = isAsc ? range.from : range.to;
    // A payload has to be parsed to be compared.
    let left = filter.payload === undefined ? EVENTS_AT_HAND_MAX : 0;
    while (left > 0) {
      const looked: WalkedHits[] = [];
      const places = blocks.places.at(at, order, BLOCKS_AT_HAND).filter((place) => isIn(place.height, range));
      for (const place of places) {
        const block = blocks.atHandAt(place.height);
        if (block === null) {
          left = 0;
          break;
        }
        const sure = block.candidates(filter).filter((i) => matches(block.events.event(i), filter));
        looked.push({ ...place, sure, unsure: [] });
        left -= place.count;
      }
      const last = looked.at(-1);
      if (last === undefined) return at;
      const next = step(last.height, isAsc);
      if (!isIn(next, range)) {
        yield { looked, next: null };
        return null;
      }
      at = next;
      yield { looked, next };
    }
    return at;
  }

  private async inOrder(groups: Plan["groups"], range: Range): Promise<Plan["groups"]> {
    if (groups.length < 2) return groups;
    const sized = await Promise.all(
      groups.map(async (group) => ({ group, size: await this.parts.reader.estimate(group, range, ESTIMATE_MAX) })),
    );
    return sized.sort((a, b) => a.size - b.size).map(({ group }) => group);
  }
}

interface Range {
  readonly from: Height;
  readonly to: Height;
  /** Whether a block in it is certainly within the filter's range of `recordedAt`. */
  readonly isDecided: (at: Height) => boolean;
}
interface Chunk {
  /** In order; with hits or without. */
  readonly looked: WalkedHits[];
  /** The next height to look at. */
  readonly next: Height | null;
}
const DONE: Ended = { next: null, isCutOff: false };

/** Whether a place holds the sequence that is looked for first, or is the next one in the order. */
function follows(place: Place, before: Place | null, first: { sequence: number; order: "asc" | "desc" }): boolean {
  if (before === null) return place.first <= first.sequence && first.sequence < place.first + place.count;
  return first.order === "asc"
    ? place.first === before.first + before.count
    : place.first + place.count === before.first;
}

const isIn = (at: number, { from, to }: { from: number; to: number }): boolean => at >= from && at <= to;

/** The number between two (inclusive) that the largest power of two divides: the same for many ranges. */
function roundest(from: number, to: number): Height {
  let width = 2 ** Math.floor(Math.log2(Math.max(1, to)));
  while (Math.floor(to / width) * width < from) width /= 2;
  return height(Math.floor(to / width) * width);
}

/** Only hits with a sequence that is wanted. */
function cut(hits: WalkedHits, { low, high }: Search): WalkedHits {
  const { first, count, sure, unsure } = hits;
  if (first >= low && first + count <= high) return hits;
  const isWithin = (i: number): boolean => first + i >= low && first + i < high;
  return { ...hits, sure: sure.filter(isWithin), unsure: unsure.filter(isWithin) };
}

/** In a block that may be out of the range of `recordedAt` the events themselves decide. */
function decide(hits: Hits, at: Height, range: Range): Hits {
  if (range.isDecided(at) || hits.sure.length === 0) return hits;
  return { sure: [], unsure: [...hits.sure, ...hits.unsure].sort((a, b) => a - b) };
}
const step = (at: Height, isAsc: boolean): Height => height(isAsc ? at + 1 : Math.max(0, at - 1));

/** Without a condition on entries every position is a hit. */
function hitsOfPlace(place: Place, range: Range): WalkedHits {
  const sure = Array.from({ length: place.count }, (_, i) => i);
  return { ...place, ...decide({ sure, unsure: [] }, place.height, range) };
}

/** As `hitsOf`: an entry in which nothing makes sense any more says what its block does not. */
function hitsIn(plan: Plan, entry: FoundEntry): Hits {
  try {
    const hits = hitsOf(plan, entry);
    if ((hits.sure.at(-1) ?? 0) < entry.count && (hits.unsure.at(-1) ?? 0) < entry.count) return hits;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new IndexDiffers(entry.height);
}
