import type { RequestHandler } from "express";
import { HISTOGRAM_BUCKETS_MAX } from "../../../shared/limits.js";
import type { EventFilter } from "../../../shared/log/filter.js";
import { type Instant, MILLIS_FIRST, MILLIS_LAST, millisText } from "../../../shared/timestamp.js";
import type { HistogramFound, HistogramRequest, ReadCondition } from "../../service/log-port.js";
import { showSources } from "../middleware/answered-from.js";
import { beginRead } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { FILTERS, readFilter } from "./event-list.js";
import { QueryReader } from "./query.js";
import { READ_PARAMETERS, readCondition } from "./read-condition.js";

export const BUCKETS_DEFAULT = 60;

/** How many events were recorded when, with the filters of the list. */
export function histogram(context: RouteContext): RequestHandler {
  const { reads, gates } = context;
  return async (req, res) => {
    const { condition, ...asked } = readHistogramQuery(new QueryReader(req.query), reads.indexedPaths);
    const size = await beginRead(res, context, condition);
    await gates.histograms.run(res, 1, async () => {
      const found = await reads.histogram({ ...asked, size });
      showSources(res, found);
      res.json(shown(found));
    });
  };
}

function readHistogramQuery(
  query: QueryReader,
  indexed: readonly string[],
): Omit<HistogramRequest, "size"> & { condition: ReadCondition } {
  query.refuseUnknown([...FILTERS, "buckets", ...READ_PARAMETERS, "payload.<path>"]);
  const condition = readCondition(query);
  const { recordedSince, recordedUntil, ...filter }: EventFilter = readFilter(query, indexed);
  const buckets = query.number("buckets", { fallback: BUCKETS_DEFAULT, max: HISTOGRAM_BUCKETS_MAX });
  query.finish();
  return { filter, since: firstMillis(recordedSince), until: firstMillis(recordedUntil), buckets, condition };
}

/** The first whole millisecond that is not before the instant; what lies outside of all years is at their ends. */
function firstMillis(at: Instant | undefined): number | null {
  if (at === undefined) return null;
  return Math.min(MILLIS_LAST, Math.max(MILLIS_FIRST, at.millis + (at.rest === "" ? 0 : 1)));
}

function shown({ edges, counts }: HistogramFound): object {
  const text = (i: number): string | null => millisText(edges[i] ?? Number.NaN);
  return {
    since: text(0),
    until: text(edges.length - 1),
    total: counts.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    ...(counts.includes(null) ? { isPartial: true } : {}),
    buckets: counts.map((count, i) => ({ since: text(i), until: text(i + 1), count })),
  };
}
