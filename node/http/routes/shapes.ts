import type { EventView } from "../../../shared/log/event.js";
import { timestampMillis } from "../../../shared/timestamp.js";

/** An event as reference API A shows it. */
export const eventOfA = (event: EventView): object => ({
  _id: event.id,
  eventType: event.eventType,
  timestamp: event.timestamp,
  sourceAppId: event.sourceAppId,
  dataPayload: event.dataPayload,
  previousHash: event.previousHash,
  hash: event.hash,
  sequence: event.sequence,
});

/** An event as reference API B shows it: its timestamp always in UTC with milliseconds. */
export const eventOfB = (event: EventView): object => ({
  _id: event.id,
  eventType: event.eventType,
  sourceAppId: event.sourceAppId,
  dataPayload: event.dataPayload,
  timestamp: utcMillis(event.timestamp),
  previousHash: event.previousHash,
  currentHash: event.hash,
});

/** The door took only what this understands; text that it does not is shown as it is rather than hidden. */
function utcMillis(timestamp: string): string {
  const millis = timestampMillis(timestamp);
  return millis === null ? timestamp : new Date(millis).toISOString();
}
