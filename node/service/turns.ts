import { type Clock, sleep } from "../clock.js";
import { FairPlaces } from "./fair-places.js";

const REST_MS_MAX = 100;
/** A place rests so many times as long as its part took. */
const REST_SHARE = 2;

/**
 * Few parts of lists are made at once, and after a large one its place stays empty for twice as long as it took: however many
 * readers there are, the process has time for its peers and its writes. Whose parts they are matters: clients take turns.
 */
export class Turns<T> {
  private readonly places: FairPlaces;

  constructor(
    placesMax: number,
    private readonly isLarge: (made: T) => boolean,
    private readonly clock: Clock,
  ) {
    this.places = new FairPlaces({ max: placesMax });
  }

  run(make: () => Promise<T>, by = ""): Promise<T> {
    return new Promise((resolve, reject) => {
      const turn = async (): Promise<void> => {
        const { clock } = this;
        const beganAt = clock.now();
        try {
          const made = await make();
          resolve(made);
          if (this.isLarge(made)) await sleep(clock, Math.min(REST_SHARE * (clock.now() - beganAt), REST_MS_MAX));
        } catch (error) {
          reject(error);
        } finally {
          this.places.leave(asking);
        }
      };
      const asking = { by, share: 1, onEntered: () => void turn() };
      this.places.ask(asking);
    });
  }
}
