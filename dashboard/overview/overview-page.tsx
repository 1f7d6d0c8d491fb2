import type { ReactNode } from "react";
import { Link } from "wouter";
import { openCount } from "../alerts/standing.js";
import { sizeOf } from "../api/log-size.js";
import { useAlerts, useCluster, useElections } from "../api/queries.js";
import { ago, count, duration, lasting } from "../lib/format.js";
import { localTime } from "../lib/times.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import { GettingStarted } from "./getting-started.js";
import { intactnessOf } from "./intact.js";
import styles from "./overview.module.css";
import { Rate } from "./rate.js";

/** Is my log intact, who leads, what happened: in one look. */
export function OverviewPage() {
  const cluster = useCluster();
  const alerts = useAlerts();
  const now = useNow();
  if (cluster.data === undefined)
    return (
      <AskedPage title="Overview" what="the cluster" error={cluster.error} onRetry={() => void cluster.refetch()} />
    );
  const status = cluster.data.body;
  const size = sizeOf(status);
  const { tone, answer, facts, at } = intactnessOf(
    { body: status, at: cluster.dataUpdatedAt, hasFailed: cluster.error !== null },
    { body: alerts.data?.body, at: alerts.dataUpdatedAt, hasFailed: alerts.error !== null },
    now,
  );
  const open = alerts.data === undefined ? null : openCount(alerts.data.body);
  return (
    <div className={page.page}>
      <h1>Overview</h1>
      <section className={`${page.card} ${styles.answer} ${styles[tone]}`} aria-labelledby="intact">
        <h2 id="intact">Is my log intact?</h2>
        <p className={styles.big}>
          <Mark tone={tone}>{answer}</Mark>
          {tone === "bad" ? <Link href="/alerts">What was found</Link> : null}
        </p>
        <ul className={styles.facts}>
          {facts.map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
          <li>Asked {ago(now - at)}.</li>
        </ul>
      </section>
      <div className={styles.grid}>
        <Figure title="Events" value={count(size)}>
          <Link href="/events">Look at them</Link>
        </Figure>
        <Figure title="Open alerts" value={open === null ? "…" : count(open)}>
          <Link href="/alerts">{open === 0 ? "What is looked for" : "Look at them"}</Link>
        </Figure>
        <Figure title="Can lose" value={`${status.failureTolerance} of ${status.nodes.length} nodes`}>
          A majority is {status.quorum}.
        </Figure>
        <LastElection />
      </div>
      <GettingStarted status={status} size={size} />
      <Rate />
      <section className={page.card} aria-labelledby="checks">
        <h2 id="checks">How far each node has checked its log</h2>
        <Table head={["Node", "Holds", "Last full check reached", "Head"]}>
          {status.nodes.map((node) => (
            <tr key={node.id}>
              <th scope="row">{node.id}</th>
              <td>{node.detail ?? `${count(node.lastSequence + 1)} events`}</td>
              <td>{checked(node.verifiedThrough, node.lastSequence)}</td>
              <td>
                <code>{node.headHash === "" ? "none" : node.headHash.slice(0, 16)}</code>
              </td>
            </tr>
          ))}
        </Table>
      </section>
    </div>
  );
}

function checked(through: number, last: number): string {
  if (last < 0) return "nothing to verify yet";
  if (through < 0) return "not yet: it runs by its schedule";
  return through >= last ? `event ${count(through)}, all` : `event ${count(through)}, ${count(last - through)} to go`;
}

interface FigureProps {
  readonly title: string;
  readonly value: string;
  readonly children: ReactNode;
}

function Figure({ title, value, children }: FigureProps) {
  return (
    <section className={page.card}>
      <h2 className={styles.small}>{title}</h2>
      <p className={styles.value}>{value}</p>
      <p className={page.muted}>{children}</p>
    </section>
  );
}

function LastElection() {
  const [last] = useElections().data?.body.elections ?? [];
  const now = useNow();
  if (last === undefined) return null;
  return (
    <Figure title="Last election" value={`${last.leaderId}, term ${last.term}`}>
      <span title={localTime(last.at)}>
        {duration(now - Date.parse(last.at))} ago{last.tookMs === null ? "" : `, took ${lasting(last.tookMs)}`}
      </span>
    </Figure>
  );
}
