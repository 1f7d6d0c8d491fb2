import { type Height, height } from "../../shared/ids.js";
import { type EventFilter, type Hits, hitsOf, matches, type Plan, planOf } from "../../shared/log/filter.js";
import type { Clock } from "../clock.js";
import type { Place } from "../replica/places.js";
import { type EntryQuery, type FoundEntry, StoreError } from "../storage/port.js";
import { byNames, type Chunk, criteria, isOfNames, meeting, namedIn } from "./names.js";
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
import { isIn, PlaceFinder, type PlaceFinderParts, type Range, step } from "./place-finder.js";

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
/** Until a search has read blocks, each is taken to have so many hits at least, and one hit among so many events. */
const HITS_FIRST = 2;
const EVENTS_A_HIT_FIRST = 50;
/** Filters whose counts are remembered. */
const COUNTS_MAX = 256;

export interface SearchParts extends PlaceFinderParts {
  readonly clock: Pick<Clock, "now">;
  /** Up to here the store is known to hold the log: less than was committed while it is recovered, or has lost blocks. */
  readonly heldThrough: () => Height;
  /** Another one after entries were found that were not their blocks': what was counted by it before is forgotten. */
  readonly indexVersion: () => number;
  /** Told of entries that name what their blocks do not have, where that does not change the answer. */
  readonly onIndexDiffers: (at: Height) => void;
}

/** How many of the events below `through` were found, as long as the index has this version. */
interface Counted {
  readonly through: number;
  readonly total: number;
  readonly version: number;
}

/** Finds events: filters are decided on index entries, and blocks are read for what is shown only. */
export class Searches {
  private readonly counts = new Map<string, Counted>();

  readonly places: PlaceFinder;

  constructor(private readonly parts: SearchParts) {
    this.places = new PlaceFinder(parts);
  }

  /** Throws StoreError or AlteredBlock, if it has found nothing before. */
  async find(search: Search): Promise<Found> {
    if (search.low >= search.high || search.limit < 1) return { events: [], next: null, isCutOff: false };
    const page = new PageBuilder(search, this.parts.blocks);
    const walk = this.walk(planOf(search.filter), search, { readsBlocks: (search.skip ?? 0) === 0 });
    try {
      for (;;) {
        const { value, done } = await walk.next();
        if (done) return page.end(value);
        if (!(await page.take(value))) return page.end(null);
      }
    } catch (error) {
      return page.endBefore(error);
    }
  }

  /** The same at once, where all that it takes is in memory; else null. */
  atHand(search: Search): Found | null {
    if (search.low >= search.high || search.limit < 1 || (search.skip ?? 0) > 0) return null;
    const page = new PageBuilder(search, this.parts.blocks);
    if (Object.keys(search.filter).length === 0) return this.everyAtHand(search, page);
    if (!isOfNames(search.filter)) return null;
    const range = this.places.heightsAtHand(search);
    if (range === null) return null;
    const chunks = byNames(this.parts.blocks, search, range, true);
    for (;;) {
      const { value, done } = chunks.next();
      if (done) return value === null ? page.end(DONE) : null;
      const goesOn = page.takeAtHand(value.looked.map((hits) => cut(hits, search)));
      if (goesOn === null) return null;
      if (!goesOn) return page.end(null);
    }
  }

  /** Without a filter, block after block. */
  private everyAtHand({ order, low, high, limit }: Search, page: PageBuilder): Found | null {
    const { blocks } = this.parts;
    const isAsc = order === "asc";
    for (let next = isAsc ? low : high - 1; next >= low && next < high; ) {
      const place = blocks.places.of(next);
      const block = place === null ? null : blocks.atHandAt(place.height);
      if (place === null || block === null) return null;
      const end = place.first + place.count;
      const from = isAsc ? next : Math.max(low, place.first, next + 1 - limit);
      const to = isAsc ? Math.min(high, end, next + limit) : next + 1;
      const sure = Array.from({ length: to - from }, (_, i) => from + i - place.first);
      if (page.takeAtHand([{ sure, unsure: [], block, ...place }]) === false) return page.end(null);
      next = isAsc ? end : place.first - 1;
    }
    return page.end(DONE);
  }

  /** Counts the events below `high` that meet a filter, up to `cap`. null: it could not be told before the deadline. */
  async count(
    filter: EventFilter,
    { cap, ...range }: Pick<Search, "high" | "deadline" | "sources"> & { readonly cap: number },
  ): Promise<{ total: number; isCapped: boolean } | null> {
    const version = this.parts.indexVersion();
    const name = JSON.stringify(filter);
    // Committed blocks do not change: what was counted once is counted, unless an entry was not its block's.
    const known = this.counts.get(name);
    const { high } = range;
    const isUsable = known !== undefined && known.version === version && known.through <= high;
    let { total, through } = isUsable ? known : { total: 0, through: 0 };
    const search: Search = { filter, order: "asc", low: through, limit: 1, bytesMax: 0, ...range };
    let isCutOff = false;
    const tallies = this.tallies(search);
    try {
      while (total <= cap) {
        const { value, done } = await tallies.next();
        if (done) {
          isCutOff = value.isCutOff;
          if (!isCutOff) through = high;
          break;
        }
        const { hits, count } = value;
        total += count;
        through = Math.min(hits.first + hits.count, high);
      }
    } finally {
      // Also where a block cannot be proved: once another node's copy is there, the count goes on from it.
      this.remember(name, { through, total, version });
    }
    this.assertVersion(version);
    if (total > cap) return { total: cap, isCapped: true };
    return isCutOff ? null : { total, isCapped: false };
  }

