import { type EventFilter, isInTimes, isRecordedIn, matches } from "../../shared/log/filter.js";
import { WantedNames } from "../replica/block-notes.js";
import type { ProvedBlock } from "../replica/proved-block.js";

/** Says of an event in its block what `matches` says of a decoded one, and decodes it only where its bytes do not tell. */
export class StoredFilter {
  readonly names: WantedNames;
  private readonly isOfTimes: boolean;
  private readonly needsEvent: boolean;

  constructor(private readonly filter: EventFilter) {
    this.names = new WantedNames(filter);
    this.isOfTimes = isOfTimes(filter);
    this.needsEvent = filter.typePrefix !== undefined || filter.payload !== undefined;
  }

  meets({ events, header }: ProvedBlock, i: number): boolean {
    if (!events.hasNames(i, this.names) || !isRecordedIn(header.sealedAt, this.filter)) return false;
    if (this.needsEvent) return matches(events.event(i), this.filter);
    if (!this.isOfTimes) return true;
    const at = events.instantOf(i);
    return at !== null && isInTimes(at, this.filter);
  }
}

export const isOfTimes = ({ timestampFrom, timestampTo, timestampBefore }: EventFilter): boolean =>
  timestampFrom !== undefined || timestampTo !== undefined || timestampBefore !== undefined;
