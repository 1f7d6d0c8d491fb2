/** How many events were recorded in a span of time. */
export interface Bucket {
  readonly since: string;
  readonly until: string;
  /** null: not counted in time. */
  readonly count: number | null;
}

export interface HistogramView {
  readonly since: string | null;
  readonly until: string | null;
  readonly total: number;
  readonly isPartial?: true | undefined;
  readonly buckets: readonly Bucket[];
}

/** The bucket in which a moment lies, in milliseconds since 1970; before the first it is the first, behind the last the last. */
export function bucketAt(buckets: readonly Bucket[], millis: number): number {
  const behind = buckets.findIndex(({ until }) => millis < Date.parse(until));
  return behind === -1 ? Math.max(0, buckets.length - 1) : behind;
}

/** What two buckets and all between them span. */
export function spanOf(
  buckets: readonly Bucket[],
  one: number,
  other: number,
): { since: string; until: string } | null {
  const first = buckets[Math.min(one, other)];
  const last = buckets[Math.max(one, other)];
  return first === undefined || last === undefined ? null : { since: first.since, until: last.until };
}

export interface Chosen {
  /** Where a selection began, and where the cursor is: the same where nothing more is selected. */
  readonly anchor: number;
  readonly at: number;
}

/** Where a key moves the cursor; null for a key that moves nothing. */
export function moved({ anchor, at }: Chosen, key: { key: string; shiftKey: boolean }, count: number): Chosen | null {
  const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };
  const step = steps[key.key];
  const to = key.key === "Home" ? 0 : key.key === "End" ? count - 1 : step === undefined ? null : at + step;
  if (to === null) return null;
  const next = Math.max(0, Math.min(count - 1, to));
  return { anchor: key.shiftKey ? anchor : next, at: next };
}

/** Where a moment stands in the whole, from 0 to 1; null outside of it. */
export function placeIn({ since, until }: HistogramView, at: string): number | null {
  if (since === null || until === null) return null;
  const from = Date.parse(since);
  const place = (Date.parse(at) - from) / (Date.parse(until) - from);
  return place >= 0 && place <= 1 ? place : null;
}
