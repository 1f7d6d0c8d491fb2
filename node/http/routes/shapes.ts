import { canonicalText } from "../../../shared/canonical.js";
import type { EventView, ShownEvent } from "../../../shared/log/event.js";
import { millisText, timestampMillis } from "../../../shared/timestamp.js";

/**
 * The shapes in which events are shown, as JSON text. A payload is canonical JSON already: it is put in as it is, not
 * parsed and written again.
 */
export type Shape = (event: ShownEvent) => string;

/** What a write was answered with, in the form that shapes take. */
export function shownView({ dataPayload, ...event }: EventView): ShownEvent {
  return { ...event, payload: canonicalText(dataPayload) };
}

const quoted = JSON.stringify as (text: string) => string;

/** Our own API: the whole record, with what is needed to recompute its hashes. */
export const ownText: Shape = (event) => {
  const { idempotencyKey: key, batch } = event;
  return (
    `{"v":1,"sequence":${event.sequence},"id":"${event.id}","eventType":${quoted(event.eventType)},` +
    `"timestamp":${quoted(event.timestamp)},"sourceAppId":${quoted(event.sourceAppId)},"dataPayload":${event.payload},` +
    `"payloadSalt":"${event.payloadSalt}","payloadHash":"${event.payloadHash}","recordedAt":"${event.recordedAt}",` +
    (key === undefined ? "" : `"idempotencyKey":${quoted(key)},`) +
    (batch === undefined ? "" : `"batch":[${batch[0]},${batch[1]}],`) +
    `"previousHash":"${event.previousHash}","hash":"${event.hash}","height":${event.height},"term":${event.term}}`
  );
};

/** Reference API A. */
export const textOfA: Shape = (event) =>
  `{"_id":"${event.id}","eventType":${quoted(event.eventType)},"timestamp":${quoted(event.timestamp)},` +
  `"sourceAppId":${quoted(event.sourceAppId)},"dataPayload":${event.payload},"previousHash":"${event.previousHash}",` +
  `"hash":"${event.hash}","sequence":${event.sequence}}`;

/** Reference API B: its timestamp always in UTC with milliseconds. */
export const textOfB: Shape = (event) =>
  `{"_id":"${event.id}","eventType":${quoted(event.eventType)},"sourceAppId":${quoted(event.sourceAppId)},` +
  `"dataPayload":${event.payload},"timestamp":${quoted(utcMillis(event.timestamp))},` +
  `"previousHash":"${event.previousHash}","currentHash":"${event.hash}"}`;

/** Text that stands for no instant, or for one outside of the years 0000 to 9999, is shown as it is rather than hidden. */
function utcMillis(timestamp: string): string {
  const millis = timestampMillis(timestamp);
  return (millis === null ? null : millisText(millis)) ?? timestamp;
}
