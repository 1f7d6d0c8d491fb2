import { type KeyboardEvent, useState } from "react";
import { Link } from "wouter";
import { type Asked, useAlerts, useElections, useHistogram } from "../api/queries.js";
import { count, duration, many } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { useTheme } from "../lib/theme.js";
import { clockTime, moment } from "../lib/times.js";
import { Button } from "../parts/button.js";
import { Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import styles from "./event-histogram.module.css";
import { type Condition, queryOf } from "./filter.js";
import { HistogramChart } from "./histogram-chart.js";
import { SpanTable } from "./span-table.js";
import { type Bucket, bucketAt, type Chosen, type HistogramView, moved, placeIn, spanOf } from "./spans.js";

const BUCKETS = 60;

/** How many of the events that meet some conditions came when. */
export function useCounted(conditions: readonly Condition[], isLive: boolean): Asked<HistogramView> {
  const query = queryOf(conditions).toString();
  return useHistogram(`buckets=${BUCKETS}${query === "" ? "" : `&${query}`}`, isLive);
}

interface EventHistogramProps {
  readonly conditions: readonly Condition[];
  readonly asked: Asked<HistogramView>;
}

/** A span that is drawn becomes the conditions `since` and `until`. */
export function EventHistogram({ conditions, asked }: EventHistogramProps) {
  const view = asked.data?.body;
  if (view === undefined)
    return asked.error === null ? (
      <div className={styles.placeholder} />
    ) : (
      <p className={page.muted}>
        Events were not counted over time: {asked.error.message}{" "}
        <Button kind="quiet" onClick={() => void asked.refetch()}>
          Count again
        </Button>
      </p>
    );
  return (
    <>
      <Outdated asked={asked} what="the number of events over time" />
      {view.buckets.length === 0 ? null : <Spans view={view} hasRange={hasRange(conditions)} />}
    </>
  );
}

const hasRange = (conditions: readonly Condition[]): boolean =>
  conditions.some(({ name }) => name === "since" || name === "until");

function Spans({ view, hasRange }: { readonly view: HistogramView; readonly hasRange: boolean }) {
  const { change } = useParameters();
  const theme = useTheme();
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const { buckets } = view;
  const last = buckets.length - 1;
  const now: Chosen = chosen ?? { anchor: last, at: last };
  const choose = (one: number, other: number): void => {
    const span = spanOf(buckets, one, other);
    setChosen(null);
    if (span !== null) change(span);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = moved(now, event, buckets.length);
    if (next !== null) setChosen(next);
    else if (event.key === "Enter") choose(now.anchor, now.at);
    else if (event.key === "Escape") setChosen(null);
    else return;
    event.preventDefault();
  };
  return (
    <section className={styles.histogram} aria-label="Events over time">
      <div
        className={styles.chart}
        role="slider"
        tabIndex={0}
        aria-label="A span of time: arrows move, with Shift they widen it, Enter shows only its events"
        aria-orientation="horizontal"
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={Math.min(now.at, last)}
        aria-valuetext={wordsOf(buckets, now)}
        onKeyDown={onKeyDown}
        onBlur={() => setChosen(null)}
      >
        <HistogramChart
          key={theme}
          buckets={buckets}
          onDrawn={(from, to) => choose(bucketAt(buckets, from), bucketAt(buckets, to))}
        />
        {chosen === null ? null : <Selection chosen={chosen} of={buckets.length} />}
      </div>
      <Marks view={view} />
      <div className={styles.caption}>
        <p className={page.muted} role={chosen === null ? undefined : "status"}>
          {chosen === null ? summaryOf(view) : wordsOf(buckets, now)}
        </p>
        {hasRange ? (
          <Button kind="quiet" onClick={() => change({ since: "", until: "" })}>
            All time
          </Button>
        ) : null}
        <details>
          <summary>As a table</summary>
          <SpanTable buckets={buckets} choice="Only these" onChoose={(i) => choose(i, i)} />
        </details>
      </div>
    </section>
  );
}

const widthOf = ({ since, until }: { since: string; until: string }): string =>
  duration(Date.parse(until) - Date.parse(since));

function summaryOf({ total, buckets, isPartial }: HistogramView): string {
  const [first] = buckets;
  const most = Math.max(0, ...buckets.map((bucket) => bucket.count ?? 0));
  const at = first === undefined || total === 0 ? "" : `; a bar is ${widthOf(first)}, the highest has ${count(most)}`;
  return `${many(total, "event")}${isPartial === true ? " in the bars that were counted in time" : ""}${at}. Drag to zoom.`;
}

function wordsOf(buckets: readonly Bucket[], { anchor, at }: Chosen): string {
  const span = spanOf(buckets, anchor, at);
  if (span === null) return "";
  const some = buckets.slice(Math.min(anchor, at), Math.max(anchor, at) + 1);
  const sum = some.reduce((total, bucket) => total + (bucket.count ?? 0), 0);
  const isCounted = some.every((bucket) => bucket.count !== null);
  return `${moment(span.since)} to ${clockTime(span.until)}: ${isCounted ? many(sum, "event") : "not counted in time"}`;
}

function Selection({ chosen: { anchor, at }, of }: { readonly chosen: Chosen; readonly of: number }) {
  const from = Math.min(anchor, at);
  const width = Math.abs(anchor - at) + 1;
  return (
    <div className={styles.selection} style={{ left: `${(100 * from) / of}%`, width: `${(100 * width) / of}%` }} />
  );
}

/** What else happened then. */
function Marks({ view }: { readonly view: HistogramView }) {
  const elections = useElections().data?.body.elections ?? [];
  const alerts = useAlerts().data?.body.alerts ?? [];
  const marks = [
    ...elections.map(({ term, at, leaderId }) => ({
      ...{ key: `election ${term}`, at, sign: "▲", path: "/cluster", kind: "election" },
      words: `Election: ${leaderId} leads term ${term} since ${moment(at)}`,
    })),
    ...alerts.map(({ id, kind, openedAt, accused }) => ({
      ...{ key: `alert ${id}`, at: openedAt, sign: "●", path: `/alerts?alert=${id}`, kind: "alert" },
      words: `Alert: ${kind} on ${accused}, opened ${moment(openedAt)}`,
    })),
  ].flatMap((mark) => {
    const place = placeIn(view, mark.at);
    return place === null ? [] : [{ ...mark, place }];
  });
  if (marks.length === 0) return null;
  return (
    <ul className={styles.marks} aria-label="Elections and alerts in this time">
      {marks.map(({ key, place, sign, path, kind, words }) => (
        <li key={key} style={{ left: `${100 * place}%` }} data-kind={kind}>
          <Link href={path} title={words}>
            <span aria-hidden="true">{sign}</span>
            <span className="offscreen">{words}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
