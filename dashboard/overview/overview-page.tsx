import type { ReactNode } from "react";
import { Link } from "wouter";
import { useAlerts, useChaos, useCluster, useElections } from "../api/queries.js";
import { ago, count, duration, lasting, localTime } from "../lib/format.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { FirstEvent } from "../parts/first-event.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
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
  const size = Math.max(...status.nodes.map((node) => node.lastSequence)) + 1;
  const { tone, answer, facts } = intactnessOf(status, alerts.data?.body);
  return (
    <div className={page.page}>
      <h1>Overview</h1>
      <section className={`${page.card} ${styles.answer} ${styles[tone]}`} aria-labelledby="intact">
        <h2 id="intact">Is my log intact?</h2>
        <p className={styles.big}>
          <Mark tone={tone}>{answer}</Mark>
        </p>
        <ul className={styles.facts}>
          {facts.map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
          <li>Asked {ago(now - cluster.dataUpdatedAt)}.</li>
        </ul>
      </section>
      <div className={styles.grid}>
        <Figure title="Events" value={count(size)}>
          <Link href="/events">Look at them</Link>
        </Figure>
        <Figure
          title="Open alerts"
          value={alerts.data === undefined ? "…" : count(alerts.data.body.alerts.length + alerts.data.body.more)}
        >
          <Link href="/alerts">{alerts.data?.body.alerts.length === 0 ? "What is looked for" : "Look at them"}</Link>
        </Figure>
        <Figure title="Can lose" value={`${status.failureTolerance} of ${status.nodes.length} nodes`}>
          A majority is {status.quorum}.
        </Figure>
        <LastElection />
      </div>
      {size === 0 ? (
        <section className={page.card} aria-labelledby="begin">
          <h2 id="begin">Getting started</h2>
          <FirstEvent />
        </section>
      ) : null}
      <TryIt />
      <Rate />
      <section className={page.card} aria-labelledby="checks">
        <h2 id="checks">How far each node has checked its log</h2>
        <div className={page.scroll}>
          <table className={page.table}>
            <thead>
              <tr>
                <th scope="col">Node</th>
                <th scope="col">Holds</th>
                <th scope="col">Last full check reached</th>
                <th scope="col">Head</th>
              </tr>
            </thead>
            <tbody>
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
            </tbody>
          </table>
        </div>
      </section>
    </div>
  );
}

function checked(through: number, last: number): string {
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

/** Where faults may be made, the shortest way to see one found. */
function TryIt() {
  if (useChaos().data?.body.allowed !== true) return null;
  return (
    <section className={page.card} aria-labelledby="try">
      <h2 id="try">Try it</h2>
      <p>
        This cluster takes faults on demand. On the <Link href="/cluster">Cluster page</Link> press “Alter an event” for
        one node: within seconds its row of the <Link href="/chain">chain</Link> breaks, and an{" "}
        <Link href="/alerts">alert</Link> names the event and the field.
      </p>
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