  /** How many hits each block has that has any, the newest first; returns where it ended. */
  async *counted(
    filter: EventFilter,
    range: Pick<Search, "low" | "high" | "deadline" | "sources">,
  ): AsyncGenerator<{ readonly height: Height; readonly count: number }, Ended> {
    const version = this.parts.indexVersion();
    const tallies = this.tallies({ filter, order: "desc", limit: 1, bytesMax: 0, ...range });
    for (;;) {
      const { value, done } = await tallies.next();
      if (done) {
        this.assertVersion(version);
        return value;
      }
      if (value.count > 0) yield { height: value.hits.height, count: value.count };
    }
  }

  /** How many hits each block has that was looked at, in order; returns where it ended. */
  private async *tallies(search: Search): AsyncGenerator<{ readonly hits: WalkedHits; readonly count: number }, Ended> {
    const { filter, order, deadline } = search;
    const walk = this.walk(planOf(filter), search, { readsBlocks: false });
    for (;;) {
      const { value, done } = await walk.next();
      if (done) return value;
      for (const hits of value) {
        const { sure, unsure, first, count } = hits;
        // Blocks that have to be read themselves take most of the time: the walk looks at the clock too seldom for them.
        if (unsure.length > 0 && this.parts.clock.now() >= deadline)
          return { next: order === "asc" ? first : first + count - 1, isCutOff: true };
        yield { hits, count: sure.length + (await this.confirmed(hits, search)).length };
      }
    }
  }

  private assertVersion(version: number): void {
    if (version !== this.parts.indexVersion())
      throw new StoreError("unknown", "The index was mended while it was read.");
  }

  private remember(name: string, count: Counted): void {
    this.counts.delete(name);
    this.counts.set(name, count);
    if (this.counts.size > COUNTS_MAX) this.counts.delete(this.counts.keys().next().value as string);
  }

  private async confirmed(hits: WalkedHits, { filter, sources }: Search): Promise<number[]> {
    if (hits.unsure.length === 0) return [];
    const block = await this.parts.blocks.one(hits.height);
    assertPlace(hits, block);
    if (block.from !== undefined) sources?.add(block.from);
    return hits.unsure.filter((i) => matches(block.events.event(i), filter));
  }

  /** Where the place of an event is known, no other block's entry may name it. */
  private assertOwn({ height: at, first }: FoundEntry): void {
    const place = this.parts.blocks.places.of(first);
    if (place !== null && place.height !== at) throw new IndexDiffers(at);
  }

  /** Hits block by block, in order; returns where it ended. With `readsBlocks` every block with hits will be read anyway. */
  private async *walk(
    plan: Plan,
    search: Search,
    { readsBlocks }: { readonly readsBlocks: boolean },
  ): AsyncGenerator<WalkedHits[], Ended> {
    const isAsc = search.order === "asc";
    const range = search.low < search.high ? await this.places.heightsOf(plan, search) : null;
    if (range === null) return DONE;
    const chunks =
      plan.groups.length === 0 ? this.unfiltered(search, range) : this.filtered(plan, search, range, readsBlocks);
    let looked = 0;
    for await (const chunk of chunks) {
      looked += chunk.looked.length;
      if (chunk.looked.length > 0) yield chunk.looked.map((hits) => cut(hits, search));
      const isLate = this.parts.clock.now() >= search.deadline || looked >= ENTRIES_MAX;
      if (isLate && chunk.next !== null) {
        const last = chunk.looked.at(-1);
        if (last !== undefined) return { next: isAsc ? last.first + last.count : last.first - 1, isCutOff: true };
        const place = await this.places.placeAt(chunk.next, search.order);
        return place === null ? DONE : { next: isAsc ? place.first : place.first + place.count - 1, isCutOff: true };
      }
    }
    return DONE;
  }

