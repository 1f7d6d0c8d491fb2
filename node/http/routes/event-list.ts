import { type EventFilter, payloadTexts } from "../../../shared/log/filter.js";
import { PREFIXES_MAX } from "../../../shared/log/index.js";
import type { FoundEvent } from "../../../shared/log/stored-event.js";
import { compareInstants } from "../../../shared/timestamp.js";
import type { Answered, LogReads, PageRequest, ReadCondition } from "../../service/log-port.js";
import type { QueryReader } from "./query.js";
import { READ_PARAMETERS, readCondition } from "./read-condition.js";

export const LIMIT_DEFAULT = 50;
export const LIMIT_MAX = 500;
export const FILTERS = ["eventType", "sourceAppId", "since", "until"];
const PARAMETERS = [...FILTERS, "order", "limit", "after", "before"];
const KNOWN = [...PARAMETERS, ...READ_PARAMETERS];
const PAYLOAD = "payload.";
export const PAYLOAD_FILTERS_MAX = 8;
/** A page of ours may be shorter than its limit: it ends where it would grow too large, with a cursor to go on from. */
export const PAGE_BYTES_MAX = 1024 * 1024;

export interface ListQuery {
  readonly filter: EventFilter;
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly condition: ReadCondition;
  /** The page after, or before, the event with this sequence in the order of the list. */
  readonly from?: { readonly side: "after" | "before"; readonly sequence: number };
  /** The parameters as they go into the links, without a cursor. */
  readonly linked: readonly (readonly [string, string])[];
}

/** `indexed`: payload paths that can be filtered by; others are refused with what makes them so. */
export function readListQuery(query: QueryReader, indexed: readonly string[]): ListQuery {
  query.refuseUnknown([...KNOWN, "payload.<path>"]);
  const condition = readCondition(query);
  const filter = readFilter(query, indexed);
  const order = query.order();
  const limit = query.number("limit", { fallback: LIMIT_DEFAULT, max: LIMIT_MAX });
  const after = readCursor(query, "after");
  const before = readCursor(query, "before");
  if (after !== undefined && before !== undefined) query.fail("before", "cannot be combined with after");
  query.finish();
  const names = [...PARAMETERS.filter((name) => name !== "after" && name !== "before"), ...query.namesWith(PAYLOAD)];
  const linked = names.flatMap((name) => {
    const text = query.text(name);
    return text === undefined ? [] : [[name, text] as const];
  });
  if (after !== undefined) return { filter, order, limit, condition, linked, from: { side: "after", sequence: after } };
  if (before !== undefined)
    return { filter, order, limit, condition, linked, from: { side: "before", sequence: before } };
  return { filter, order, limit, condition, linked };
}

/** The conditions on events, and how they are refused. */
export function readFilter(query: QueryReader, indexed: readonly string[]): EventFilter {
  const type = typeFilter(query);
  const sourceAppId = query.name("sourceAppId");
  const payload = payloadFilter(query, indexed);
  const since = query.date("since", { bare: "refused" })?.at;
  const until = query.date("until", { bare: "refused" })?.at;
  if (since !== undefined && until !== undefined && compareInstants(since, until) > 0)
    query.fail("since", "is after until");
  return {
    ...type,
    ...(sourceAppId === undefined ? {} : { sourceAppId }),
    ...(payload.length === 0 ? {} : { payload }),
    ...(since === undefined ? {} : { recordedSince: since }),
    ...(until === undefined ? {} : { recordedUntil: until }),
  };
}

/** `invoice.*` is every type that begins with `invoice.`; a literal star is `\\*`. */
function typeFilter(query: QueryReader): Pick<EventFilter, "eventType" | "typePrefix"> {
  const text = query.name("eventType");
  if (text === undefined) return {};
  const stars = text.replaceAll("\\*", "");
  if (!stars.includes("*")) return { eventType: text.replaceAll("\\*", "*") };
  if (text.endsWith(".*") && stars.indexOf("*") === stars.length - 1 && text.length > 2) {
    const typePrefix = text.slice(0, -2).replaceAll("\\*", "*");
    if (typePrefix.split(".").length <= PREFIXES_MAX) return { typePrefix };
    query.fail(
      "eventType",
      `may have ${PREFIXES_MAX} parts at most before its star: longer beginnings are not indexed`,
    );
    return {};
  }
  query.fail("eventType", "may have a star only as its end after a dot, as in invoice.*; a literal star is \\*");
  return {};
}

