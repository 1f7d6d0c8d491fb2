import type { Height } from "../../shared/ids.js";
import type { EventFilter } from "../../shared/log/filter.js";
import type { BlockNote } from "../replica/block-notes.js";
import type { Place } from "../replica/places.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import { BLOCKS_AT_ONCE, type Search, type WalkedHits } from "./page-builder.js";
import { isIn, type Range, step } from "./place-finder.js";
import type { BlockSource } from "./sound-blocks.js";
import { isOfTimes, StoredFilter } from "./stored-filter.js";

/** Events whose names are in memory that one search compares itself, before it asks the index. */
const EVENTS_AT_HAND_MAX = 50_000;

export interface Chunk {
  /** In order; with hits or without. */
  readonly looked: WalkedHits[];
  /** The next height to look at. */
  readonly next: Height | null;
}

/**
 * Names that are in memory say what is wanted sooner than any entry; with `readsBlocks` also those of blocks that are
 * not. Returns where the index has to go on.
 */
export function* byNames(
  blocks: BlockSource,
  search: Search,
  range: Range,
  readsBlocks: boolean,
): Generator<Chunk, Height | null> {
  const { filter, order } = search;
  const limit = readsBlocks ? search.limit : Number.POSITIVE_INFINITY;
  const isAsc = order === "asc";
  const by: Criteria = { ...criteria(filter, range), readsBlocks };
  let at = isAsc ? range.from : range.to;
  let left = isOfNames(filter) ? EVENTS_AT_HAND_MAX : 0;
  let found = 0;
  while (left > 0) {
    const looked: WalkedHits[] = [];
    let last: Place | null = null;
    for (const place of blocks.places.at(at, order, BLOCKS_AT_ONCE)) {
      if (!isIn(place.height, range)) break;
      const hits = hitsAtHand(blocks, place, by);
      if (hits === null) {
        left = 0;
        break;
      }
      last = place;
      left -= place.count;
      const count = hits.sure.length + hits.unsure.length;
      if (count > 0) looked.push(hits);
      found += count;
      if (found >= limit) break;
    }
    if (last === null) return at;
    if (looked.at(-1)?.height !== last.height) looked.push(noHits(last));
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

const NONE: readonly number[] = [];
const noHits = ({ height, first, count }: Place): WalkedHits => ({ height, first, count, sure: NONE, unsure: NONE });

/** Null where memory does not say it. */
function hitsAtHand(blocks: BlockSource, place: Place, by: Criteria): WalkedHits | null {
  const note = blocks.noteOf(place.height);
  if (note === null) return null;
  const named = by.filter.names.in(note.hashes);
  if (named.length === 0) return noHits(place);
  // Written out: this is done for every block of a page, and a second spread is slow.
  const { height, first, count } = place;
  const block = blocks.atHandAt(place.height);
  if (block !== null) return { height, first, count, sure: meeting(named, block, by), unsure: NONE, block };
  // An entry says more of a time than names do.
  return by.readsBlocks && !by.isOfTimes ? { height, first, count, sure: NONE, unsure: named } : null;
}

/** By its names alone a block says quickly which of its events may be meant; all others it would have to decode. */
export const isOfNames = ({ eventType, sourceAppId, typePrefix, payload }: EventFilter): boolean =>
  (eventType !== undefined || sourceAppId !== undefined) && typePrefix === undefined && payload === undefined;

interface Criteria {
  readonly filter: StoredFilter;
  readonly isOfTimes: boolean;
  readonly range: Range;
  readonly readsBlocks?: boolean;
}

export const criteria = (filter: EventFilter, range: Range): Criteria => ({
  filter: new StoredFilter(filter),
  isOfTimes: isOfTimes(filter),
  range,
});

/** Positions of the events that have the names. */
export function namedIn({ events, header }: ProvedBlock, { filter }: Criteria, note: BlockNote | null): number[] {
  const all = note === null ? Array.from({ length: header.eventCount }, (_, i) => i) : filter.names.in(note.hashes);
  return all.filter((i) => events.hasNames(i, filter.names));
}

/** Those of the events that meet the whole filter, of which their names may be tested already. */
export function meeting(named: number[], block: ProvedBlock, { filter, isOfTimes, range }: Criteria): number[] {
  if (isOfTimes || !range.isDecided(block.header.height)) return named.filter((i) => filter.meets(block, i));
  return named.filter((i) => block.events.hasNames(i, filter.names));
}
