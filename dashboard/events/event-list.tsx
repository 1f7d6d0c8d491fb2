import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { EventView } from "../../shared/log/event.js";
import { useAccused, useHolders } from "../alerts/use-accused.js";
import { zoneName } from "../lib/times.js";
import { Button } from "../parts/button.js";
import styles from "./event-list.module.css";
import { EventRow } from "./event-row.js";

export const ROW_HEIGHT = 36;
const ROWS_AROUND = 10;
/** So near the end more is loaded. */
const NEAR_ROWS = 100;

interface EventListProps {
  readonly rows: readonly EventView[];
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  readonly error: Error | null;
  readonly opened: number | null;
  onOpen(sequence: number): void;
  onLoadMore(): void;
  onAtTop(isAtTop: boolean): void;
}

/** Only the rows in view are in the page, however long the list is. */
export function EventList(props: EventListProps) {
  const { rows, hasMore, isLoadingMore, error, opened, onLoadMore, onAtTop } = props;
  const scroller = useRef<HTMLDivElement>(null);
  // The same function for the same rows: with another one all of them are measured anew.
  const getItemKey = useCallback((index: number) => rows[index]?.sequence ?? index, [rows]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: ROWS_AROUND,
    getItemKey,
    initialRect: { width: 800, height: 600 },
  });
  const accusedAt = useAccused();
  const heldAt = useHolders();
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !isLoadingMore && error === null && last >= rows.length - NEAR_ROWS) onLoadMore();
  }, [hasMore, isLoadingMore, error, last, rows.length, onLoadMore]);
  const [active, setActive] = useState<number | null>(null);
  const wanted = active ?? opened;
  const activeIndex = useMemo(
    () =>
      wanted === null
        ? 0
        : Math.max(
            0,
            rows.findIndex(({ sequence }) => sequence === wanted),
          ),
    [rows, wanted],
  );
  const move = (to: number): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (row === undefined) return;
    setActive(row.sequence);
    virtual.scrollToIndex(rows.indexOf(row));
    requestAnimationFrame(() => focusRow(scroller.current, row.sequence));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 1;
    const steps: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page };
    const to = event.key === "Home" ? 0 : event.key === "End" ? rows.length - 1 : activeIndex + (steps[event.key] ?? 0);
    if (to === activeIndex && event.key !== "Home") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(to);
  };
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      data-scroller
      tabIndex={-1}
      onScroll={({ currentTarget }) => onAtTop(currentTarget.scrollTop < ROW_HEIGHT)}
    >
      <div
        role="grid"
        aria-label="Events, the newest first"
        aria-rowcount={hasMore ? -1 : rows.length + 1}
        onKeyDown={onKeyDown}
      >
        <Header />
        <div role="rowgroup" className={styles.rows} style={{ height: virtual.getTotalSize() }}>
          {items.map(({ index, start, key }) => {
            const event = rows[index];
            if (event === undefined) return null;
            const accused = accusedAt(event.sequence);
            return (
              <EventRow
                key={key}
                event={event}
                next={rows[index - 1]}
                index={index}
                top={start}
                isActive={index === activeIndex}
                isOpen={event.sequence === opened}
                accused={accused.nodes}
                alertPath={accused.path}
                held={heldAt(event.sequence)}
                onOpen={() => {
                  setActive(event.sequence);
                  props.onOpen(event.sequence);
                }}
              />
            );
          })}
        </div>
      </div>
      <Foot {...props} />
    </div>
  );
}

const columns = () => ["Sequence", `Time (${zoneName()})`, "Type", "Source", "Payload", "Nodes", "Proof"];

function Header() {
  return (
    <div role="rowgroup" className={styles.head}>
      <div role="row" className={styles.row} aria-rowindex={1} tabIndex={-1}>
        {columns().map((name) => (
          <span key={name} role="columnheader" tabIndex={-1}>
            {name}
          </span>
        ))}
      </div>
    </div>
  );
}

function Foot({ rows, hasMore, isLoadingMore, error, onLoadMore }: EventListProps) {
  if (error !== null)
    return (
      <p className={styles.foot} role="status">
        Older events could not be loaded: {error.message} <Button onClick={onLoadMore}>Retry</Button>
      </p>
    );
  if (isLoadingMore) return <p className={styles.foot}>Loading older events …</p>;
  if (hasMore)
    return (
      <p className={styles.foot}>
        <Button onClick={onLoadMore}>Load older events</Button>
      </p>
    );
  return <p className={styles.foot}>{rows.length === 0 ? "" : "This is the beginning."}</p>;
}

function focusRow(scroller: HTMLElement | null, sequence: number): void {
  scroller?.querySelector<HTMLElement>(`[data-sequence="${sequence}"]`)?.focus({ preventScroll: true });
}
