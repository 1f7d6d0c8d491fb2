import { type Height, height } from "../../shared/ids.js";
import type { EventFilter } from "../../shared/log/filter.js";
import type { Clock } from "../clock.js";
import type { HistogramFound, HistogramRequest } from "./log-port.js";
import type { Search } from "./page-builder.js";
import { roundest } from "./place-finder.js";
import type { Searches } from "./search.js";
import type { BlockSource } from "./sound-blocks.js";

export interface HistogramParts {
  readonly searches: Searches;
  readonly blocks: BlockSource;
  readonly commitHeight: () => Height;
  readonly clock: Pick<Clock, "now">;
}

type Asked = Pick<Search, "deadline" | "sources">;
export type Counts = Pick<HistogramFound, "edges" | "counts">;

/**
 * How many events were recorded when. All events of a block were recorded when it was sealed, and no block was sealed
 * before the one below it: so a span of time is a range of heights, which proved headers tell. Without a filter the
 * ranges say all; with one, index entries are counted in each.
 */
export class Histograms {
  constructor(private readonly parts: HistogramParts) {}

  /** null: the ranges could not be found before the deadline. Throws AlteredBlock, IndexDiffers or StoreError. */
  async of(request: HistogramRequest, asked: Asked): Promise<Counts | null> {
    const { filter, size } = request;
    const edges = await this.edges(request);
    if (edges.length === 0) return { edges, counts: [] };
    const heights = await this.heightsAt(edges, asked.deadline);
    if (heights === null) return null;
    const isFiltered = Object.keys(filter).length > 0;
    const counts = isFiltered
      ? await this.countEntries(filter, { heights, size, ...asked })
      : await this.countBetween(heights, size);
    return { edges, counts };
  }

  /** From the first event to just behind the newest one, where the request does not say otherwise. */
  private async edges({ since, until, buckets, size }: HistogramRequest): Promise<number[]> {
    const from = since ?? (size === 0 ? null : await this.recordedAt(0));
    if (from === null) return [];
    const to = until ?? (size === 0 ? from : Math.max(from, (await this.recordedAt(size - 1)) + 1));
    if (to <= from) return [];
    const count = Math.min(buckets, to - from);
    return Array.from({ length: count + 1 }, (_, i) => from + Math.round(((to - from) * i) / count));
  }

  private async recordedAt(sequence: number): Promise<number> {
    const { blocks, searches } = this.parts;
    return blocks.sealedAt((await searches.places.placeOf(sequence)).height);
  }

  /** For each of the times the first height that was not sealed before it. Those between two others are looked for between theirs. */
  private async heightsAt(times: readonly number[], deadline: number): Promise<number[] | null> {
    const { blocks, clock, commitHeight } = this.parts;
    const found = times.map(() => 0);
    const ranges = [{ low: 0, high: times.length, from: 1, to: commitHeight() + 1 }];
    for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
      const { low, high } = range;
      let { from, to } = range;
      if (low >= high) continue;
      const middle = Math.floor((low + high) / 2);
      while (from < to) {
        if (clock.now() >= deadline) return null;
        const at = roundest(from, to - 1);
        if ((await blocks.sealedAt(at)) < (times[middle] as number)) from = at + 1;
        else to = at;
      }
      found[middle] = from;
      ranges.push({ low, high: middle, from: range.from, to: from });
      ranges.push({ low: middle + 1, high, from, to: range.to });
    }
    return found;
  }

  private async countBetween(heights: readonly number[], size: number): Promise<number[]> {
    const firsts: number[] = [];
    for (const [i, at] of heights.entries())
      firsts.push(at === heights[i - 1] ? (firsts.at(-1) as number) : await this.eventsBelow(at, size));
    return firsts.slice(1).map((first, i) => first - (firsts[i] as number));
  }

  /** How many of the log's events stand below a height. */
  private async eventsBelow(at: number, size: number): Promise<number> {
    const { blocks, commitHeight } = this.parts;
    if (at > commitHeight()) return size;
    const [known] = blocks.places.at(height(at), "asc", 1);
    return Math.min(size, known?.first ?? (await blocks.header(height(at))).firstSequence);
  }

  /** The newest first: where time or entries run out, what was counted are whole buckets all the same. */
  private async countEntries(
    filter: EventFilter,
    { heights, size, ...asked }: Asked & { heights: readonly number[]; size: number },
  ): Promise<(number | null)[]> {
    const { searches } = this.parts;
    const counts: (number | null)[] = heights.slice(1).map(() => 0);
    const low = await this.eventsBelow(heights[0] as number, size);
    const high = await this.eventsBelow(heights.at(-1) as number, size);
    const hits = searches.counted(filter, { low, high, ...asked });
    let bucket = counts.length - 1;
    for (;;) {
      const { value, done } = await hits.next();
      if (!done) {
        while (bucket > 0 && value.height < (heights[bucket] as number)) bucket -= 1;
        counts[bucket] = (counts[bucket] as number) + value.count;
        continue;
      }
      if (value.isCutOff) await this.forgetPart(counts, { heights, size, from: value.next as number });
      return counts;
    }
  }

  /** Only the events above this sequence were looked at. */
  private async forgetPart(
    counts: (number | null)[],
    { heights, size, from }: { heights: readonly number[]; size: number; from: number },
  ): Promise<void> {
    let low = 0;
    let high = counts.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((await this.eventsBelow(heights[middle] as number, size)) <= from) low = middle + 1;
      else high = middle;
    }
    counts.fill(null, 0, low);
  }
}
