import type { JsonObject } from "../../../shared/canonical.js";
import { canonicalText } from "../../../shared/canonical.js";
import type { EventView } from "../../../shared/log/event.js";
import { timestampMillis } from "../../../shared/timestamp.js";
import { StoreError } from "../port.js";

/** An event in the projection. */
export interface EventRow {
  /** The sequence. */
  readonly _id: number;
  readonly id: string;
  readonly eventType: string;
  readonly timestamp: string;
  /** `timestamp` as a Date, for ranges; absent if it cannot be read as one. */
  readonly twin?: Date | undefined;
  readonly sourceAppId: string;
  /** The payload as native types, for queries only: integer-like keys come back in another order. */
  dataPayload?: JsonObject;
  /** The payload's canonical JSON: what is read back. */
  readonly payload: string;
  readonly payloadSalt: string;
  readonly payloadHash: string;
  readonly recordedAt: string;
  readonly idempotencyKey?: string | undefined;
  readonly batch?: readonly [number, number] | undefined;
  readonly previousHash: string;
  readonly hash: string;
  readonly height: number;
  readonly term: number;
}

/** Reads leave the native payload in the database. */
export const ROW_FIELDS = { dataPayload: 0, twin: 0 } as const;

export function eventRow(view: EventView): EventRow {
  const millis = timestampMillis(view.timestamp);
  // Every member by its name: spreading the view took as long as all the rest. What is undefined is not written.
  return {
    _id: view.sequence,
    id: view.id,
    eventType: view.eventType,
    timestamp: view.timestamp,
    twin: millis === null ? undefined : new Date(millis),
    sourceAppId: view.sourceAppId,
    dataPayload: view.dataPayload,
    payload: canonicalText(view.dataPayload),
    payloadSalt: view.payloadSalt,
    payloadHash: view.payloadHash,
    recordedAt: view.recordedAt,
    idempotencyKey: view.idempotencyKey,
    batch: view.batch,
    previousHash: view.previousHash,
    hash: view.hash,
    height: view.height,
    term: view.term,
  };
}

/** Throws StoreError `not_stored` for a row that someone has damaged so that it is no event any more. */
export function eventOf(row: EventRow): EventView {
  let dataPayload: JsonObject;
  try {
    dataPayload = JSON.parse(row.payload) as JsonObject;
  } catch (cause) {
    throw new StoreError("not_stored", `Event ${row._id} cannot be read from the projection.`, { cause });
  }
  return {
    v: 1,
    sequence: row._id,
    id: row.id,
    eventType: row.eventType,
    timestamp: row.timestamp,
    sourceAppId: row.sourceAppId,
    dataPayload,
    payloadSalt: row.payloadSalt,
    payloadHash: row.payloadHash,
    recordedAt: row.recordedAt,
    ...(row.idempotencyKey === undefined ? {} : { idempotencyKey: row.idempotencyKey }),
    ...(row.batch === undefined ? {} : { batch: [row.batch[0], row.batch[1]] }),
    previousHash: row.previousHash,
    hash: row.hash,
    height: row.height,
    term: row.term,
  };
}
