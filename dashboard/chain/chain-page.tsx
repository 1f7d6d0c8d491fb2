import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { useAlertAt } from "../alerts/use-accused.js";
import { useChain, useCluster } from "../api/queries.js";
import type { AlertView } from "../api/types.js";
import { ago, count, many } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { isPausedIn, turned } from "../lib/still.js";
import { useNow } from "../lib/use-now.js";
import { AskedPage } from "../parts/asked-page.js";
import { Button } from "../parts/button.js";
import { FirstEvent } from "../parts/first-event.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Empty, Stale } from "../parts/states.js";
import styles from "./chain.module.css";
import { ChainTable } from "./chain-table.js";
import { type ChainPicture, pictureOf } from "./columns.js";
import { useColumns } from "./use-columns.js";

/** One row a node, the newest right: one node's difference is seen at once. */
export function ChainPage() {
  const { parameters, change } = useParameters();
  const at = parameters.get("at");
  const columns = useColumns();
  const from = at !== null && /^\d{1,15}$/.test(at) ? Math.max(0, Number(at) - Math.floor(columns / 2)) : null;
  const isPaused = isPausedIn(parameters);
  const chain = useChain(from, columns, !isPaused);
  const accusedBy = useAlertAt();
  const now = useNow();
  const leaderId = useCluster().data?.body.leaderId ?? null;
  if (chain.data === undefined)
    return <AskedPage title="Chain" what="the chain" error={chain.error} onRetry={() => void chain.refetch()} />;
  const view = chain.data.body;
  const picture = pictureOf(view, columns);
  return (
    <div className={`${page.page} ${page.wide}`}>
      <div className={page.header}>
        <h1>Chain</h1>
        <div className={page.row}>
          <Button aria-pressed={isPaused} onClick={() => change({ paused: turned(isPaused) }, { replace: true })}>
            {isPaused ? "▶ Resume" : "❚❚ Pause"}
          </Button>
          <Button onClick={() => change({ at: "" })} disabled={at === null}>
            Newest
          </Button>
          <Jump onJump={(sequence) => change({ at: sequence })} />
        </div>
      </div>
      {chain.error === null ? null : (
        <Stale text={`The node did not answer again: this is what it said ${ago(now - chain.dataUpdatedAt)}.`} />
      )}
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
          <Summary picture={picture} accusedBy={accusedBy} />
          <ChainTable picture={picture} leaderId={leaderId} />
          <Pager
            from={view.from}
            size={view.size}
            columns={columns}
            onMove={(sequence) => change({ at: String(sequence) })}
          />
          <Legend />
        </section>
      )}
    </div>
  );
}

function Jump({ onJump }: { onJump(sequence: string): void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text !== "") onJump(text);
  };
  return (
    <form className={page.row} onSubmit={submit}>
      <label className={styles.jump}>
        Jump to #
        <input
          data-search
          inputMode="numeric"
          pattern="\d{1,15}"
          title="The sequence of an event"
          value={text}
          onChange={({ target }) => setText(target.value.replaceAll(/\D/g, ""))}
        />
      </label>
      <Button type="submit">Go</Button>
    </form>
  );
}

interface SummaryProps {
  readonly picture: ChainPicture;
  /** The alert that names an event of a node. */
  accusedBy(node: string, sequence: number): AlertView | undefined;
}

function Summary({ picture: { rows, sequences }, accusedBy }: SummaryProps) {
  const range = `events ${count(sequences[0] ?? 0)} to ${count(sequences.at(-1) ?? 0)}`;
  const broken = rows.flatMap(({ node, cells }) => {
    const found = cells.filter(({ state }) => state === "differs" || state === "altered").length;
    return found === 0 ? [] : [`${many(found, "event")} on ${node}`];
  });
  const alert = rows
    .flatMap(({ node, cells }) =>
      cells.flatMap(({ state }, i) =>
        state === "differs" || state === "altered" ? [accusedBy(node, sequences[i] as number)] : [],
      ),
    )
    .find((found) => found !== undefined);
  const unheard = rows.filter(({ cells }) => cells.every(({ state }) => state === "unknown")).map(({ node }) => node);
  return (
    <p className={page.row} role="status">
      {broken.length > 0 ? (
        <Mark tone="bad">broken</Mark>
      ) : unheard.length > 0 ? (
        <Mark tone="unknown">not all seen</Mark>
      ) : (
        <Mark tone="ok">equal</Mark>
      )}
      <span>
        {broken.length > 0
          ? `Of ${range}: ${broken.join(", ")}.`
          : unheard.length > 0
            ? `Of ${range} ${unheard.join(", ")} has told nothing.`
            : `All nodes hold the same hashes of ${range}, as far as each has them.`}
      </span>
      {alert === undefined ? null : (
        <Link href={`/alerts?alert=${alert.id}`}>
          {alert.kind} on {alert.accused}: open the alert
        </Link>
      )}
    </p>
  );
}

interface PagerProps {
  readonly from: number;
  readonly size: number;
  readonly columns: number;
  onMove(sequence: number): void;
}

function Pager({ from, size, columns, onMove }: PagerProps) {
  const half = Math.ceil(columns / 2);
  return (
    <div className={page.row}>
      <Button disabled={from === 0} onClick={() => onMove(Math.max(0, from - half))}>
        ← Older
      </Button>
      <Button disabled={from + columns >= size} onClick={() => onMove(Math.min(size - 1, from + columns + half))}>
        Newer →
      </Button>
    </div>
  );
}

function Legend() {
  return (
    <p className={page.muted}>
      <b>✓</b> equal on all nodes that have it · <b>✗ differs</b> nodes name different hashes · <b>! altered</b> the
      node’s own database does not hold what was committed · <b>╳</b> the chain breaks here · <b>–</b> not there yet ·{" "}
      <b>?</b> the node did not say
    </p>
  );
}
