import { useState } from "react";
import { Link } from "wouter";
import { LentNote } from "../alerts/lent-note.js";
import { actionWord } from "../alerts/standing.js";
import type { AlertView, NodeView } from "../api/types.js";
import { count, many, unturned } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { moment, zoneName } from "../lib/times.js";
import { AskedPage } from "../parts/asked-page.js";
import { Button } from "../parts/button.js";
import { Mark } from "../parts/mark.js";
import { Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import { alertsIn, electionsIn, type Period, periodIn } from "./period.js";
import styles from "./report-page.module.css";
import { type ReportFacts, useReport } from "./use-report.js";

/** What an auditor asks of a period: how far it was verified, what was found, who decided what, which hashes it ended with. */
export function ReportPage() {
  const { parameters, change } = useParameters();
  const [openedAt] = useState(() => Date.now());
  const period = periodIn(parameters.get("from"), parameters.get("to"), openedAt);
  const report = useReport(period);
  if (report.data === undefined)
    return <AskedPage title="Report" what="the report" error={report.error} onRetry={() => void report.refetch()} />;
  const { body: facts, servedBy } = report.data;
  const { alerts, decisions } = alertsIn(facts.alerts.alerts, period);
  return (
    <div className={`${page.page} ${styles.report}`}>
      <div className={page.header}>
        <h1>
          Report, {period.from} to {period.to}
        </h1>
        <div className={`${page.row} ${styles.controls}`}>
          <Days period={period} onChoose={change} />
          <Button onClick={() => void report.refetch()}>Ask again</Button>
          <Button kind="main" onClick={() => window.print()}>
            Print
          </Button>
        </div>
      </div>
      <Outdated asked={report} />
      <p className={page.muted}>
        Made {moment(facts.madeAt)} ({zoneName()}) from what {servedBy} told, of the cluster{" "}
        <code className={styles.hash}>{facts.status.clusterId}</code>. Days are whole days in UTC.
      </p>
      <LentNote what="Some of what follows" sources={facts.sources} />
      <Log facts={facts} />
      <Coverage facts={facts} />
      <Found alerts={alerts} facts={facts} />
      <section className={page.card} aria-labelledby="decisions">
        <h2 id="decisions">{decisions.length === 0 ? "Nobody decided anything" : "Decisions"}</h2>
        {decisions.length === 0 ? null : (
          <Table head={[`Time (${zoneName()})`, "By", "What", "Alert", "Reason"]}>
            {decisions.map(({ at, actor, action, reason, alert, n }) => (
              <tr key={`${alert.id} ${n}`}>
                <td className={page.number}>{moment(at)}</td>
                <td className={page.break}>
                  <bdi>{actor}</bdi>
                </td>
                <td>{actionWord(action)}</td>
                <td>
                  <AlertLink alert={alert} />
                </td>
                <td className={page.break}>
                  <bdi>{reason ?? ""}</bdi>
                </td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      <Leaders facts={facts} period={period} />
    </div>
  );
}

interface DaysProps {
  readonly period: Period;
  onChoose(days: { from?: string; to?: string }): void;
}

function Days({ period, onChoose }: DaysProps) {
  return (
    <>
      <label className={styles.day}>
        From
        <input
          type="date"
          value={period.from}
          onChange={({ target }) => onChoose({ from: target.value, to: period.to })}
        />
      </label>
      <label className={styles.day}>
        to
        <input
          type="date"
          value={period.to}
          onChange={({ target }) => onChoose({ from: period.from, to: target.value })}
        />
      </label>
    </>
  );
}

/** Each hash holds all before it: two of them hold the whole period. */
function Log({ facts: { counted, first, last, status } }: { readonly facts: ReportFacts }) {
  const heads = status.nodes.filter(({ role, headHash }) => role !== "unknown" && headHash !== "");
  const isLevel = new Set(heads.map(({ lastSequence }) => lastSequence)).size === 1;
  const isEqual = new Set(heads.map(({ headHash }) => headHash)).size === 1;
  return (
    <section className={page.card} aria-labelledby="log">
      <h2 id="log">
        {many(counted.total, "event")}
        {counted.isPartial === true ? " that were counted in time" : ""}
      </h2>
      {first === null || last === null ? (
        <p>
          No event was recorded in these days: choose other ones above, or see{" "}
          <Link href="/events">when events came</Link>.
        </p>
      ) : (
        <dl className={styles.facts}>
          <dt>First</dt>
          <dd>
            event {count(first.sequence)}, {moment(first.recordedAt)}
            {first.previousHash === "" ? (
              ": the log begins here"
            ) : (
              <>
                , behind the hash <code className={styles.hash}>{first.previousHash}</code>
              </>
            )}
          </dd>
          <dt>Last</dt>
          <dd>
            event {count(last.sequence)}, {moment(last.recordedAt)}, block {count(last.height)}, with the hash{" "}
            <code className={styles.hash}>{last.hash}</code>
          </dd>
        </dl>
      )}
      <h3>Heads when this was made</h3>
      <p>
        {heads.length === 0 ? (
          <Mark tone="unknown">no events yet</Mark>
        ) : isEqual ? (
          <Mark tone="ok">{`equal on ${heads.length} of ${status.nodes.length} nodes`}</Mark>
        ) : isLevel ? (
          <Mark tone="bad">nodes name different heads</Mark>
        ) : (
          <Mark tone="unknown">nodes are not equally far</Mark>
        )}
      </p>
      <Table head={["Node", "Newest event", "Its hash"]}>
        {status.nodes.map(({ id, role, lastSequence, headHash }) => (
          <tr key={id}>
            <th scope="row">{id}</th>
            <td className={page.number}>
              {role === "unknown" ? "no answer" : lastSequence < 0 ? "none" : count(lastSequence)}
            </td>
            <td>
              <code className={styles.hash}>{headHash === "" ? "none" : headHash}</code>
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

/** Passes over the log, and the watch: what was read again is told apart from what was verified when it was stored. */
function Coverage({ facts: { status, first, last } }: { readonly facts: ReportFacts }) {
  return (
    <section className={page.card} aria-labelledby="coverage">
      <h2 id="coverage">How far it was verified</h2>
      <p className={page.muted}>
        Every event was verified when a node stored it. Passes read it again, and the watch tells of a change at once.
      </p>
      <Table
        head={[
          "Node",
          "Read again by its last pass",
          `That pass ended (${zoneName()})`,
          `Oldest check (${zoneName()})`,
          "Watch",
        ]}
      >
        {status.nodes.map((node) => (
          <tr key={node.id}>
            <th scope="row">{node.id}</th>
            <td>{passed(node, first?.sequence ?? null, last?.sequence ?? null)}</td>
            <td className={page.number}>{node.lastPassAt === null ? "none yet" : moment(node.lastPassAt)}</td>
            <td className={page.number}>
              {node.oldestVerifiedAt === null ? "none yet" : moment(node.oldestVerifiedAt)}
            </td>
            <td>{node.watch}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function passed({ role, verifiedThrough }: NodeView, first: number | null, last: number | null): string {
  if (role === "unknown") return "no answer";
  if (first === null || last === null) return "there are no events";
  const all = last - first + 1;
  const done = Math.max(0, Math.min(last, verifiedThrough) - first + 1);
  return done === all ? `all ${count(all)}` : `${count(done)} of ${count(all)}`;
}

function Found({
  alerts,
  facts: { alerts: list },
}: {
  readonly alerts: readonly AlertView[];
  readonly facts: ReportFacts;
}) {
  return (
    <section className={page.card} aria-labelledby="found">
      <h2 id="found">{alerts.length === 0 ? "No alert stood in this time" : many(alerts.length, "alert")}</h2>
      {list.unreachable.length > 0 ? (
        <p>{list.unreachable.join(", ")} did not tell: of it only what the log says is here.</p>
      ) : null}
      {list.more > 0 ? <p>{many(list.more, "older alert")} were not told and are not here.</p> : null}
      {alerts.length === 0 ? null : (
        <Table head={[`Found (${zoneName()})`, "Kind", "Severity", "On", "What", "Stands"]}>
          {alerts.map((alert) => (
            <tr key={`${alert.node} ${alert.id}`}>
              <td className={page.number}>{moment(alert.openedAt)}</td>
              <th scope="row">
                <AlertLink alert={alert} />
              </th>
              <td>{alert.severity}</td>
              <td>{alert.accused}</td>
              <td className={page.break}>
                <bdi>{unturned(alert.detail)}</bdi>
              </td>
              <td>{alert.resolution ?? alert.status}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

const AlertLink = ({ alert: { id, kind } }: { readonly alert: AlertView }) => (
  <Link href={`/alerts?alert=${id}`}>
    <code>{kind}</code>
  </Link>
);

function Leaders({ facts: { elections }, period }: { readonly facts: ReportFacts; readonly period: Period }) {
  const within = electionsIn(elections.elections, period);
  return (
    <section className={page.card} aria-labelledby="leaders">
      <h2 id="leaders">{within.length === 0 ? "Nobody was elected" : many(within.length, "election")}</h2>
      {within.length === 0 ? null : (
        <Table head={["Term", "Leader", `Since (${zoneName()})`, "After", "Writes refused"]}>
          {within.map(({ term, leaderId, at, previousLeader, writesRefused }) => (
            <tr key={term}>
              <th scope="row">{count(term)}</th>
              <td>{leaderId}</td>
              <td className={page.number}>{moment(at)}</td>
              <td>{previousLeader ?? "–"}</td>
              <td className={page.number}>{count(Object.values(writesRefused).reduce((sum, one) => sum + one, 0))}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
