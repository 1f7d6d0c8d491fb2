import { Link } from "wouter";
import { foundAt } from "../alerts/standing.js";
import type { AlertView, ClusterView, NodeView } from "../api/types.js";
import { count, lasting, many } from "../lib/format.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import type { Tone } from "../parts/tone.js";
import styles from "./chain.module.css";
import type { ChainCell, ChainPicture } from "./columns.js";

/** How far each node's log goes, and whether an alert stands against it. */
export function Heads({ status, alerts }: { readonly status: ClusterView; readonly alerts: readonly AlertView[] }) {
  return (
    <ul className={styles.heads} aria-label="The newest event of each node">
      {status.nodes.map((node) => (
        <li key={node.id}>
          <strong>{node.id}</strong> <Mark tone={toneOf(node, alerts)}>{headOf(node)}</Mark>
        </li>
      ))}
    </ul>
  );
}

const toneOf = ({ id, role }: NodeView, alerts: readonly AlertView[]): Tone =>
  alerts.some(({ accused, severity }) => accused === id && severity === "critical")
    ? "bad"
    : role === "unknown"
      ? "unknown"
      : "ok";

const headOf = ({ role, lastSequence }: NodeView): string =>
  role === "unknown" ? "no answer" : lastSequence < 0 ? "empty" : count(lastSequence);

interface SummaryProps {
  readonly picture: ChainPicture;
  /** The alert that names an event of a node. */
  accusedBy(node: string, sequence: number): AlertView | undefined;
}

const isBroken = ({ state }: ChainCell): boolean => state === "differs" || state === "altered";

export function Summary({ picture: { rows, sequences }, accusedBy }: SummaryProps) {
  const range = `events ${count(sequences[0] ?? 0)} to ${count(sequences.at(-1) ?? 0)}`;
  const broken = rows.flatMap(({ node, cells }) => {
    const found = cells.filter(isBroken).length;
    return found === 0 ? [] : [`${many(found, "event")} on ${node}`];
  });
  const alert = rows
    .flatMap(({ node, cells }) =>
      cells.flatMap((cell, i) => (isBroken(cell) ? [accusedBy(node, sequences[i] as number)] : [])),
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
        <>
          <Link href={`/alerts?alert=${alert.id}`}>
            {alert.kind} on {alert.accused}: open the alert
          </Link>
          {foundAfter(alert)}
        </>
      )}
    </p>
  );
}

function foundAfter(alert: AlertView): string {
  const { changedAt } = alert;
  if (changedAt === undefined) return "";
  return `found ${lasting(Math.max(0, Date.parse(foundAt(alert)) - Date.parse(changedAt)))} after the change`;
}
