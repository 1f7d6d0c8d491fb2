import { useState } from "react";
import { useAlerts, useCluster } from "../api/queries.js";
import type { ClusterView } from "../api/types.js";
import { ago } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { isPausedIn, turned } from "../lib/still.js";
import { moment, zoneName } from "../lib/times.js";
import { useHeld } from "../lib/use-held.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { Button } from "../parts/button.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import { ChaosPanel } from "./chaos-panel.js";
import { Checks } from "./checks.js";
import styles from "./cluster.module.css";
import { Elections } from "./elections.js";
import { Nodes } from "./nodes.js";
import { Ring } from "./ring.js";
import { StepDown } from "./step-down.js";

/** Who is there, who leads, what each node itself says, and how it came to that. */
export function ClusterPage() {
  const cluster = useCluster();
  const alerts = useAlerts();
  const now = useNow();
  const [isStepDownOpen, setStepDownOpen] = useState(false);
  if (cluster.data === undefined)
    return (
      <AskedPage title="Cluster" what="the cluster" error={cluster.error} onRetry={() => void cluster.refetch()} />
    );
  const { body: status, servedBy } = cluster.data;
  return (
    <div className={page.page}>
      <div className={page.header}>
        <h1>Cluster</h1>
        <p className={page.muted}>
          As {servedBy} sees it, {ago(now - cluster.dataUpdatedAt)}
        </p>
        <Button onClick={() => setStepDownOpen(true)} disabled={status.leaderId === null}>
          Change the leader …
        </Button>
      </div>
      <div className={styles.top}>
        <Topology status={status} toldAt={cluster.dataUpdatedAt} />
        <Views status={status} />
      </div>
      <Elections status={status} />
      <ChaosPanel />
      <Nodes status={status} />
      <Checks status={status} alerts={alerts} now={now} />
      <StepDown status={status} isOpen={isStepDownOpen} onOpenChange={setStepDownOpen} />
    </div>
  );
}

interface TopologyProps {
  readonly status: ClusterView;
  /** Milliseconds since 1970. */
  readonly toldAt: number;
}

/** The ring moves with every answer: it is held as the timeline is, by the same choice. */
function Topology({ status, toldAt }: TopologyProps) {
  const { parameters, change } = useParameters();
  const isPaused = isPausedIn(parameters);
  const shown = useHeld({ status, toldAt }, isPaused);
  return (
    <section className={page.card} aria-labelledby="topology">
      <div className={page.header}>
        <h2 id="topology">Topology</h2>
        <Button aria-pressed={isPaused} onClick={() => change({ paused: turned(isPaused) }, { replace: true })}>
          {isPaused ? "▶ Resume" : "❚❚ Pause"}
        </Button>
      </div>
      <Ring status={shown.status} />
      {isPaused ? (
        <p>
          The ring as it was at {moment(new Date(shown.toldAt).toISOString())} {zoneName()}.
        </p>
      ) : null}
      <p className={page.muted}>
        A majority is {status.quorum} of {status.nodes.length}; {status.failureTolerance} more can fail now. An arc is
        the time until a node runs for leader if it hears none; filled are those in the newest term. t is the term, the
        rank is the priority.
      </p>
    </section>
  );
}

/** What each node itself says; any two that disagree are seen here. */
function Views({ status }: { readonly status: ClusterView }) {
  const words = (view: ClusterView["views"][number]): string => `${view.leaderId ?? "nobody"} in term ${view.term}`;
  const said = new Set(status.views.map(words));
  const unheard = status.nodes.filter(({ id }) => !status.views.some(({ node }) => node === id));
  return (
    <section className={page.card} aria-labelledby="views">
      <h2 id="views">Who leads, by each node’s own word</h2>
      <p>
        {said.size > 1 ? (
          <Mark tone="bad">they disagree</Mark>
        ) : unheard.length > 0 ? (
          <Mark tone="unknown">{`${status.views.length} of ${status.nodes.length} answer`}</Mark>
        ) : (
          <Mark tone="ok">all agree</Mark>
        )}
      </p>
      <Table head={["Node", "Says"]}>
        {status.views.map((view) => (
          <tr key={view.node} className={said.size > 1 ? styles.disagrees : undefined}>
            <th scope="row">{view.node}</th>
            <td>{said.size > 1 ? <Mark tone="bad">{leadsOf(view)}</Mark> : leadsOf(view)}</td>
          </tr>
        ))}
        {unheard.map(({ id, detail }) => (
          <tr key={id}>
            <th scope="row">{id}</th>
            <td>
              <Mark tone="unknown">no answer</Mark> {detail}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

const leadsOf = ({ leaderId, term }: ClusterView["views"][number]): string =>
  `${leaderId ?? "nobody"} leads, term ${term}`;
