import type { Range } from "../storage/incident.js";

/**
 * Adds a range to those that are in order and apart from each other; of more than `rangesMax` the two that are nearest to
 * each other become one.
 */
export function withRange(ranges: readonly Range[], [first, last]: Range, rangesMax: number): Range[] {
  const begin = firstEndingAt(ranges, first - 1);
  let end = begin;
  let [from, to] = [first, last];
  for (let next = ranges[end]; next !== undefined && next[0] <= to + 1; next = ranges[++end]) {
    from = Math.min(from, next[0]);
    to = Math.max(to, next[1]);
  }
  const joined: Range[] = [...ranges.slice(0, begin), [from, to], ...ranges.slice(end)];
  while (joined.length > rangesMax) {
    let nearest = 1;
    for (let i = 2; i < joined.length; i++) if (gapBefore(joined, i) < gapBefore(joined, nearest)) nearest = i;
    const [before, after] = joined.slice(nearest - 1, nearest + 1) as [Range, Range];
    joined.splice(nearest - 1, 2, [before[0], after[1]]);
  }
  return joined;
}

const gapBefore = (ranges: readonly Range[], i: number): number => (ranges[i]?.[0] ?? 0) - (ranges[i - 1]?.[1] ?? 0);

/** The place of the first range that does not end before `at`. */
function firstEndingAt(ranges: readonly Range[], at: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.[1] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Ranges are in order. */
export function covers(ranges: readonly Range[], at: number): boolean {
  const found = ranges[firstEndingAt(ranges, at)];
  return found !== undefined && found[0] <= at;
}

/** How many numbers are in them. */
export const countOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
