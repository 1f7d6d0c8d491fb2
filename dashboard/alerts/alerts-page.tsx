import { Link } from "wouter";
import { useAlerts } from "../api/queries.js";
import type { AlertList, AlertView } from "../api/types.js";
import { ago, count, localTime, many } from "../lib/format.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Empty, Stale } from "../parts/states.js";

/** Every open finding of every node that answers. */
export function AlertsPage() {
  const alerts = useAlerts();
  const now = useNow();
  if (alerts.data === undefined)
    return <AskedPage title="Alerts" what="alerts" error={alerts.error} onRetry={() => void alerts.refetch()} />;
  const list = alerts.data.body;
  return (
    <div className={page.page}>
      <div className={page.header}>
        <h1>Alerts</h1>
        <p className={page.muted}>Told {ago(now - alerts.dataUpdatedAt)}.</p>
      </div>
      {alerts.error === null ? null : (
        <Stale text="They could not be asked for again: these are the last ones that were told." />
      )}
      {list.unreachable.length > 0 ? (
        <Stale
          text={`${list.unreachable.join(", ")} did not tell: there may be alerts on it that are not shown. Start it again, or open its own page.`}
        />
      ) : null}
      {list.alerts.length === 0 ? <NoAlerts list={list} /> : <AlertTable list={list} now={now} />}
    </div>
  );
}

function NoAlerts({ list }: { readonly list: AlertList }) {
  return (
    <Empty title={list.unreachable.length === 0 ? "No alert is open" : "No alert is open on the nodes that told"}>
      <p>
        A node raises one when a block is not what its leader signed, does not fit the chain, or is not the one that was
        committed: when it stores it, when it reads it, at its start, and in its scheduled check.
      </p>
      <Link href="/">How far each node has checked its log</Link>
    </Empty>
  );
}

function AlertTable({ list, now }: { readonly list: AlertList; readonly now: number }) {
  return (
    <section className={page.card} aria-labelledby="open">
      <h2 id="open">{many(list.alerts.length + list.more, "open alert")}</h2>
      <div className={page.scroll}>
        <table className={page.table}>
          <thead>
            <tr>
              <th scope="col">Severity</th>
              <th scope="col">Kind</th>
              <th scope="col">Wrong on</th>
              <th scope="col">Where</th>
              <th scope="col">What was found</th>
              <th scope="col">Found by</th>
              <th scope="col">Open for</th>
              <th scope="col">Times</th>
            </tr>
          </thead>
          <tbody>
            {list.alerts.map((alert) => (
              <AlertRow key={`${alert.node} ${alert.id}`} alert={alert} now={now} />
            ))}
          </tbody>
        </table>
      </div>
      {list.more > 0 ? <p className={page.muted}>{many(list.more, "more alert")} are not shown.</p> : null}
    </section>
  );
}

function AlertRow({ alert, now }: { readonly alert: AlertView; readonly now: number }) {
  const { sequence, height } = alert;
  return (
    <tr>
      <td>
        <Mark tone={alert.severity === "critical" ? "bad" : "warn"}>{alert.severity}</Mark>
      </td>
      <th scope="row">
        <code>{alert.kind}</code>
      </th>
      <td>{alert.accused}</td>
      <td>
        {sequence === undefined ? null : (
          <div>
            <Link href={`/chain?at=${sequence}`}>event {count(sequence)}</Link>
          </div>
        )}
        {height === undefined ? null : <div>block {count(height)}</div>}
        {sequence === undefined && height === undefined ? "the node" : null}
      </td>
      <td className={page.break}>
        <bdi>{alert.detail}</bdi>
      </td>
      <td>{alert.node}</td>
      <td title={localTime(alert.openedAt)}>{ago(now - Date.parse(alert.openedAt))}</td>
      <td className={page.number}>{count(alert.occurrences)}</td>
    </tr>
  );
}
