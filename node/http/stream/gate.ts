/** Lets at most `placesMax` run at the same time; the others wait in order. */
export class Gate {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(placesMax: number) {
    this.free = placesMax;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // The place goes to the next one without ever being free.
      if (next === undefined) this.free += 1;
      else next();
    }
  }
}
