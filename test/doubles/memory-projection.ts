import {
  type EventFilter,
  endsBelow,
  type KeyHit,
  type Projection,
  type ProjectionPage,
  StoreError,
} from "../../node/storage/port.js";
import { type Height, height } from "../../shared/ids.js";
import type { EventView } from "../../shared/log/event.js";
import { timestampMillis } from "../../shared/timestamp.js";
import type { MemoryDatabase } from "./memory-database.js";

/** The projection in memory: a list of events in order. */
export class MemoryProjection implements Projection {
  constructor(private readonly database: MemoryDatabase) {}

  get through(): number {
    return this.database.rows.length;
  }

  async apply(events: readonly EventView[]): Promise<void> {
    const { rows } = this.database;
    const fresh = events.filter(({ sequence }) => sequence >= rows.length);
    for (const [i, { sequence }] of fresh.entries())
      if (sequence !== rows.length + i) throw new RangeError(`event ${sequence} where ${rows.length + i} was expected`);
    await this.database.write(() => {
      for (const event of fresh) {
        const there = rows[event.sequence];
        if (there === undefined) rows.push(structuredClone(event));
        else if (there.hash !== event.hash)
          throw new StoreError("conflict", `Event ${event.sequence} is in the projection with another hash.`);
      }
    });
  }

  async get(sequence: number): Promise<EventView | null> {
    return structuredClone(this.database.rows[sequence] ?? null);
  }

  async list(filter: EventFilter, page: ProjectionPage): Promise<EventView[]> {
    const { after = -1, before = Number.POSITIVE_INFINITY, skip = 0, through = 0, limit, order } = page;
    if (this.database.rows.length < through) throw endsBelow(through);
    const found = this.database.rows.filter((event) => {
      return event.sequence > after && event.sequence < before && matches(event, filter);
    });
    if (order === "desc") found.reverse();
    return structuredClone(found.slice(skip, skip + Math.max(0, limit)));
  }

  async count(filter: EventFilter, cap: number): Promise<{ total: number; isCapped: boolean }> {
    const total = this.database.rows.filter((event) => matches(event, filter)).length;
    const { recordedSince: _since, recordedUntil: _until, ...fields } = filter;
    // Ranges of recordedAt are ranges of sequences: they cost nothing to count, so no cap applies.
    const isExact = Object.values(fields).every((value) => value === undefined);
    return isExact || total <= cap ? { total, isCapped: false } : { total: cap, isCapped: true };
  }

  async findByKey(sourceAppId: string, idempotencyKey: string): Promise<KeyHit | null> {
    const event = this.database.rows.find(
      (row) => row.sourceAppId === sourceAppId && row.idempotencyKey === idempotencyKey,
    );
    if (event === undefined) return null;
    const at: Height = height(event.height);
    return { sequence: event.sequence, id: event.id, hash: event.hash, height: at };
  }
}

function matches(event: EventView, filter: EventFilter): boolean {
  const { eventType, sourceAppId, timestampFrom, timestampTo, recordedSince, recordedUntil } = filter;
  if (eventType !== undefined && event.eventType !== eventType) return false;
  if (sourceAppId !== undefined && event.sourceAppId !== sourceAppId) return false;
  if (recordedSince !== undefined && event.recordedAt < recordedSince) return false;
  if (recordedUntil !== undefined && event.recordedAt >= recordedUntil) return false;
  if (timestampFrom === undefined && timestampTo === undefined) return true;
  const millis = timestampMillis(event.timestamp);
  return millis !== null && millis >= (timestampFrom ?? millis) && millis <= (timestampTo ?? millis);
}
