import { equalBytes, utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import type { EventView, PreparedEvent, ReadEvent } from "../../shared/log/event.js";
import type { LoggedRequests } from "../replica/logged-requests.js";

/** What makes two requests the same: not their ids and salts, which each request has of its own. */
type Body = Pick<PreparedEvent, "eventType" | "sourceAppId" | "timestamp" | "payload">;

export const bodyOfLogged = ({ record, payload }: ReadEvent): Body => ({ ...record, payload });
export const bodyOfView = (view: EventView): Body => ({ ...view, payload: utf8(canonicalText(view.dataPayload)) });

/** Whether a request with a key repeats an earlier one: type, source, payload, and the timestamp where it brings one. */
export function isSameBody(proposed: readonly PreparedEvent[], earlier: readonly Body[]): boolean {
  return (
    proposed.length === earlier.length &&
    proposed.every((event, i) => {
      const other = earlier[i] as Body;
      return (
        event.eventType === other.eventType &&
        event.sourceAppId === other.sourceAppId &&
        (event.isStampedHere === true || event.timestamp === other.timestamp) &&
        equalBytes(event.payload, other.payload)
      );
    })
  );
}

/** The events in a block of the earlier request that used the key of `proposed`, in any of its sources. */
export function earlierRequest(proposed: readonly PreparedEvent[], requests: LoggedRequests): readonly ReadEvent[] {
  const key = proposed[0]?.idempotencyKey;
  return key === undefined ? [] : requests.ofKey(new Set(proposed.map((event) => event.sourceAppId)), key);
}
