import pLimit from "p-limit";
import { pause } from "./parts.js";

/** What takes no longer needs no rest. */
const SHORT_MS = 4;
const REST_MS_MAX = 50;

/**
 * Few parts of lists are made at once, and after a long one its place stays empty for as long as it took: however many
 * readers there are, the process has time for its peers and its writes.
 */
export class Turns {
  private readonly limit;

  constructor(placesMax: number) {
    this.limit = pLimit(placesMax);
  }

  run<T>(make: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      void this.limit(async () => {
        const beganAt = performance.now();
        await make().then(resolve, reject);
        const tookMs = performance.now() - beganAt;
        if (tookMs > SHORT_MS) await pause(Math.min(tookMs, REST_MS_MAX));
      });
    });
  }
}
