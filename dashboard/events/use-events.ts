import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { EventView } from "../../shared/log/event.js";
import { type Answer, ask } from "../api/client.js";
import type { Sources } from "../api/sources.js";
import { stream } from "../api/stream.js";
import type { EventPage } from "../api/types.js";
import { Feed, type FeedState } from "./feed.js";
import { type Condition, conditionsIn, matcherOf, queryOf } from "./filter.js";

const PAGE_FIRST = 100;
const PAGE_NEXT = 500;

export interface EventRows {
  /** The newest first: what came live, then what the log has. */
  readonly rows: readonly EventView[];
  readonly heldCount: number;
  readonly isLoading: boolean;
  readonly error: Error | null;
  readonly isStale: boolean;
  /** When the newest of its pages was read. */
  readonly readAt: number;
  readonly answers: readonly Sources[];
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  loadMore(): void;
  retry(): void;
}

type Pages = InfiniteData<Answer<EventPage>, string | null>;
const NOTHING: FeedState = { shown: [], heldCount: 0, mustReload: false };
const never = (): (() => void) => () => {};

/** The list of events that meet all conditions, by cursor from the log, with what comes live on top. */
export function useEvents(conditions: readonly Condition[], isHeld: boolean): EventRows {
  const query = queryOf(conditions).toString();
  const client = useQueryClient();
  const pages = useInfiniteQuery<Answer<EventPage>, Error, Pages, string[], string | null>({
    queryKey: ["events", query],
    initialPageParam: null,
    queryFn: ({ pageParam, signal }) => {
      const limit = pageParam === null ? PAGE_FIRST : PAGE_NEXT;
      const after = pageParam === null ? "" : `&after=${pageParam}`;
      return ask<EventPage>(`api/v1/events?order=desc&limit=${limit}${after}${query === "" ? "" : `&${query}`}`, {
        signal,
      });
    },
    getNextPageParam: ({ body }) => body.next ?? null,
    // The live feed keeps it up to date; loading all pages again would not.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  const from = pages.data?.pages[0]?.logSize ?? null;
  const feed = useFeed(from, query);
  const state = useSyncExternalStore(feed?.subscribe ?? never, () => feed?.state ?? NOTHING);
  useEffect(() => feed?.hold(isHeld), [feed, isHeld]);
  const { mustReload } = state;
  useEffect(() => {
    if (mustReload && !isHeld) void client.resetQueries({ queryKey: ["events", query] });
  }, [mustReload, isHeld, client, query]);
  const loaded = useMemo(() => pages.data?.pages.flatMap(({ body }) => body.events) ?? [], [pages.data]);
  const rows = useMemo(() => (state.shown.length === 0 ? loaded : [...state.shown, ...loaded]), [state.shown, loaded]);
  return {
    rows,
    heldCount: state.heldCount,
    isLoading: pages.isPending,
    error: pages.error,
    isStale: pages.data?.pages.some((page) => page.isStale) ?? false,
    readAt: pages.dataUpdatedAt,
    answers: pages.data?.pages ?? [],
    hasMore: pages.hasNextPage,
    isLoadingMore: pages.isFetchingNextPage,
    loadMore: () => void pages.fetchNextPage({ cancelRefetch: false }),
    retry: () => void pages.refetch(),
  };
}

/** A new first page or other conditions begin a new feed. */
function useFeed(from: number | null, query: string): Feed | null {
  const [feed, setFeed] = useState<Feed | null>(null);
  useEffect(() => {
    if (from === null) return;
    const next = new Feed(from, matcherOf(conditionsIn(new URLSearchParams(query))), stream);
    setFeed(next);
    return () => {
      next.stop();
      setFeed(null);
    };
  }, [from, query]);
  return feed;
}
