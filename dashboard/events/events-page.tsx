import { useMemo, useState } from "react";
import { LentNote } from "../alerts/lent-note.js";
import { sourcesOf } from "../api/sources.js";
import { ago, many } from "../lib/format.js";
import { useHashSearch, useParameters } from "../lib/hash-location.js";
import { isPausedIn, turned } from "../lib/still.js";
import { useNow } from "../lib/use-now.js";
import { Button } from "../parts/button.js";
import { CopyButton } from "../parts/copy-button.js";
import { Failure, Loading, Stale } from "../parts/states.js";
import { EventDrawer } from "./event-drawer.js";
import { EventHistogram, useCounted } from "./event-histogram.js";
import { EventList } from "./event-list.js";
import styles from "./events-page.module.css";
import { ExportDialog } from "./export-dialog.js";
import { conditionsIn } from "./filter.js";
import { FilterBar } from "./filter-bar.js";
import { NoEvents } from "./no-events.js";
import { NotLive } from "./not-live.js";
import { TailLog } from "./tail-log.js";
import { useEvents } from "./use-events.js";

/** As paused, and what comes is not even counted: nothing on the page moves. */
const STOPPED = "stop";

/** The page that people live in: all events that meet some conditions, live, and one of them beside. */
export function EventsPage() {
  const search = useHashSearch();
  const { parameters, change } = useParameters();
  const conditions = useMemo(() => conditionsIn(new URLSearchParams(search)), [search]);
  const [isAtTop, setAtTop] = useState(true);
  const [isExportOpen, setExportOpen] = useState(false);
  const isPaused = isPausedIn(parameters);
  const isStopped = parameters.get("paused") === STOPPED;
  // The newest event that was there when the list was cleared.
  const clearedAt = sequenceIn(parameters, "cleared") ?? -1;
  const counted = useCounted(conditions, !isPaused);
  const events = useEvents(conditions, isPaused || !isAtTop);
  const rows = useMemo(
    () => (clearedAt < 0 ? events.rows : events.rows.filter(({ sequence }) => sequence > clearedAt)),
    [events.rows, clearedAt],
  );
  const opened = sequenceIn(parameters, "event");
  const isCleared = clearedAt >= 0;
  return (
    <div className={styles.layout} data-open={opened !== null}>
      <section className={styles.column} aria-label="Events">
        <h1 className={styles.title}>Events</h1>
        <FilterBar conditions={conditions} />
        <EventHistogram conditions={conditions} asked={counted} />
        <div className={styles.controls}>
          <Button aria-pressed={isPaused} onClick={() => change({ paused: turned(isPaused) }, { replace: true })}>
            {isStopped ? "▶ Live" : isPaused ? `▶ Resume (+${events.heldCount})` : "❚❚ Pause"}
          </Button>
          <Button disabled={isStopped} onClick={() => change({ paused: STOPPED }, { replace: true })}>
            ■ Stop
          </Button>
          {isCleared ? (
            <Button onClick={() => change({ cleared: "" }, { replace: true })}>Show earlier</Button>
          ) : (
            <Button
              onClick={() => change({ cleared: String(rows[0]?.sequence ?? "") }, { replace: true })}
              disabled={rows.length === 0}
            >
              Clear
            </Button>
          )}
          <Button onClick={() => setExportOpen(true)}>Export …</Button>
          <CopyButton text={window.location.href} label="Copy link" />
          {!isPaused && events.heldCount > 0 ? (
            <Button kind="main" onClick={() => document.querySelector("[data-scroller]")?.scrollTo({ top: 0 })}>
              ↑ {many(events.heldCount, "new event")}
            </Button>
          ) : null}
          <TailLog newest={rows[0]} isPaused={isPaused} />
        </div>
        <NotLive />
        {events.isStale ? <Leaderless readAt={events.readAt} /> : null}
        <LentNote what="Some of what is shown" sources={sourcesOf([...events.answers, counted.data])} />
        {events.isLoading ? (
          <Loading what="events" />
        ) : events.error !== null && rows.length === 0 ? (
          <Failure error={events.error} onRetry={events.retry} />
        ) : rows.length === 0 && (isCleared || !events.hasMore) ? (
          <NoEvents conditions={conditions} isCleared={isCleared} />
        ) : (
          <EventList
            rows={rows}
            hasMore={events.hasMore && !isCleared}
            isLoadingMore={events.isLoadingMore}
            error={events.error}
            opened={opened}
            onOpen={(sequence) => change({ event: String(sequence) })}
            onLoadMore={events.loadMore}
            onAtTop={setAtTop}
          />
        )}
      </section>
      {opened === null ? null : (
        <EventDrawer key={opened} sequence={opened} onClose={() => closeDrawer(opened, change)} />
      )}
      <ExportDialog conditions={conditions} isOpen={isExportOpen} onOpenChange={setExportOpen} />
    </div>
  );
}

function sequenceIn(parameters: URLSearchParams, name: string): number | null {
  const text = parameters.get(name) ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** Pages of the list are read once; what comes later comes by the stream. */
function Leaderless({ readAt }: { readonly readAt: number }) {
  const now = useNow();
  return (
    <Stale
      text={`No leader stands behind this list, read ${ago(now - readAt)}: it may lack the newest events of that time.`}
    />
  );
}

function closeDrawer(sequence: number, change: ReturnType<typeof useParameters>["change"]): void {
  change({ event: "", tab: "" });
  // The row that it was opened from, or the list where that row is not drawn.
  requestAnimationFrame(() => {
    const row = document.querySelector<HTMLElement>(`[data-sequence="${sequence}"]`);
    (row ?? document.querySelector<HTMLElement>("[data-scroller]"))?.focus();
  });
}
