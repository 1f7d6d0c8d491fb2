import { keepPreviousData, QueryClient, type UseQueryResult, useQuery } from "@tanstack/react-query";
import type { ChaosView } from "../../shared/protocol/chaos.js";
import type { ChainView } from "../../shared/protocol/http.js";
import type { HistogramView } from "../events/spans.js";
import { type Answer, ask } from "./client.js";
import type { AlertList, AlertView, ClusterView, ElectionList } from "./types.js";

const CLUSTER_EVERY_MS = 1_000;
const CHAOS_EVERY_MS = 2_000;
const CHAOS_OFF_EVERY_MS = 60_000;
const CHAIN_EVERY_MS = 2_000;
const ALERTS_EVERY_MS = 2_000;
const ELECTIONS_EVERY_MS = 10_000;
const HISTOGRAM_EVERY_MS = 10_000;
export const ALERTS_SHOWN = 200;
const ELECTIONS_SHOWN = 50;

/** What was answered last stays on the screen, with its age, while a node does not answer. */
export const makeQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: { retry: false, networkMode: "always", refetchOnWindowFocus: true, refetchIntervalInBackground: false },
      mutations: { networkMode: "always" },
    },
  });

export type Asked<T> = UseQueryResult<Answer<T>, Error>;

export const useCluster = (): Asked<ClusterView> =>
  useQuery({
    queryKey: ["cluster"],
    queryFn: ({ signal }) => ask<ClusterView>("api/v1/cluster", { signal }),
    refetchInterval: CLUSTER_EVERY_MS,
  });

export const useAlerts = (): Asked<AlertList> =>
  useQuery({
    queryKey: ["alerts", "list"],
    queryFn: ({ signal }) => ask<AlertList>(`api/v1/alerts?limit=${ALERTS_SHOWN}`, { signal }),
    refetchInterval: ALERTS_EVERY_MS,
  });

/** Asked for only where somebody looks at them. */
export const useResolvedAlerts = (): Asked<AlertList> =>
  useQuery({
    queryKey: ["alerts", "resolved"],
    queryFn: ({ signal }) => ask<AlertList>(`api/v1/alerts?limit=${ALERTS_SHOWN}&status=resolved`, { signal }),
    refetchInterval: ALERTS_EVERY_MS,
  });

/** With its `ETag`: a decision holds for the version that the person has seen. */
export const useAlert = (id: string): Asked<AlertView> =>
  useQuery({
    queryKey: ["alerts", id],
    queryFn: ({ signal }) => ask<AlertView>(`api/v1/alerts/${encodeURIComponent(id)}`, { signal }),
    refetchInterval: ALERTS_EVERY_MS,
  });

export const useElections = (): Asked<ElectionList> =>
  useQuery({
    queryKey: ["elections"],
    queryFn: ({ signal }) => ask<ElectionList>(`api/v1/elections?limit=${ELECTIONS_SHOWN}`, { signal }),
    refetchInterval: ELECTIONS_EVERY_MS,
  });

/** Where faults are off they stay off as long as the node runs. */
export const useChaos = (): Asked<ChaosView> =>
  useQuery({
    queryKey: ["chaos"],
    queryFn: ({ signal }) => ask<ChaosView>("api/v1/chaos", { signal }),
    refetchInterval: ({ state }) => (state.data?.body.allowed === false ? CHAOS_OFF_EVERY_MS : CHAOS_EVERY_MS),
  });

/** With how many were asked for: what is shown until the next answer may have been fewer. */
export type ChainPart = ChainView & { readonly count: number };

/** `from` null: the newest. */
export const useChain = (from: number | null, count: number, isLive: boolean): Asked<ChainPart> =>
  useQuery({
    queryKey: ["chain", from, count],
    queryFn: async ({ signal }) => {
      const place = from === null ? "" : `&from=${from}`;
      const answer = await ask<ChainView>(`api/v1/chain?count=${count}${place}`, { signal });
      return { ...answer, body: { ...answer.body, count } };
    },
    refetchInterval: isLive ? CHAIN_EVERY_MS : false,
    placeholderData: keepPreviousData,
  });

/** `query`: how many spans, and the conditions. */
export const useHistogram = (query: string, isLive: boolean): Asked<HistogramView> =>
  useQuery({
    queryKey: ["histogram", query],
    queryFn: ({ signal }) => ask<HistogramView>(`api/v1/events/histogram?${query}`, { signal }),
    refetchInterval: isLive ? HISTOGRAM_EVERY_MS : false,
    placeholderData: keepPreviousData,
  });
