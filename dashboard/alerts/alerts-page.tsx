import { Link } from "wouter";
import { useAlerts, useCluster, useResolvedAlerts } from "../api/queries.js";
import type { AlertList, AlertView, ClusterView } from "../api/types.js";
import { ago, count, many } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { moment, zoneName } from "../lib/times.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { Button } from "../parts/button.js";
import { Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import { Empty, Failure, Loading, Stale } from "../parts/states.js";
import { AlertDetail } from "./alert-detail.js";
import { AlertTable } from "./alert-table.js";
import { isDecided, openCount } from "./standing.js";

const SHOWN = ["open", "acknowledged", "resolved"] as const;
type Shown = (typeof SHOWN)[number];
const TITLES: Readonly<Record<Shown, string>> = { open: "Open", acknowledged: "Acknowledged", resolved: "Resolved" };

/** What was found on all nodes that answer, and one of these findings in full. */
export function AlertsPage() {
  const { parameters } = useParameters();
  const id = parameters.get("alert");
  return id === null ? <Inbox /> : <AlertDetail key={id} id={id} />;
}

function Inbox() {
  const alerts = useAlerts();
  const now = useNow();
  const { parameters, change } = useParameters();
  if (alerts.data === undefined)
    return <AskedPage title="Alerts" what="alerts" error={alerts.error} onRetry={() => void alerts.refetch()} />;
  const list = alerts.data.body;
  const shown = SHOWN.find((one) => one === parameters.get("show")) ?? "open";
  const counts: Partial<Record<Shown, number>> = {
    open: openCount(list),
    acknowledged: list.alerts.filter(({ status }) => isDecided(status)).length,
  };
  return (
    <div className={page.page}>
      <div className={page.header}>
        <h1>Alerts</h1>
        <p className={page.muted}>Told {ago(now - alerts.dataUpdatedAt)}.</p>
      </div>
      {alerts.error === null ? null : (
        <Stale
          text={`They could not be asked for again: these are the last ones that were told, ${ago(now - alerts.dataUpdatedAt)}.`}
        />
      )}
      <Unheard list={list} />
      <div className={page.row} role="group" aria-label="Which alerts">
        {SHOWN.map((one) => (
          <Button key={one} aria-pressed={shown === one} onClick={() => change({ show: one === "open" ? "" : one })}>
            {TITLES[one]}
            {counts[one] === undefined ? "" : ` ${count(counts[one])}`}
          </Button>
        ))}
      </div>
      {shown === "resolved" ? <Resolved now={now} /> : <Unresolved list={list} shown={shown} now={now} />}
    </div>
  );
}

interface UnresolvedProps {
  readonly list: AlertList;
  readonly shown: "open" | "acknowledged";
  readonly now: number;
}

function Unresolved({ list, shown, now }: UnresolvedProps) {
  const found = list.alerts.filter(({ status }) => isDecided(status) === (shown === "acknowledged"));
  if (found.length > 0) {
    const title = many(found.length + list.more, shown === "open" ? "open alert" : "acknowledged alert");
    return <AlertTable title={title} alerts={found} more={list.more} now={now} />;
  }
  return shown === "open" ? (
    <NoAlerts list={list} />
  ) : (
    <Empty title="No alert is acknowledged">
      <p>An alert stands here while somebody sees to it: open one, and acknowledge it with your name.</p>
    </Empty>
  );
}

function Resolved({ now }: { readonly now: number }) {
  const resolved = useResolvedAlerts();
  if (resolved.data === undefined)
    return resolved.error === null ? (
      <Loading what="resolved alerts" />
    ) : (
      <Failure error={resolved.error} onRetry={() => void resolved.refetch()} />
    );
  const { alerts, more } = resolved.data.body;
  return (
    <>
      <Outdated asked={resolved} />
      {alerts.length > 0 ? (
        <AlertTable title={many(alerts.length + more, "resolved alert")} alerts={alerts} more={more} now={now} />
      ) : (
        <Empty title="No alert was resolved yet">
          <p>
            Whoever repairs, rebuilds or dismisses an alert gives a name and a reason; both stay here and in the log.
          </p>
        </Empty>
      )}
    </>
  );
}

function Unheard({ list: { unreachable } }: { readonly list: AlertList }) {
  if (unreachable.length === 0) return null;
  return (
    <Stale
      text={`${unreachable.join(", ")} did not tell: there may be alerts on it that are not shown. Start it again, or open its own page.`}
    />
  );
}

function NoAlerts({ list }: { readonly list: AlertList }) {
  const status = useCluster().data?.body;
  const asked = useResolvedAlerts();
  const resolved = asked.data?.body;
  return (
    <Empty title={list.unreachable.length === 0 ? "No alert is open" : "No alert is open on the nodes that told"}>
      <Outdated asked={asked} what="since when nothing was found" />
      {status === undefined || resolved === undefined ? null : (
        <p>
          {list.unreachable.length + resolved.unreachable.length === 0 ? sinceOf(resolved.alerts) : null}{" "}
          {coverageOf(status)}
        </p>
      )}
      <p>
        A node raises one when a block is not what its leader signed, does not fit the chain, or is not the one that was
        committed: when it stores it, when it reads it, when its database tells of a change, and in its passes over the
        whole log.
      </p>
      <Link href="/cluster">What each node checks, and how far it is</Link>
    </Empty>
  );
}

/** When anything was found last. */
function sinceOf(resolved: readonly AlertView[]): string {
  const found = resolved.filter(({ severity }) => severity === "critical");
  const last = found.toSorted((a, b) => Date.parse(a.lastSeenAt) - Date.parse(b.lastSeenAt)).at(-1);
  if (last === undefined) return "No divergence since the log began.";
  const { lastSeenAt, kind, accused } = last;
  return `No divergence since ${moment(lastSeenAt)} ${zoneName()}: ${kind} on ${accused} was seen last.`;
}

/** How much of all that is stored was looked at. */
function coverageOf({ nodes }: ClusterView): string {
  const answering = nodes.filter(({ role }) => role !== "unknown");
  const held = answering.reduce((sum, node) => sum + node.lastSequence + 1, 0);
  const verified = answering.reduce((sum, node) => sum + Math.min(node.verifiedThrough, node.lastSequence) + 1, 0);
  const share = held === 0 ? 100 : Math.floor((100 * verified) / held);
  const watching = answering.filter(({ watch }) => watch === "live").length;
  return `Passes over the log have covered ${share} % of what ${answering.length} of ${nodes.length} nodes hold; ${watching} of them see a change at once.`;
}
