/** Something that was known by the end of a call: the log holds at least the events below `size`. */
interface Witness {
  endMs: number;
  size: number;
}

/** How far the log was surely known to go, at any moment of the run. */
export class Frontier {
  readonly #witnesses: Witness[] = [];
  /** The highest size of the witnesses up to each place, once they are sorted. */
  #highest: number[] | undefined;

  add(endMs: number, size: number): void {
    this.#witnesses.push({ endMs, size });
    this.#highest = undefined;
  }

  /** The least size that whatever began at `startMs` must know of: only calls that ended before count. */
  sizeBefore(startMs: number): number {
    const highest = this.#sorted();
    let low = 0;
    let high = this.#witnesses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#witnesses[middle] as Witness).endMs < startMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (highest[low - 1] as number);
  }

  #sorted(): number[] {
    if (this.#highest !== undefined) return this.#highest;
    this.#witnesses.sort((a, b) => a.endMs - b.endMs);
    let size = 0;
    this.#highest = this.#witnesses.map((witness) => {
      size = Math.max(size, witness.size);
      return size;
    });
    return this.#highest;
  }
}
