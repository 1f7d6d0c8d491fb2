export interface Rates {
  /** Seconds since 1970, and how many events came in each; null where none could have been heard. */
  readonly at: readonly number[];
  readonly counts: readonly (number | null)[];
}

/** How many events came in each of the last seconds, and in which of them nothing could be heard. */
export class Seconds {
  private readonly counts = new Map<number, number>();
  /** Each from its first second to the one in which something was heard again. */
  private gaps: { readonly from: number; to: number }[];

  constructor(openedAt: number, isHearing: boolean) {
    this.gaps = [{ from: Number.NEGATIVE_INFINITY, to: isHearing ? openedAt : Number.POSITIVE_INFINITY }];
  }

  add(second: number, events: number): void {
    this.counts.set(second, (this.counts.get(second) ?? 0) + events);
  }

  /** Whether something can be heard from this second on. */
  hear(second: number, isHearing: boolean): void {
    const last = this.gaps.at(-1);
    const isInGap = last?.to === Number.POSITIVE_INFINITY;
    if (isHearing && isInGap) last.to = second;
    else if (!isHearing && !isInGap) this.gaps.push({ from: second, to: Number.POSITIVE_INFINITY });
  }

  /** Of so many seconds before this one; what came earlier is forgotten. */
  rates(now: number, length: number): Rates {
    const first = now - length;
    for (const one of this.counts.keys()) if (one < first) this.counts.delete(one);
    this.gaps = this.gaps.filter(({ to }) => to > first);
    const at = Array.from({ length }, (_, i) => first + i);
    return { at, counts: at.map((one) => this.counts.get(one) ?? (this.isSilent(one) ? null : 0)) };
  }

  private isSilent(second: number): boolean {
    return this.gaps.some(({ from, to }) => second >= from && second < to);
  }
}
