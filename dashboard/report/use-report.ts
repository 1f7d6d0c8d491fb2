import { useQuery } from "@tanstack/react-query";
import type { EventView } from "../../shared/log/event.js";
import { type Answer, ask } from "../api/client.js";
import type { Asked } from "../api/queries.js";
import { type Sources, sourcesOf } from "../api/sources.js";
import type { AlertList, ClusterView, ElectionList, EventPage } from "../api/types.js";
import type { HistogramView } from "../events/spans.js";
import { boundsOf, type Period } from "./period.js";

/** As many as a node tells at once. */
const NOTICES = 500;

export interface ReportFacts {
  readonly madeAt: string;
  readonly status: ClusterView;
  readonly alerts: AlertList;
  readonly elections: ElectionList;
  readonly counted: HistogramView;
  /** The first and the last event of the period; null where it has none. */
  readonly first: EventView | null;
  readonly last: EventView | null;
  /** Of the events and their number. */
  readonly sources: Sources;
}

/** All that a report rests on, asked together once: a report does not change while it is read. */
export function useReport(period: Period): Asked<ReportFacts> {
  return useQuery({
    queryKey: ["report", period.from, period.to],
    queryFn: async ({ signal }) => {
      const bounds = new URLSearchParams(boundsOf(period)).toString();
      const edge = (order: "asc" | "desc"): Promise<Answer<EventPage>> =>
        ask<EventPage>(`api/v1/events?limit=1&order=${order}&${bounds}`, { signal });
      const [status, alerts, elections, counted, first, last] = await Promise.all([
        ask<ClusterView>("api/v1/cluster", { signal }),
        ask<AlertList>(`api/v1/alerts?limit=${NOTICES}&status=all`, { signal }),
        ask<ElectionList>(`api/v1/elections?limit=${NOTICES}`, { signal }),
        ask<HistogramView>(`api/v1/events/histogram?buckets=1&${bounds}`, { signal }),
        edge("asc"),
        edge("desc"),
      ]);
      const body: ReportFacts = {
        ...{ madeAt: new Date().toISOString(), sources: sourcesOf([counted, first, last]) },
        ...{ first: first.body.events[0] ?? null, last: last.body.events[0] ?? null },
        ...{ status: status.body, alerts: alerts.body, elections: elections.body, counted: counted.body },
      };
      return { ...status, body };
    },
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
}
