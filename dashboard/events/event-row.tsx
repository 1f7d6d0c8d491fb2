import { memo } from "react";
import { Link } from "wouter";
import type { EventView } from "../../shared/log/event.js";
import { count, unturned } from "../lib/format.js";
import { clockTime, dateOf, localTime } from "../lib/times.js";
import { verdictOf } from "../verify/row.js";
import styles from "./event-list.module.css";
import { previewOf } from "./preview.js";

interface EventRowProps {
  readonly event: EventView;
  /** The row above: the event behind it, where no filter leaves that out. */
  readonly next: EventView | undefined;
  readonly index: number;
  readonly top: number;
  readonly isActive: boolean;
  readonly isOpen: boolean;
  /** Nodes whose copies of it are not what was committed, by the open alerts. */
  readonly accused: string;
  /** The page of the alert about it, or of all where there are several. */
  readonly alertPath: string;
  /** How many nodes hold it, of how many. */
  readonly held: string;
  onOpen(): void;
}

/** One event. Its texts come from anybody: they are only ever text, each in a direction of its own. */
export const EventRow = memo(
  function EventRow({ event, next, index, top, isActive, isOpen, accused, alertPath, held, onOpen }: EventRowProps) {
    const { sequence, recordedAt, eventType, sourceAppId, dataPayload } = event;
    return (
      <div
        role="row"
        aria-rowindex={index + 2}
        aria-selected={isOpen}
        data-sequence={sequence}
        className={`${styles.row} ${styles.event} ${accused === "" ? "" : styles.accused}`}
        style={{ transform: `translateY(${top}px)` }}
        tabIndex={isActive ? 0 : -1}
        onClick={onOpen}
        onKeyDown={({ key, target, currentTarget }) => {
          // On the link in it, Enter follows that.
          if (key === "Enter" && target === currentTarget) onOpen();
        }}
      >
        <Cell>{count(sequence)}</Cell>
        <span
          role="gridcell"
          tabIndex={-1}
          className={styles.cell}
          title={`${recordedAt} · here ${localTime(recordedAt)}`}
        >
          <span className={styles.date}>{dateOf(recordedAt)} </span>
          {clockTime(recordedAt)}
        </span>
        <Cell>{unturned(eventType)}</Cell>
        <Cell>{unturned(sourceAppId)}</Cell>
        <Cell>{previewOf(dataPayload)}</Cell>
        <span
          role="gridcell"
          tabIndex={-1}
          className={styles.cell}
          title="Nodes that say they hold it, without those that an open alert accuses"
        >
          {held}
        </span>
        <span role="gridcell" tabIndex={-1} className={styles.cell}>
          {accused === "" ? (
            <Proof event={event} next={next} />
          ) : (
            <Link
              href={alertPath}
              className={styles.bad}
              tabIndex={isActive ? 0 : -1}
              onClick={(click) => click.stopPropagation()}
            >
              <strong>✗ {accused} differs</strong> → <span className="offscreen">the alert</span>
            </Link>
          )}
        </span>
      </div>
    );
  },
  (before, after) =>
    before.event === after.event &&
    before.next === after.next &&
    before.top === after.top &&
    before.isActive === after.isActive &&
    before.isOpen === after.isOpen &&
    before.accused === after.accused &&
    before.alertPath === after.alertPath &&
    before.held === after.held,
);

function Cell({ children }: { readonly children: string }) {
  return (
    <span role="gridcell" tabIndex={-1} className={styles.cell} dir="auto">
      {children}
    </span>
  );
}

/** What this browser has recomputed: both hashes, and the link of the next event where that is the row above. */
function Proof({ event, next }: { readonly event: EventView; readonly next: EventView | undefined }) {
  const verdict = verdictOf(event);
  const isLinked = next === undefined || next.sequence !== event.sequence + 1 || next.previousHash === event.hash;
  if (verdict === "ok" && isLinked) return <span className={styles.ok}>✓ this browser</span>;
  const what =
    verdict === "ok" ? "link" : verdict === "payloadHash" ? "payload" : verdict === "hash" ? "hash" : "event";
  return <strong className={styles.bad}>✗ {what} differs</strong>;
}
