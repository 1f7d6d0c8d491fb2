import type { EventView } from "../../../shared/log/event.js";
import type { LogService } from "../../service/log-port.js";
import type { EventFilter } from "../../storage/port.js";
import type { QueryReader } from "./query.js";
import { slices } from "./slices.js";

export const PAGE_LIMIT_MAX = 1_000;
const PAGE_MAX = 999_999_999;
/** With filters the reference APIs count on the index up to here. */
const COUNT_MAX = 10_000;

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
  const timestampFrom = query.date("startDate", { bare: "start" });
  const timestampTo = query.date("endDate", { bare: "end" });
  if (timestampFrom !== undefined && timestampTo !== undefined && timestampFrom > timestampTo)
    query.fail("startDate", "is after endDate");
  const result: PageQuery = {
    ...readPage(query, 10),
    order: query.order(),
    filter: {
      ...(eventType === undefined ? {} : { eventType }),
      ...(sourceAppId === undefined ? {} : { sourceAppId }),
      ...(timestampFrom === undefined ? {} : { timestampFrom }),
      ...(timestampTo === undefined ? {} : { timestampTo }),
    },
  };
  query.finish();
  return result;
}

export function readPage(query: QueryReader, limit: number): { page: number; limit: number } {
  return {
    page: query.number("page", { fallback: 1, max: PAGE_MAX }),
    limit: query.number("limit", { fallback: limit, max: PAGE_LIMIT_MAX }),
  };
}

export interface Page {
  /** The page in parts. */
  readonly events: AsyncIterable<EventView[]>;
  readonly total: number;
  readonly isCapped: boolean;
}

/** One page of the log as of `size` events. Without filters a place is a sequence, so any page costs the same. */
export async function openPage(service: LogService, query: PageQuery, size: number): Promise<Page> {
  const { filter, order } = query;
  const skip = (query.page - 1) * query.limit;
  const isFiltered = Object.keys(filter).length > 0;
  const { total, isCapped } = isFiltered ? await service.count(filter, COUNT_MAX) : { total: size, isCapped: false };
  const limit = skip >= total && !isCapped ? 0 : query.limit;
  const bounds = isFiltered
    ? { skip, before: size }
    : order === "asc"
      ? { after: skip - 1, before: size }
      : { before: size - skip };
  return { events: slices(service, filter, { order, limit, ...bounds }), total, isCapped };
}
