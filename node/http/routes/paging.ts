import type { EventFilter, TimesFilter } from "../../../shared/log/filter.js";
import { compareInstants } from "../../../shared/timestamp.js";
import type { Answered, Found, LogReads } from "../../service/log-port.js";
import type { QueryReader } from "./query.js";
import type { Shape } from "./shapes.js";
import { arrayOf, refuseCutOff, slices } from "./slices.js";

export const PAGE_LIMIT_MAX = 1_000;
export const PAGE_MAX = 999_999_999;
/** With filters the reference APIs count on the index up to here. */
const COUNT_MAX = 10_000;
/** The count and the first part take no longer in all, but for what follows, so that the answer begins within two seconds. */
const SEARCH_MS_MAX = 1_500;
/** A count that waited for the database says nothing of the page. */
const SEARCH_MS_MIN = 300;

export interface PageQuery {
  readonly filter: EventFilter;
  readonly order: "asc" | "desc";
  readonly page: number;
  readonly limit: number;
}

/** The query of reference API A; what it does not know it ignores. */
export function readPageQuery(query: QueryReader): PageQuery {
  const eventType = query.name("eventType");
  const sourceAppId = query.name("sourceAppId");
  const result: PageQuery = {
    ...readPage(query, 10),
    order: query.order(),
    filter: {
      ...(eventType === undefined ? {} : { eventType }),
      ...(sourceAppId === undefined ? {} : { sourceAppId }),
      ...readTimes(query),
    },
  };
  query.finish();
  return result;
}

/** `startDate` and `endDate`: both inclusive. */
export function readTimes(query: QueryReader): TimesFilter {
  const from = query.date("startDate", { bare: "start" });
  const to = query.date("endDate", { bare: "end" });
  // The end of a day is the beginning of the next one, which is not in it: from there on nothing is left.
  const isEmpty = (order: number, isExclusive: boolean): boolean => order > 0 || (isExclusive && order === 0);
  if (from !== undefined && to !== undefined && isEmpty(compareInstants(from.at, to.at), to.isExclusive))
    query.fail("startDate", "is after endDate");
  return {
    ...(from === undefined ? {} : { timestampFrom: from.at }),
    ...(to === undefined ? {} : to.isExclusive ? { timestampBefore: to.at } : { timestampTo: to.at }),
  };
}

export function readPage(query: QueryReader, limit: number): { page: number; limit: number } {
  return {
    page: query.number("page", { fallback: 1, max: PAGE_MAX }),
    limit: query.number("limit", { fallback: limit, max: PAGE_LIMIT_MAX }),
  };
}

export interface Page {
  /** The page in parts. */
  readonly parts: AsyncIterable<Buffer>;
  readonly total: number;
  readonly isCapped: boolean;
}

/** One page of the log as of `size` events. Without filters a place is a sequence, so any page costs the same. */
export async function openPage(
  reads: LogReads,
  query: PageQuery,
  {
    size,
    by,
    shape,
    onFound,
  }: { readonly size: number; readonly by: string; readonly shape: Shape; readonly onFound: (part: Answered) => void },
): Promise<Page> {
  const { filter, order, limit } = query;
  const skip = (query.page - 1) * limit;
  const isFiltered = Object.keys(filter).length > 0;
  const beganAt = performance.now();
  const counted = isFiltered
    ? await reads.count(filter, { high: size, cap: COUNT_MAX })
    : { total: size, isCapped: false, from: [] };
  onFound(counted);
  const { total, isCapped } = counted;
  if (skip >= total && !isCapped) return { parts: nothing(), total, isCapped };
  const range = isFiltered
    ? { low: 0, high: size, skip }
    : order === "asc"
      ? { low: skip, high: size }
      : { low: 0, high: size - skip };
  const make = (found: Found): Buffer => {
    refuseCutOff(found, filter);
    onFound(found);
    return arrayOf(found.events, { open: "", shape, close: "" });
  };
  const searchMsMax = Math.max(SEARCH_MS_MIN, SEARCH_MS_MAX - (performance.now() - beganAt));
  return { parts: slices(reads, { filter, order, limit, by, searchMsMax, ...range }, make), total, isCapped };
}

async function* nothing(): AsyncGenerator<Buffer> {}
