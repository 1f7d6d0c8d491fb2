import type { Height } from "../../shared/ids.js";

/** So many are kept at least: with them an event is found without asking the store. */
const PLACES_MAX = 50_000;

/** Where events stand. */
export interface Place {
  readonly height: Height;
  readonly first: number;
  readonly count: number;
}

/** Places of the newest committed blocks that have events, ascending and without a gap. */
export class Places {
  private places: Place[] = [];

  /** False for a block that is not newer than what is known. */
  add(place: Place): boolean {
    const last = this.places.at(-1);
    if (last !== undefined && place.first < last.first + last.count) return false;
    if (last !== undefined && place.first !== last.first + last.count) this.places = [];
    this.places.push(place);
    if (this.places.length > 2 * PLACES_MAX) this.places = this.places.slice(-PLACES_MAX);
    return true;
  }

  /** How many events a block has, by those that are known; 1 if none is. */
  get eventsPerBlock(): number {
    const [oldest] = this.places;
    const newest = this.places.at(-1);
    if (oldest === undefined || newest === undefined) return 1;
    return (newest.first + newest.count - oldest.first) / (newest.height - oldest.height + 1);
  }

  /** Where an event stands, if it is among the newest. */
  of(sequence: number): Place | null {
    const place = this.places[this.indexOf(sequence)];
    return place !== undefined && place.first <= sequence && sequence < place.first + place.count ? place : null;
  }

  /** The place of an event and of those after it in the order, as many as are known and wanted; none if it is not known. */
  from(sequence: number, order: "asc" | "desc", countMax: number): Place[] {
    if (this.of(sequence) === null) return [];
    return this.some(this.indexOf(sequence), order, countMax);
  }

  /** The places of blocks with events from a height on in the order, as many as are known and wanted; none if it is not known. */
  at(from: Height, order: "asc" | "desc", countMax: number): Place[] {
    const [oldest] = this.places;
    const newest = this.places.at(-1);
    if (oldest === undefined || newest === undefined || from < oldest.height || from > newest.height) return [];
    const below = this.lastWith((place) => place.height <= from);
    return this.some(
      order === "asc" && (this.places[below] as Place).height < from ? below + 1 : below,
      order,
      countMax,
    );
  }

  private some(at: number, order: "asc" | "desc", countMax: number): Place[] {
    return order === "asc"
      ? this.places.slice(at, at + countMax)
      : this.places.slice(Math.max(0, at - countMax + 1), at + 1).reverse();
  }

  private indexOf(sequence: number): number {
    return this.lastWith((place) => place.first <= sequence);
  }

  private lastWith(isStill: (place: Place) => boolean): number {
    let low = 0;
    let high = this.places.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (isStill(this.places[middle] as Place)) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
