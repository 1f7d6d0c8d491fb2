import { Link } from "wouter";
import type { AlertView } from "../api/types.js";
import { ago, count, many, unturned } from "../lib/format.js";
import { localTime } from "../lib/times.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import styles from "./alerts.module.css";
import { decisionOf, isOver } from "./standing.js";

interface AlertTableProps {
  readonly title: string;
  readonly alerts: readonly AlertView[];
  readonly more: number;
  readonly now: number;
}

export function AlertTable({ title, alerts, more, now }: AlertTableProps) {
  return (
    <section className={page.card} aria-labelledby="list">
      <h2 id="list">{title}</h2>
      <Table head={["Severity", "Kind", "Wrong on", "Where", "What was found", "Found by", "Age", "Stands"]}>
        {alerts.map((alert) => (
          <AlertRow key={`${alert.node} ${alert.id}`} alert={alert} now={now} />
        ))}
      </Table>
      {more > 0 ? <p className={page.muted}>{many(more, "more alert")} are not shown.</p> : null}
    </section>
  );
}

function AlertRow({ alert, now }: { readonly alert: AlertView; readonly now: number }) {
  return (
    <tr>
      <td>
        {isOver(alert.status) ? (
          alert.severity
        ) : (
          <Mark tone={alert.severity === "critical" ? "bad" : "warn"}>{alert.severity}</Mark>
        )}
      </td>
      <th scope="row">
        <Link href={`/alerts?alert=${alert.id}`}>
          <code>{alert.kind}</code>
        </Link>
      </th>
      <td>{alert.accused}</td>
      <td className={styles.whole}>
        <Where alert={alert} />
      </td>
      <td className={page.break}>
        <bdi>{unturned(alert.detail)}</bdi>
      </td>
      <td>{alert.foundBy === undefined ? alert.node : `${alert.node}, ${alert.foundBy}`}</td>
      <td className={styles.whole} title={localTime(alert.openedAt)}>
        {ago(now - Date.parse(alert.openedAt))}
      </td>
      <td>
        <Stands alert={alert} />
      </td>
    </tr>
  );
}

export function Where({ alert: { sequence, height } }: { readonly alert: AlertView }) {
  if (sequence === undefined && height === undefined) return "the node";
  return (
    <>
      {sequence === undefined ? null : (
        <div>
          <Link href={`/chain?at=${sequence}`}>event {count(sequence)}</Link>
        </div>
      )}
      {height === undefined ? null : <div>block {count(height)}</div>}
    </>
  );
}

function Stands({ alert }: { readonly alert: AlertView }) {
  const decision = decisionOf(alert);
  const word = alert.resolution ?? alert.status;
  return decision === undefined ? word : `${word} by ${decision.actor}`;
}
