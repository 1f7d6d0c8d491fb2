import type { EventView } from "../../../shared/log/event.js";
import type { LogService, ReadCondition } from "../../service/log-port.js";
import type { EventFilter } from "../../storage/port.js";
import type { QueryReader } from "./query.js";
import { READ_PARAMETERS, readCondition } from "./read-condition.js";
import { slices } from "./slices.js";

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 500;
const PARAMETERS = ["eventType", "sourceAppId", "since", "until", "order", "limit", "after", "before"];
const KNOWN = [...PARAMETERS, ...READ_PARAMETERS];

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

export function readListQuery(query: QueryReader): ListQuery {
  query.refuseUnknown(KNOWN);
  const condition = readCondition(query);
  const eventType = query.name("eventType");
  const sourceAppId = query.name("sourceAppId");
  const since = query.date("since", { bare: "refused" });
  const until = query.date("until", { bare: "refused" });
  if (since !== undefined && until !== undefined && since > until) query.fail("since", "is after until");
  const order = query.order();
  const limit = query.number("limit", { fallback: LIMIT_DEFAULT, max: LIMIT_MAX });
  const after = readCursor(query, "after");
  const before = readCursor(query, "before");
  if (after !== undefined && before !== undefined) query.fail("before", "cannot be combined with after");
  query.finish();
  const linked = PARAMETERS.filter((name) => name !== "after" && name !== "before").flatMap((name) => {
    const text = query.text(name);
    return text === undefined ? [] : [[name, text] as const];
  });
  const filter: EventFilter = {
    ...(eventType === undefined ? {} : { eventType }),
    ...(sourceAppId === undefined ? {} : { sourceAppId }),
    ...(since === undefined ? {} : { recordedSince: new Date(since).toISOString() }),
    ...(until === undefined ? {} : { recordedUntil: new Date(until).toISOString() }),
  };
  if (after !== undefined) return { filter, order, limit, condition, linked, from: { side: "after", sequence: after } };
  if (before !== undefined)
    return { filter, order, limit, condition, linked, from: { side: "before", sequence: before } };
  return { filter, order, limit, condition, linked };
}

/** Opaque on purpose: what a cursor holds may change, and then its first letters do. */
const CURSOR = /^s1\.(\d{1,15})$/;
const cursorOf = (event: EventView): string => Buffer.from(`s1.${event.sequence}`).toString("base64url");

function readCursor(query: QueryReader, name: "after" | "before"): number | undefined {
  const text = query.text(name);
  if (text === undefined) return undefined;
  const match = /^[\w-]{1,40}$/.test(text) ? CURSOR.exec(Buffer.from(text, "base64url").toString("latin1")) : null;
  if (match?.[1] !== undefined) return Number(match[1]);
  query.fail(name, "is not a cursor; take it from next, or from the Link header, of an answer");
  return undefined;
}

export interface EventList {
  readonly body: { readonly events: EventView[]; readonly next?: string };
  readonly links: Record<string, string>;
}

/** One page of the log as of `size` events, with cursors to its neighbours. */
export async function fetchEvents(service: LogService, query: ListQuery, size: number): Promise<EventList> {
  const { order, limit, from, filter } = query;
  const isBackward = from?.side === "before";
  // A page before a cursor is read away from it, and turned round.
  const direction = isBackward ? (order === "asc" ? "desc" : "asc") : order;
  const bounds =
    from === undefined
      ? { before: size }
      : direction === "asc"
        ? { after: from.sequence, before: size }
        : { before: Math.min(from.sequence, size) };
  const { found, isCut } = await gather(slices(service, filter, { order: direction, limit: limit + 1, ...bounds }));
  const hasMore = isCut || found.length > limit;
  const page = found.slice(0, limit);
  if (isBackward) page.reverse();
  const hasNext = isBackward ? from !== undefined : hasMore;
  const hasPrevious = isBackward ? hasMore : from !== undefined;
  const first = page[0];
  const last = page.at(-1);
  const next = hasNext && last !== undefined ? cursorOf(last) : undefined;
  return {
    body: { events: page, ...(next === undefined ? {} : { next }) },
    links: {
      ...(next === undefined ? {} : { next: link(query, "after", next) }),
      ...(hasPrevious && first !== undefined ? { prev: link(query, "before", cursorOf(first)) } : {}),
    },
  };
}

/** A page of ours may be shorter than its limit: it ends where it would grow too large, with a cursor to go on from. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

async function gather(parts: AsyncIterable<EventView[]>): Promise<{ found: EventView[]; isCut: boolean }> {
  const found: EventView[] = [];
  let bytes = 0;
  for await (const part of parts) {
    if (bytes > PAGE_BYTES_MAX) return { found, isCut: true };
    found.push(...part);
    for (const event of part) bytes += JSON.stringify(event.dataPayload).length;
  }
  return { found, isCut: false };
}

function link(query: ListQuery, side: "after" | "before", cursor: string): string {
  return `/api/v1/events?${new URLSearchParams([...query.linked.map(([name, text]): [string, string] => [name, text]), [side, cursor]])}`;
}
