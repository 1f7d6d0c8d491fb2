import { useAlertAt } from "../alerts/use-accused.js";
import { useLogSize } from "../api/log-size.js";
import { useAlerts, useChain, useCluster } from "../api/queries.js";
import type { ClusterView } from "../api/types.js";
import { count } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { isPausedIn, turned } from "../lib/still.js";
import { useHeld } from "../lib/use-held.js";
import { AskedPage } from "../parts/asked-page.js";
import { Button } from "../parts/button.js";
import { FirstEvent } from "../parts/first-event.js";
import { Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import { Empty } from "../parts/states.js";
import { ChainRuns } from "./chain-runs.js";
import { Heads, Summary } from "./chain-summary.js";
import { ChainTable } from "./chain-table.js";
import { pictureOf } from "./columns.js";
import { Jump, Pager, ZOOMS, type Zoom, ZoomChoice } from "./controls.js";
import { runsOfLog, runsOfPicture } from "./runs.js";
import { useColumns } from "./use-columns.js";
import { WholeLog } from "./whole-log.js";

/** As many as a node is asked for at once. */
const BARS = 500;

/** One row a node, the newest right: one node's difference is seen at once. */
export function ChainPage() {
  const { parameters, change } = useParameters();
  const asked = parameters.get("at") ?? "";
  const at = /^\d{1,15}$/.test(asked) ? Number(asked) : null;
  const zoom = ZOOMS.find((one) => one === parameters.get("zoom")) ?? "tile";
  const isPaused = isPausedIn(parameters);
  const tiles = useColumns();
  const columns = zoom === "tile" ? tiles : BARS;
  const grown = useLogSize();
  const size = useHeld(grown, isPaused);
  const chain = useChain(at === null ? null : firstOf(at, columns, size), columns, !isPaused);
  const accusedBy = useAlertAt();
  const status = useHeld(useCluster().data?.body, isPaused);
  const alerts = useAlerts().data?.body.alerts ?? [];
  const leaderId = status?.leaderId ?? null;
  if (chain.data === undefined)
    return <AskedPage title="Chain" what="the chain" error={chain.error} onRetry={() => void chain.refetch()} />;
  const view = chain.data.body;
  const picture = pictureOf(view, view.count, (node, sequence) => accusedBy(node, sequence)?.kind);
  const move = (sequence: number, options?: { replace: boolean }): void => change({ at: String(sequence) }, options);
  return (
    <div className={`${page.page} ${page.wide}`}>
      <div className={page.header}>
        <h1>Chain</h1>
        <div className={page.row}>
          <Button aria-pressed={isPaused} onClick={() => change({ paused: turned(isPaused) }, { replace: true })}>
            {isPaused ? `▶ Resume (+${count(Math.max(0, (grown ?? 0) - (size ?? 0)))})` : "❚❚ Pause"}
          </Button>
          <Button onClick={() => change({ at: "" })} disabled={at === null}>
            Newest
          </Button>
          <ZoomChoice zoom={zoom} onChoose={(next) => change({ zoom: next === "tile" ? "" : next })} />
          <Jump onJump={(sequence) => change({ at: sequence })} />
        </div>
      </div>
      <Outdated asked={chain} />
      {view.size === 0 ? (
        <Empty title="The log has no events yet">
          <FirstEvent />
        </Empty>
      ) : picture.sequences.length === 0 ? (
        <Empty title={`The log ends at event ${count(view.size - 1)}`}>
          <Button onClick={() => change({ at: "" })}>Show the newest</Button>
        </Empty>
      ) : (
        <section className={page.card} aria-label="The chain, node by node">
          {status === undefined ? null : <Heads status={status} alerts={alerts} />}
          <Summary picture={picture} accusedBy={accusedBy} />
          {zoom === "tile" ? (
            <ChainTable
              picture={picture}
              leaderId={leaderId}
              at={at}
              waiting={waitingOf(at === null ? status : undefined)}
            />
          ) : zoom === "bar" ? (
            <ChainRuns
              rows={runsOfPicture(picture)}
              from={picture.sequences[0] as number}
              to={picture.sequences.at(-1) as number}
              leaderId={leaderId}
            />
          ) : status === undefined ? null : (
            <ChainRuns rows={runsOfLog(status, alerts, view.size)} from={0} to={view.size - 1} leaderId={leaderId} />
          )}
          {zoom === "map" ? null : <Pager from={view.from} size={view.size} columns={view.count} onMove={move} />}
          <WholeLog at={at} isLive={!isPaused} onMove={(sequence) => move(sequence, { replace: true })} />
          <Legend zoom={zoom} />
        </section>
      )}
    </div>
  );
}

/** The event asked for stands in the middle, or as near to it as leaves no room empty. */
function firstOf(at: number, columns: number, size: number | null): number {
  const first = Math.max(0, at - Math.floor(columns / 2));
  return size === null || at >= size ? first : Math.min(first, Math.max(0, size - columns));
}

/** Blocks that a node has stored, and of which it does not know yet that they are committed. */
const waitingOf = (status: ClusterView | undefined): ReadonlyMap<string, number> =>
  new Map(status?.nodes.map(({ id, lastHeight, commitHeight }) => [id, Math.max(0, lastHeight - commitHeight)]));

function Legend({ zoom }: { readonly zoom: Zoom }) {
  if (zoom === "map")
    return (
      <p className={page.muted}>
        The whole log as each node tells of it: full green was verified by its last pass, hatched has not been passed
        yet, dotted is not there yet. What is red is altered, by an open alert: <Breaks />. Press a place to see its
        events. <b>L</b> is the leader.
      </p>
    );
  return (
    <p className={page.muted}>
      <b>{zoom === "bar" ? "green" : "a hash alone"}</b> equal on all nodes that have it · <b>✗</b> nodes name different
      hashes · other red signs: the node’s own database does not hold what was committed, <Breaks /> ·{" "}
      {zoom === "bar" ? null : (
        <>
          <b>╳</b> the chain breaks here ·{" "}
        </>
      )}
      <b>–</b> not there yet · <b>?</b> the node did not say · <b>L</b> the leader
    </p>
  );
}

/** Each has a pattern of its own, too. */
function Breaks() {
  return (
    <>
      <b>✎</b> content changed, <b>⇄</b> its hashes, too, <b>∅</b> deleted, <b>⚑</b> forged, or not signed by the leader
      that is named, <b>!</b> in an altered block, and named by no alert
    </>
  );
}
