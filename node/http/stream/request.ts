import { setTimeout as delay } from "node:timers/promises";
import { ProblemError } from "../../problems.js";
import type { LogService } from "../../service/log-port.js";
import { QueryReader } from "../routes/query.js";

/** How far another node may be ahead of this one. */
const AHEAD_MS_MAX = 2_000;
const AHEAD_LOOK_MS = 20;
const SEQUENCE = /^(?:0|[1-9]\d{0,14})$/;
const PLACE_RULE = "must be the sequence of the last event that the client has, or -1 for all from the beginning";

export interface StreamFilter {
  readonly eventType?: string;
  readonly sourceAppId?: string;
}

export interface StreamRequest {
  readonly filter: StreamFilter;
  /** The last event that the client has; null for what comes from now on. */
  readonly place: Place | null;
}
export interface Place {
  readonly lastSeen: number;
  readonly from: "header" | "parameter";
}

/** What a client of our own stream asks for. Throws every error at once. */
export function readStreamRequest(parameters: object, header: string | string[] | undefined): StreamRequest {
  const query = new QueryReader(parameters);
  query.refuseUnknown(["after", "eventType", "sourceAppId"]);
  const eventType = query.name("eventType");
  const sourceAppId = query.name("sourceAppId");
  const after = query.text("after");
  if (after !== undefined && after !== "-1" && !SEQUENCE.test(after)) query.fail("after", PLACE_RULE);
  query.finish();
  // A browser that connects again repeats the URL, with the `after` of its first time; its header is newer.
  const seen = lastEventId(header);
  return {
    filter: {
      ...(eventType === undefined ? {} : { eventType }),
      ...(sourceAppId === undefined ? {} : { sourceAppId }),
    },
    place: seen ?? (after === undefined ? null : { lastSeen: Number(after), from: "parameter" }),
  };
}

/** A browser sends this by itself when it connects again; an id that is no sequence came from elsewhere. */
export function lastEventId(header: string | string[] | undefined): Place | null {
  if (header === undefined || header === "") return null;
  if (typeof header === "string" && SEQUENCE.test(header)) return { lastSeen: Number(header), from: "header" };
  throw new ProblemError("invalid_header", "The header Last-Event-ID must be the sequence of an event.");
}

/**
 * The client may come from a node that was ahead of this one by a moment. A place that this log does not reach soon is
 * one of another log: to wait for it would show nothing, and skip what comes until then.
 */
export async function awaitPlace({ lastSeen, from }: Place, service: LogService): Promise<void> {
  const deadline = performance.now() + AHEAD_MS_MAX;
  while (service.logSize <= lastSeen) {
    if (performance.now() > deadline) {
      const named = from === "header" ? "The header Last-Event-ID" : "The parameter after";
      throw new ProblemError(
        from === "header" ? "invalid_header" : "invalid_parameter",
        `${named} names event ${lastSeen}; this log has ${service.logSize} events.`,
      );
    }
    await delay(AHEAD_LOOK_MS);
  }
}

/**
 * What this node acknowledged before a client connected is not news to it, even where the node itself (a follower that
 * forwarded the write) hears of the commit a moment later. Without a leader the stream opens all the same.
 */
export async function afterOwnWrites(service: LogService): Promise<void> {
  await service.awaitReadable().catch(() => undefined);
}
