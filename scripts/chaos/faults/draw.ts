import { Random } from "../../../cluster/random.js";

/** Draws from a seed: the same seed draws the same again. */
export class Draw {
  readonly #random: Random;

  constructor(
    seed: number,
    readonly nodes: number,
  ) {
    this.#random = new Random(seed);
  }

  /** In [0, 1). */
  next(): number {
    return this.#random.next();
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.#random.next() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.between(0, i);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  /** Draws `count` ranks, `from` or above. Rank 0 is the leader at the moment of the fault; the others follow by id. */
  ranks(count: number, from = 0): number[] {
    const all = Array.from({ length: this.nodes - from }, (_, index) => from + index);
    return this.shuffled(all)
      .slice(0, count)
      .sort((a, b) => a - b);
  }

  /** At least one node, and at most a minority (of one node: that one); the leader among them in every second draw. */
  minority(): number[] {
    const count = this.between(1, Math.max(1, Math.floor((this.nodes - 1) / 2)));
    return this.next() < 0.5 ? [0, ...this.ranks(count - 1, 1)] : this.ranks(count);
  }
}
