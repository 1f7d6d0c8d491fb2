import type { HashHex, Height } from "../../shared/ids.js";
import type { ReadEvent } from "../../shared/log/event.js";
import { keyValue } from "../../shared/log/index.js";

/** Where a block's ids and keys stand in it: places counted from its first event, of a key the first one. */
interface Places {
  /** Events of the block. */
  readonly count: number;
  readonly ids: ReadonlyMap<string, number>;
  readonly keys: ReadonlyMap<string, number>;
}

function placesOf(count: number, event: (i: number) => ReadEvent): Places {
  const ids = new Map<string, number>();
  const keys = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const { id, sourceAppId, idempotencyKey } = event(i).record;
    ids.set(id, i);
    if (idempotencyKey === undefined) continue;
    const key = keyValue(sourceAppId, idempotencyKey);
    if (!keys.has(key)) keys.set(key, i);
  }
  return { count, ids, keys };
}

/** The requests that were logged in a block: whoever repeats one is answered with its events. */
export class LoggedRequests {
  private constructor(
    private readonly places: Places,
    private readonly event: (i: number) => ReadEvent,
  ) {}

  static of(events: readonly ReadEvent[]): LoggedRequests {
    const event = (i: number): ReadEvent => events[i] as ReadEvent;
    return new LoggedRequests(placesOf(events.length, event), event);
  }

  /** Of a block whose events are decoded one by one. */
  static within(places: Places, event: (i: number) => ReadEvent): LoggedRequests {
    return new LoggedRequests(places, event);
  }

  /** In the block's order. */
  ofIds(ids: readonly string[]): ReadEvent[] {
    const places = ids.flatMap((id) => this.places.ids.get(id) ?? []);
    return places.sort((a, b) => a - b).map(this.event);
  }

  hasKey(source: string, key: string): boolean {
    return this.places.keys.has(keyValue(source, key));
  }

  /** The request that used a key in any of these sources, whole: a batch stands there in one piece, unless a leader lied. */
  ofKey(sources: Iterable<string>, key: string): ReadEvent[] {
    const places = [...sources].flatMap((source) => this.places.keys.get(keyValue(source, key)) ?? []);
    if (places.length === 0) return [];
    const at = Math.min(...places);
    const [place, length] = this.event(at).record.batch ?? [0, 1];
    const from = Math.max(0, at - place);
    const count = Math.min(this.places.count, at - place + length) - from;
    return Array.from({ length: count }, (_, i) => this.event(from + i));
  }
}

/** Events whose places are kept: some 400 bytes each with an id and a key. */
const KEPT_MAX = 16_384;

/**
 * Places in the committed blocks that were asked for last. Many clients repeat their writes at once, after a change of
 * leader, and hundreds of these stand in one block: it is gone through once, and not for each.
 */
export class RememberedPlaces {
  private readonly kept = new Map<Height, Places & { readonly blockHash: HashHex }>();
  private count = 0;

  of(
    {
      header,
      blockHash,
    }: { readonly header: { readonly height: Height; readonly eventCount: number }; readonly blockHash: HashHex },
    event: (i: number) => ReadEvent,
  ): Places {
    const { height: at, eventCount } = header;
    const known = this.kept.get(at);
    if (known !== undefined) this.drop(at, known);
    const places = known?.blockHash === blockHash ? known : { ...placesOf(eventCount, event), blockHash };
    this.kept.set(at, places);
    this.count += places.count;
    for (const [oldest, its] of this.kept) {
      if (this.count <= KEPT_MAX || oldest === at) break;
      this.drop(oldest, its);
    }
    return places;
  }

  private drop(at: Height, { count }: Places): void {
    this.kept.delete(at);
    this.count -= count;
  }
}