function payloadFilter(query: QueryReader, indexed: readonly string[]): NonNullable<EventFilter["payload"]> {
  const names = query.namesWith(PAYLOAD);
  if (names.length > PAYLOAD_FILTERS_MAX) query.fail(PAYLOAD, `can be given at most ${PAYLOAD_FILTERS_MAX} times`);
  return names.slice(0, PAYLOAD_FILTERS_MAX).flatMap((name) => {
    const path = name.slice(PAYLOAD.length);
    const text = query.text(name);
    if (text === undefined) return [];
    if (indexed.includes(path)) return [{ path, texts: payloadTexts(text) }];
    const known = indexed.length === 0 ? "none is indexed now" : `indexed are ${indexed.join(", ")}`;
    query.fail(name, `is not an indexed path (${known}); add it to INDEX_PAYLOAD on every node and start them again`);
    return [];
  });
}

/** Opaque on purpose: what a cursor holds may change, and then its first letters do. */
const CURSOR = /^s1\.(\d{1,15})$/;
const cursorOf = (sequence: number): string => Buffer.from(`s1.${sequence}`).toString("base64url");

function readCursor(query: QueryReader, name: "after" | "before"): number | undefined {
  const text = query.text(name);
  if (text === undefined) return undefined;
  const match = /^[\w-]{1,40}$/.test(text) ? CURSOR.exec(Buffer.from(text, "base64url").toString("latin1")) : null;
  if (match?.[1] !== undefined) return Number(match[1]);
  query.fail(name, "is not a cursor; take it from next, or from the Link header, of an answer");
  return undefined;
}

export interface EventList extends Answered {
  readonly events: readonly FoundEvent[];
  readonly next?: string;
  readonly links: Record<string, string>;
}

/**
 * One page of the log as of `size` events, with cursors to its neighbours. Where the search was not over in time the page
 * has what it found, perhaps nothing, and a cursor to go on from.
 */
export async function fetchEvents(
  reads: LogReads,
  query: ListQuery,
  { size, by }: { readonly size: number; readonly by: string },
): Promise<EventList> {
  const { order, limit, from, filter } = query;
  const isBackward = from?.side === "before";
  // A page before a cursor is read away from it, and turned round.
  const direction = isBackward ? (order === "asc" ? "desc" : "asc") : order;
  const range =
    from === undefined
      ? { low: 0, high: size }
      : direction === "asc"
        ? { low: from.sequence + 1, high: size }
        : { low: 0, high: Math.min(from.sequence, size) };
  const {
    found,
    next,
    from: sources,
  } = await gather(reads, {
    ...{ filter, order: direction, limit: limit + 1, by, ...range },
  });
  const page = found.slice(0, limit);
  const edge = page.at(-1)?.sequence ?? null;
  // Where the page goes on away from the cursor: behind its last event, or where a search that was cut off ended.
  const onward = found.length > limit ? edge : next === null ? null : direction === "asc" ? next - 1 : next + 1;
  const back = from === undefined ? null : (page[0]?.sequence ?? null);
  if (isBackward) page.reverse();
  const [after, before] = isBackward ? [back, onward] : [onward, back];
  return {
    events: page,
    from: sources,
    ...(after === null ? {} : { next: cursorOf(Math.max(0, after)) }),
    links: {
      ...(after === null ? {} : { next: link(query, "after", cursorOf(Math.max(0, after))) }),
      ...(before === null ? {} : { prev: link(query, "before", cursorOf(Math.max(0, before))) }),
    },
  };
}

interface Gathered extends Answered {
  readonly found: FoundEvent[];
  readonly next: number | null;
}

/** Part after part, until there are enough, or they are large together. */
async function gather(reads: LogReads, request: PageRequest): Promise<Gathered> {
  const found: FoundEvent[] = [];
  let { low, high, limit: left } = request;
  let sources: Answered["from"] = [];
  let bytes = 0;
  for (;;) {
    const { events, next, isCutOff, from } = await reads.page({ ...request, low, high, limit: left });
    if (from.length > 0) sources = [...sources, ...from];
    for (const event of events) {
      found.push(event);
      bytes += event.payloadBytes;
    }
    left -= events.length;
    if (next === null || isCutOff || bytes > PAGE_BYTES_MAX) return { found, next, from: sources };
    if (left <= 0) return { found, next: null, from: sources };
    if (request.order === "asc") low = next;
    else high = next + 1;
  }
}

function link(query: ListQuery, side: "after" | "before", cursor: string): string {
  return `/api/v1/events?${new URLSearchParams([...query.linked.map(([name, text]): [string, string] => [name, text]), [side, cursor]])}`;
}
