import { useRef, useState } from "react";
import { Link } from "wouter";
import { useAlert } from "../api/queries.js";
import type { AlertView, PlaceRange } from "../api/types.js";
import { ago, count, duration, lasting, many, unturned } from "../lib/format.js";
import { moment, zoneName } from "../lib/times.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { Facts } from "../parts/facts.js";
import { Mark } from "../parts/mark.js";
import { Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import { useVerification } from "../verify/use-verification.js";
import { Comparison } from "./comparison.js";
import { Overtaken, ResolveForm } from "./resolve-form.js";
import { actionWord, causeOf, foundAt, isOver } from "./standing.js";

/** One finding in full: what differs, how it was found, what was decided, and what can be. */
export function AlertDetail({ id }: { readonly id: string }) {
  const alert = useAlert(id);
  const now = useNow();
  const [isMine, setMine] = useState(false);
  // How it stood when the person opened it.
  const first = useRef<string | undefined>(undefined);
  first.current ??= alert.data?.body.status;
  const wasOpen = first.current !== undefined && !isOver(first.current);
  if (alert.data === undefined)
    return <AskedPage title="Alert" what="the alert" error={alert.error} onRetry={() => void alert.refetch()} />;
  const found = alert.data.body;
  const { kind, severity, accused, status, sequence, height } = found;
  const place =
    sequence !== undefined ? ` at event ${count(sequence)}` : height === undefined ? "" : ` at block ${count(height)}`;
  return (
    <div className={page.page}>
      <div className={page.header}>
        <h1 className={page.break}>
          <code>{kind}</code>
          {place} on {accused}
        </h1>
        <Link href="/alerts">All alerts</Link>
      </div>
      <Outdated asked={alert} />
      <p className={page.row}>
        {isOver(status) ? severity : <Mark tone={severity === "critical" ? "bad" : "warn"}>{severity}</Mark>}
        <Mark tone={isOver(status) ? "ok" : status === "open" ? "bad" : "warn"}>{found.resolution ?? status}</Mark>
        <span>
          {isOver(status) ? "found" : "open for"}{" "}
          {isOver(status) ? ago(now - Date.parse(found.openedAt)) : duration(now - Date.parse(found.openedAt))}
        </span>
      </p>
      <section className={page.card} aria-labelledby="what">
        <h2 id="what">What was found</h2>
        <p className={page.break}>
          <bdi>{unturned(found.detail)}</bdi>
        </p>
        <p>
          <strong>Likely cause.</strong> {causeOf(kind)}
        </p>
        {found.maintenance?.map(({ actor, reason }) => (
          <p className={page.break} key={`${actor} ${reason}`}>
            Work on {accused} was announced for that time, by <bdi>{actor}</bdi>: <bdi>{reason}</bdi>
          </p>
        ))}
        <AlertFacts alert={found} />
        <p>
          <a href={`api/v1/alerts/${encodeURIComponent(id)}/evidence`} download={`evidence-${id}.json`}>
            Download the evidence
          </a>{" "}
          <span className={page.muted}>as JSON that can be checked without a node; payloads are in it.</span>
        </p>
      </section>
      <ComparisonOf alert={found} />
      <History alert={found} />
      {isOver(status) ? (
        wasOpen && !isMine ? (
          <Overtaken alert={found} />
        ) : null
      ) : (
        <ResolveForm alert={found} etag={alert.data.etag} onDecided={() => setMine(true)} />
      )}
    </div>
  );
}

/** The committed event is asked for where the finding names one. */
function ComparisonOf({ alert }: { readonly alert: AlertView }) {
  const { differences = [] } = alert;
  const sequence = differences.find((one) => one.sequence !== undefined)?.sequence;
  if (differences.length === 0) return null;
  return sequence === undefined ? (
    <Comparison alert={alert} sequence={null} verified={undefined} isAsking={false} />
  ) : (
    <WithCommitted alert={alert} sequence={sequence} />
  );
}

function WithCommitted({ alert, sequence }: { readonly alert: AlertView; readonly sequence: number }) {
  const verified = useVerification(sequence);
  return (
    <>
      <Outdated asked={verified} what="the committed event" />
      <Comparison alert={alert} sequence={sequence} verified={verified.data} isAsking={verified.isPending} />
    </>
  );
}

function AlertFacts({ alert }: { readonly alert: AlertView }) {
  const { node, foundBy, changedAt, lastKnownGoodAt, agreeing, occurrences, evidence } = alert;
  const at = (text: string): string => `${moment(text)} ${zoneName()}`;
  const facts: [string, string][] = [
    ["Found by", foundBy === undefined ? node : `${node}, by its ${BY[foundBy] ?? foundBy}`],
    ["Found at", at(foundAt(alert))],
    ...(changedAt === undefined
      ? []
      : [
          ["Changed at", `${at(changedAt)}, by MongoDB’s own log`] as [string, string],
          ["Found after", lasting(Math.max(0, Date.parse(foundAt(alert)) - Date.parse(changedAt)))] as [string, string],
        ]),
    ...(lastKnownGoodAt === undefined ? [] : [["Last known good", at(lastKnownGoodAt)] as [string, string]]),
    ...(agreeing === undefined
      ? []
      : [["Hold the committed copy", agreeing.join(", ") || "none that answered"] as [string, string]]),
    ...rangesFact("Event", alert.sequences),
    ...rangesFact("Block", alert.heights),
    ["Found again", occurrences === 1 ? "no" : many(occurrences - 1, "time")],
    ["Kept as evidence", evidence === undefined ? "nothing" : many(evidence.length, "document")],
  ];
  return <Facts facts={facts} />;
}

const BY: Readonly<Record<string, string>> = {
  watch: "watch",
  scrub: "pass over the log",
  read: "read of it",
  start: "check at its start",
};

function rangesFact(name: string, ranges: readonly PlaceRange[] | undefined): [string, string][] {
  if (ranges === undefined || ranges.length === 0) return [];
  const isOne = ranges.length === 1 && ranges.every(([first, last]) => first === last);
  return [
    [
      isOne ? name : `${name}s`,
      ranges.map(([first, last]) => (first === last ? count(first) : `${count(first)} to ${count(last)}`)).join(", "),
    ],
  ];
}

function History({ alert: { history = [], progress } }: { readonly alert: AlertView }) {
  if (history.length === 0) return null;
  return (
    <section className={page.card} aria-labelledby="history">
      <h2 id="history">What became of it</h2>
      {progress === undefined ? null : (
        <p role="status">
          {count(progress.done)} of {count(progress.of)} are put right.
        </p>
      )}
      <Table head={[`Time (${zoneName()})`, "What", "By", "Reason"]}>
        {history.map(({ n, at, action, actor, reason, detail }) => (
          <tr key={n}>
            <td className={page.number}>{moment(at)}</td>
            <td>{actionWord(action)}</td>
            <td className={page.break}>
              <bdi>{actor ?? ""}</bdi>
            </td>
            <td className={page.break}>
              <bdi>{reason ?? detail ?? ""}</bdi>
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
