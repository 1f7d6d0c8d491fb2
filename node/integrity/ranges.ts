import type { Range } from "../storage/incident.js";

/** Adds a range; of more than `rangesMax` the two that are nearest to each other become one. */
export function withRange(ranges: readonly Range[], [first, last]: Range, rangesMax: number): Range[] {
  const joined: [number, number][] = [];
  for (const [from, to] of [...ranges, [first, last] as const].sort((a, b) => a[0] - b[0])) {
    const before = joined.at(-1);
    if (before !== undefined && from <= before[1] + 1) before[1] = Math.max(before[1], to);
    else joined.push([from, to]);
  }
  while (joined.length > rangesMax) {
    let nearest = 1;
    for (let i = 2; i < joined.length; i++) if (gapBefore(joined, i) < gapBefore(joined, nearest)) nearest = i;
    const [[, to]] = joined.splice(nearest, 1) as [[number, number]];
    (joined[nearest - 1] as [number, number])[1] = to;
  }
  return joined;
}

const gapBefore = (ranges: readonly Range[], i: number): number => (ranges[i]?.[0] ?? 0) - (ranges[i - 1]?.[1] ?? 0);

export const covers = (ranges: readonly Range[], at: number): boolean =>
  ranges.some(([first, last]) => first <= at && at <= last);

/** How many numbers are in them. */
export const countOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
