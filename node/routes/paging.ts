import type { EventView } from "../../shared/event.js";
import type { LogService } from "../service.js";
import type { EventFilter } from "../storage/port.js";
import type { QueryReader } from "./query.js";

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
  readonly events: EventView[];
  readonly total: number;
  readonly isCapped: boolean;
}

/** One page of the log as of `size` events. Without filters a place is a sequence, so any page costs the same. */
export async function fetchPage(service: LogService, query: PageQuery, size: number): Promise<Page> {
  const { filter, order, limit } = query;
  const skip = (query.page - 1) * limit;
  if (Object.keys(filter).length === 0) {
    const bounds = order === "asc" ? { after: skip - 1, before: size } : { before: size - skip };
    const events = skip >= size ? [] : await service.list({}, { order, limit, ...bounds });
    return { events, total: size, isCapped: false };
  }
  const { total, isCapped } = await service.count(filter, COUNT_MAX);
  const isBeyond = skip >= total && !isCapped;
  const events = isBeyond ? [] : await service.list(filter, { order, limit, skip, before: size });
  return { events, total, isCapped };
}