  /** Without a condition on entries the headers tell where events stand: no index is needed. */
  private async *unfiltered(search: Search, range: Range): AsyncGenerator<Chunk> {
    const { order, low, high } = search;
    const isAsc = order === "asc";
    let cursor = isAsc ? low : high - 1;
    while (cursor >= low && cursor < high) {
      const places = await this.places.placesFrom(cursor, order);
      // Each event once: where headers were altered, they may say that two blocks hold it.
      const rest: Search = isAsc ? { ...search, low: cursor } : { ...search, high: cursor + 1 };
      const looked = places
        .filter((place) => isIn(place.height, range))
        .map((place) => cut(hitsOfPlace(place, range), rest));
      const last = places.at(-1) as Place;
      cursor = isAsc ? last.first + last.count : last.first - 1;
      const isOver = (isAsc && last.height >= range.to) || (!isAsc && last.height <= range.from);
      yield { looked, next: isOver ? null : step(last.height, isAsc) };
      if (isOver) return;
    }
  }

  private async *filtered(plan: Plan, search: Search, range: Range, readsBlocks: boolean): AsyncGenerator<Chunk> {
    const at = yield* byNames(this.parts.blocks, search, range, readsBlocks);
    if (at === null) return;
    const rest = search.order === "asc" ? { ...range, from: at } : { ...range, to: at };
    const [group] = plan.groups;
    // One condition: nearly every block that the server's index names has hits.
    if (readsBlocks && group !== undefined && plan.groups.length === 1 && isOfNames(search.filter))
      yield* this.byBlocks(group, search, rest);
    else yield* this.byEntries(plan, search, rest);
  }

  /** The blocks that have a term, as many as seem to hold what is wanted, say by their events what is wanted. */
  private async *byBlocks(group: readonly Uint8Array[], search: Search, range: Range): AsyncGenerator<Chunk> {
    const { filter, order, limit } = search;
    const by = criteria(filter, range);
    const isAsc = order === "asc";
    const { eventsPerBlock } = this.parts.blocks.places;
    let at: Height | null = isAsc ? range.from : range.to;
    let found = 0;
    let read = 0;
    while (at !== null) {
      const named = Math.min(ENTRIES_CHUNK, Math.max(ENTRIES_FIRST, limit - found));
      const bounds: Bounds = isAsc ? { from: at, to: range.to } : { from: range.from, to: at };
      const heights = await this.parts.reader.heights(group, { ...bounds, order, limit: named });
      this.assertHeld(bounds.to);
      const last = heights.at(-1);
      const next = heights.length === named && last !== undefined ? step(last, isAsc) : null;
      at = next !== null && isIn(next, range) ? next : null;
      if (heights.length === 0) yield { looked: [], next: at };
      for (let i = 0; i < heights.length; ) {
        const left = Math.max(1, limit - found);
        const perBlock =
          read === 0 ? Math.max(HITS_FIRST, eventsPerBlock / EVENTS_A_HIT_FIRST) : Math.max(1, found) / read;
        const wanted = Math.ceil(left / perBlock);
        const blocks = await this.parts.blocks.read(heights.slice(i, i + Math.min(BLOCKS_AT_ONCE, wanted)));
        const looked = blocks.map((block): WalkedHits => {
          const { height: of, firstSequence: first, eventCount: count } = block.header;
          const named = namedIn(block, by, this.parts.blocks.noteOf(of));
          // The block is right; what named it is not.
          if (named.length === 0 && group.length === 1) this.parts.onIndexDiffers(of);
          const sure = meeting(named, block, by);
          found += sure.length;
          return { height: of, first, count, sure, unsure: [], block };
        });
        i += blocks.length;
        read += blocks.length;
        yield { looked, next: heights[i] ?? at };
      }
    }
  }

  /** A database that went back has a whole index of what it holds, and would call the rest absent. */
  private assertHeld(to: Height): void {
    if (this.parts.heldThrough() < to)
      throw new StoreError("unknown", `The store is not known to hold the log up to block ${to}.`);
  }

  /** The group that finds fewest drives; the server compares the others, in windows of heights so that it stops in time. */
  private async *byEntries(plan: Plan, search: Search, range: Range): AsyncGenerator<Chunk> {
    const isAsc = search.order === "asc";
    let at: Height | null = isAsc ? range.from : range.to;
    const groups = await this.inOrder(plan.groups, range);
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
      const bounds: Bounds = isAsc ? { from: at, to: height(far) } : { from: height(far), to: at };
      const askedAt = this.parts.clock.now();
      const entries = await this.parts.reader.find({ ...query, ...bounds, limit });
      this.assertHeld(bounds.to);
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

  private async inOrder(groups: Plan["groups"], range: Range): Promise<Plan["groups"]> {
    if (groups.length < 2) return groups;
    const sized = await Promise.all(
      groups.map(async (group) => ({ group, size: await this.parts.reader.estimate(group, range, ESTIMATE_MAX) })),
    );
    return sized.sort((a, b) => a.size - b.size).map(({ group }) => group);
  }
}

type Bounds = Pick<Range, "from" | "to">;
const DONE: Ended = { next: null, isCutOff: false };

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

/** Without a condition on entries every position is a hit. */
function hitsOfPlace(place: Place, range: Range): WalkedHits {
  const sure = Array.from({ length: place.count }, (_, i) => i);
  return Object.assign(decide({ sure, unsure: [] }, place.height, range), place);
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
