import pLimit from "p-limit";
import { type Clock, delay } from "../clock.js";

const REST_MS_MAX = 100;
/** A place rests so many times as long as its part took. */
const REST_SHARE = 2;

/**
 * Few parts of lists are made at once, and after a large one its place stays empty for twice as long as it took: however many
 * readers there are, the process has time for its peers and its writes.
 */
export class Turns<T> {
  private readonly limit;

  constructor(
    placesMax: number,
    private readonly isLarge: (made: T) => boolean,
    private readonly clock: Clock,
  ) {
    this.limit = pLimit(placesMax);
  }

  run(make: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      void this.limit(async () => {
        const { clock } = this;
        const beganAt = clock.now();
        try {
          const made = await make();
          resolve(made);
          if (this.isLarge(made)) await delay(clock, Math.min(REST_SHARE * (clock.now() - beganAt), REST_MS_MAX));
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}
