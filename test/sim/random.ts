/**
 * The only source of randomness of a simulated run: sfc32 (Chris Doty-Humphrey, PractRand), seeded by one number.
 * `fork` gives each part of the world a stream of its own, so that a draw more in one does not shift the others.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    // Two multiplications spread neighbouring seeds before they meet the generator.
    this.a = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
    this.b = Math.imul(seed ^ 0x243f6a88, 0xc2b2ae35) | 0;
    this.c = seed | 0;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.uint32() / 4294967296;
  }

  /** An integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }

  /** Each item with the given probability, in order. */
  some<T>(items: readonly T[], probability: number): T[] {
    return items.filter(() => this.chance(probability));
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.between(0, i);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  hex(bytes: number): string {
    let text = "";
    while (text.length < bytes * 2) text += this.uint32().toString(16).padStart(8, "0");
    return text.slice(0, bytes * 2);
  }

  fork(): Random {
    return new Random(this.uint32());
  }
}
