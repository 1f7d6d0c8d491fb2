import { setTimeout as sleep } from "node:timers/promises";
import type { EventFilter, TimesFilter } from "../../../shared/log/filter.js";
import { ProblemError } from "../../problems.js";
import type { LogReads } from "../../service/log-port.js";
import { readTimes } from "../routes/paging.js";
import { QueryReader, SEQUENCE } from "../routes/query.js";

/** How far another node may be ahead of this one. */
const AHEAD_MS_MAX = 2_000;
const AHEAD_LOOK_MS = 20;
const PLACE_RULE = "must be the sequence of the last event that the client has, or -1 for all from the beginning";

export type StreamFilter = Pick<EventFilter, "eventType" | "sourceAppId"> & TimesFilter;

export interface StreamRequest {
  readonly filter: StreamFilter;
  /** The last event that the client has; null for what comes from now on. */
  readonly place: Place | null;
}
export interface Place {
  readonly lastSeen: number;
  readonly from: "header" | "lastEventId" | "after";
}

/** Which API a stream belongs to. */
export type StreamApi = "a" | "b" | "own";

/**
 * What a client asks of a stream; throws every error at once. The reference documents name no parameters, and ignore
 * unknown ones: but one that names a place or a filter is meant, and a stream without it would be another one.
 */
export function readStreamRequest(
  api: StreamApi,
  parameters: object,
  header: string | string[] | undefined,
): StreamRequest {
  const query = new QueryReader(withOnePlaceName(parameters));
  if (api === "own") query.refuseUnknown(["after", "lastEventId", "eventType", "sourceAppId"]);
  const eventType = query.name("eventType");
  const sourceAppId = query.name("sourceAppId");
  const times = api === "a" ? readTimes(query) : {};
  const after = placeOf(query, "after");
  const again = placeOf(query, "lastEventId");
  query.finish();
  return {
    filter: {
      ...(eventType === undefined ? {} : { eventType }),
      ...(sourceAppId === undefined ? {} : { sourceAppId }),
      ...times,
    },
    // Who connects again repeats the URL, with the `after` of its first time; what it adds to that is newer.
    place: lastEventId(header) ?? again ?? after,
  };
}

/** Where a client cannot set a header, stand-ins for a browser's EventSource put it here, each in its own spelling. */
const PLACE_NAME = /^last[-_]?event[-_]?id$/i;

function withOnePlaceName(parameters: object): object {
  const others = Object.entries(parameters).filter(([name]) => !PLACE_NAME.test(name));
  const places = Object.entries(parameters).flatMap(([name, value]) => (PLACE_NAME.test(name) ? [value].flat() : []));
  // The first time there is no place yet, and some of them say so with nothing.
  const [place, ...more] = places.filter((value) => value !== "");
  if (place === undefined) return Object.fromEntries(others);
  return Object.fromEntries([...others, ["lastEventId", more.length === 0 ? place : places]]);
}

function placeOf(query: QueryReader, name: "after" | "lastEventId"): Place | null {
  const text = query.text(name);
  if (text === undefined) return null;
  if (text !== "-1" && !SEQUENCE.test(text)) query.fail(name, PLACE_RULE);
  return { lastSeen: Number(text), from: name };
}

/** A browser sends this by itself when it connects again; an id that is no sequence came from elsewhere. */
function lastEventId(header: string | string[] | undefined): Place | null {
  if (header === undefined || header === "") return null;
  if (typeof header === "string" && SEQUENCE.test(header)) return { lastSeen: Number(header), from: "header" };
  throw new ProblemError("invalid_header", "The header Last-Event-ID must be the sequence of an event.");
}

/**
 * The client may come from a node that was ahead of this one by a moment. A place that the log does not reach is one of
 * another log: to wait for it would show nothing, and skip what comes until then. Ends early once the client is gone.
 */
export async function awaitPlace(place: Place, reads: LogReads, isGone: () => boolean): Promise<void> {
  const deadline = performance.now() + AHEAD_MS_MAX;
  while (reads.logSize <= place.lastSeen && !isGone()) {
    if (performance.now() > deadline) return confirmBeyond(place, reads);
    await sleep(AHEAD_LOOK_MS);
  }
}

/** How long the log is only its leader knows: unless it says so, this node may lag, and the answer is 503. */
async function confirmBeyond({ lastSeen, from }: Place, reads: LogReads): Promise<void> {
  await reads.awaitReadable({ isLinearizable: true });
  if (reads.logSize > lastSeen) return;
  const named = from === "header" ? "The header Last-Event-ID" : `The parameter ${from}`;
  throw new ProblemError(
    from === "header" ? "invalid_header" : "invalid_parameter",
    `${named} names event ${lastSeen}; this log has ${reads.logSize} events.`,
  );
}

/**
 * What this node acknowledged before a client connected is not news to it, even where the node itself (a follower that
 * forwarded the write) hears of the commit a moment later. Without a leader the stream opens all the same.
 */
export async function afterOwnWrites(reads: LogReads): Promise<void> {
  await reads.awaitReadable().catch(() => undefined);
}

const RETRY_AFTER_SECONDS = 10;

export const noPlaceLeft = ({ isOpen }: { readonly isOpen: boolean }): ProblemError =>
  isOpen
    ? new ProblemError("too_many_streams", "This node has no stream left to give. Try another.", {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    : new ProblemError("not_ready", "This node is stopping. Try another.", { retryAfterSeconds: 1 });
