import { useMemo } from "react";
import { LentNote } from "../alerts/lent-note.js";
import { sizeOf } from "../api/log-size.js";
import { useAlerts, useCluster, useElections, useHistogram } from "../api/queries.js";
import { sourcesOf } from "../api/sources.js";
import { SpanTable } from "../events/span-table.js";
import { type HistogramView, placeIn } from "../events/spans.js";
import { count, duration, many } from "../lib/format.js";
import { moment, zoneName } from "../lib/times.js";
import { useHeld } from "../lib/use-held.js";
import { Mark } from "../parts/mark.js";
import { Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import { Note } from "../parts/states.js";
import { coverageOf, rangesOf } from "./runs.js";
import styles from "./whole-log.module.css";

const BUCKETS = 100;
/** The part of the line that the name of a term takes, where it is drawn. */
const LABEL_ROOM = 0.1;
const NONE: readonly never[] = [];

interface WholeLogProps {
  /** The event in the middle of what is shown above; null for the newest. */
  readonly at: number | null;
  readonly isLive: boolean;
  onMove(sequence: number): void;
}

/** The whole log in one line: when events came, who began to lead when, what is wrong where; and a way to any place. */
export function WholeLog({ at, isLive, onMove }: WholeLogProps) {
  const asked = useHistogram(`buckets=${BUCKETS}`, isLive);
  const answer = asked.data;
  const view = answer?.body;
  const elections = useElections().data?.body.elections ?? NONE;
  const alerts = useAlerts().data?.body.alerts ?? NONE;
  const starts = useMemo(() => startsOf(view), [view]);
  if (view === undefined && asked.error !== null)
    return <Note sign="◷">The whole log is not shown: {asked.error.message}</Note>;
  if (view === undefined || view.buckets.length === 0) return null;
  const last = view.buckets.length - 1;
  const place = at === null ? last : bucketOf(starts, at);
  const most = Math.max(1, ...view.buckets.map((bucket) => bucket.count ?? 0));
  const marks = [
    ...withRoom(
      elections.flatMap(({ term, at: since, leaderId }) => {
        const x = placeIn(view, since);
        return x === null ? [] : [{ key: `term ${term}`, x, sign: "▲", words: `term ${term}: ${leaderId} leads` }];
      }),
    ),
    ...alerts.flatMap((alert) =>
      rangesOf(alert)
        .slice(0, 1)
        .map(([low]) => ({
          ...{ key: alert.id, sign: "●", words: `${alert.kind} on ${alert.accused}`, label: "" },
          x: (bucketOf(starts, low) + 0.5) / view.buckets.length,
        })),
    ),
  ];
  return (
    <section aria-labelledby="whole" className={styles.whole}>
      <h2 id="whole" className={styles.title}>
        Whole log
      </h2>
      <Outdated asked={asked} />
      <div className={styles.strip}>
        <svg viewBox={`0 0 ${view.buckets.length} 1`} preserveAspectRatio="none" aria-hidden="true">
          {view.buckets.map(({ since, count: its }, i) => (
            <rect
              key={since}
              className={i === place ? styles.here : undefined}
              x={i + 0.08}
              y={1 - height(its, most)}
              width={0.84}
              height={height(its, most)}
            />
          ))}
        </svg>
        <input
          type="range"
          min={0}
          max={last}
          value={place}
          aria-label="Place in the whole log"
          aria-valuetext={wordsOf(view, starts, place)}
          onChange={({ target }) => onMove(starts[Number(target.value)] ?? 0)}
        />
        <span className={styles.ring} aria-hidden="true" />
        <ul className={styles.marks} aria-label="Elections and alerts">
          {marks.map(({ key, x, sign, words, label }) => (
            <li key={key} style={{ left: `${100 * x}%` }} data-sign={sign} title={words}>
              <span aria-hidden="true">{sign}</span>
              {label === "" ? null : (
                <span aria-hidden="true" className={styles.label}>
                  {label}
                </span>
              )}
              <span className="offscreen">{words}</span>
            </li>
          ))}
        </ul>
      </div>
      <p className={page.muted}>{spanOf(view)}</p>
      <details>
        <summary>As a table</summary>
        <SpanTable buckets={view.buckets} choice="Show them" onChoose={(i) => onMove(starts[i] ?? 0)} />
      </details>
      <LentNote what="How many events came when" sources={sourcesOf([answer])} />
      <Standing isLive={isLive} />
    </section>
  );
}

interface TermMark {
  readonly key: string;
  readonly x: number;
  readonly sign: string;
  readonly words: string;
}

/** A term is named where its name reaches neither the next sign nor the end. */
const withRoom = (marks: readonly TermMark[]) =>
  marks.map((mark) => {
    const next = Math.min(1, ...marks.filter(({ x }) => x > mark.x).map(({ x }) => x));
    return { ...mark, label: next - mark.x < LABEL_ROOM ? "" : mark.key };
  });

const height = (its: number | null, most: number): number =>
  its === null || its === 0 ? 0 : Math.max(0.06, Math.sqrt(its / most));

/** Events come in the order of their recorded times: so many were before each span. */
function startsOf(view: HistogramView | undefined): number[] {
  let sum = 0;
  return (view?.buckets ?? []).map(({ count: its }) => {
    sum += its ?? 0;
    return sum - (its ?? 0);
  });
}

const bucketOf = (starts: readonly number[], sequence: number): number =>
  Math.max(
    0,
    starts.findLastIndex((start) => start <= sequence),
  );

function spanOf({ buckets }: HistogramView): string {
  const [first] = buckets;
  const last = buckets.at(-1);
  if (first === undefined || last === undefined) return "";
  const each = duration(Date.parse(first.until) - Date.parse(first.since));
  return `${moment(first.since)} to ${moment(last.until)} (${zoneName()}); a bar is ${each}.`;
}

function wordsOf({ buckets }: HistogramView, starts: readonly number[], place: number): string {
  const since = buckets[place]?.since ?? "";
  return `event ${count(starts[place] ?? 0)}, ${moment(since)}`;
}

/** How far passes over the log have come on all nodes, and what stands against it. */
function Standing({ isLive }: Pick<WholeLogProps, "isLive">) {
  const status = useHeld(useCluster().data?.body, !isLive);
  const asked = useAlerts();
  const alerts = asked.data?.body.alerts;
  if (status === undefined || alerts === undefined) return null;
  const { verified, altered, open, first } = coverageOf(status, alerts, sizeOf(status));
  return (
    <div className={page.row}>
      <Outdated asked={asked} what="what alerts name" />
      <Mark tone="ok">{`${count(verified)} verified`}</Mark>
      {altered > 0 ? <Mark tone="bad">{`${count(altered)} altered`}</Mark> : null}
      {open > 0 ? <Mark tone="unknown">{`${count(open)} not passed yet`}</Mark> : null}
      <span className={page.muted}>
        {first === null
          ? "The last pass of every node that answers has covered the whole log."
          : `The first that a pass has not reached yet: ${count(first.sequence)}, on ${first.node}. Each was verified when it was stored.`}
        {status.nodes.some(({ role }) => role === "unknown")
          ? ` ${many(status.nodes.filter(({ role }) => role === "unknown").length, "node")} did not say.`
          : ""}
      </span>
    </div>
  );
}
