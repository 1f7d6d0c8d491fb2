/** Below this many microseconds every value has a bucket of its own; above, 512 buckets an octave (0.2 %). */
const EXACT_BELOW = 1024;
const BUCKETS_PER_OCTAVE = 512;
/** 35 minutes. */
const MICROSECONDS_MAX = 2 ** 31 - 1;

/** [bucket, how often], in ascending order: what crosses a process boundary. */
export type HistogramCounts = [bucket: number, count: number][];

/** Latencies in bounded memory, however long a run lasts. */
export class Histogram {
  readonly #counts: number[] = [];
  #total = 0;

  static from(counts: HistogramCounts): Histogram {
    const histogram = new Histogram();
    for (const [bucket, count] of counts) {
      histogram.#counts[bucket] = count;
      histogram.#total += count;
    }
    return histogram;
  }

  get count(): number {
    return this.#total;
  }

  record(milliseconds: number): void {
    const bucket = bucketOf(Math.min(Math.max(0, Math.round(milliseconds * 1_000)), MICROSECONDS_MAX));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
  }

  /** The smallest recorded value that this share of all values does not exceed (nearest rank), in milliseconds. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.#total * share));
    let seen = 0;
    for (const [bucket, count] of this.counts()) {
      seen += count;
      if (seen >= rank) return microsecondsOf(bucket) / 1_000;
    }
    return 0;
  }

  counts(): HistogramCounts {
    return this.#counts.flatMap((count, bucket): HistogramCounts => (count > 0 ? [[bucket, count]] : []));
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < EXACT_BELOW) return microseconds;
  // Shifted so that 10 bits stay: the first is always set, the other nine choose the bucket.
  const shift = 22 - Math.clz32(microseconds);
  return EXACT_BELOW + (shift - 1) * BUCKETS_PER_OCTAVE + (microseconds >>> shift) - BUCKETS_PER_OCTAVE;
}

/** The middle of a bucket. */
function microsecondsOf(bucket: number): number {
  if (bucket < EXACT_BELOW) return bucket;
  const shift = 1 + Math.floor((bucket - EXACT_BELOW) / BUCKETS_PER_OCTAVE);
  const low = (((bucket - EXACT_BELOW) % BUCKETS_PER_OCTAVE) + BUCKETS_PER_OCTAVE) * 2 ** shift;
  return low + (2 ** shift - 1) / 2;
}
