import type { EventView } from "../../shared/log/event.js";
import type { AlertView, DifferenceView } from "../api/types.js";
import { count, many, shortHash, unturned } from "../lib/format.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Loading } from "../parts/states.js";
import { Table } from "../parts/table.js";
import type { Verified } from "../verify/use-verification.js";
import { Verdict } from "../verify/verdict.js";
import styles from "./alerts.module.css";
import { alteredEvent, type FieldRow, recompute, rowsOf } from "./altered-event.js";

interface ComparisonProps {
  readonly alert: AlertView;
  /** Of the first event that differs; null where none is named. */
  readonly sequence: number | null;
  /** The committed event, and what this browser has recomputed of it. */
  readonly verified: Verified | undefined;
  readonly isAsking: boolean;
}

/** What was committed and what was found, field by field, with hashes that this browser computes. */
export function Comparison({ alert, sequence, verified, isAsking }: ComparisonProps) {
  const committed = verified?.event ?? null;
  const { accused, agreeing = [], differences = [], furtherDifferences = 0 } = alert;
  const here = differences.filter((one) => one.sequence === (sequence ?? undefined));
  const others = differences.filter((one) => !here.includes(one));
  if (isAsking) return <Loading what={`event ${sequence}`} />;
  const rows = rowsOf(committed, here);
  return (
    <section className={page.card} aria-labelledby="comparison">
      <h2 id="comparison">{sequence === null ? "What differs" : `Event ${count(sequence)}, side by side`}</h2>
      {verified === undefined ? null : (
        <div className={page.row}>
          <Verdict verified={verified} />
          <span>
            The committed event stands in block {count(verified.event.height)}
            {verified.sealedBy === null ? "" : `, sealed by ${verified.sealedBy}`}.
          </span>
        </div>
      )}
      <div className={page.scroll}>
        <table className={`${page.table} ${styles.comparison}`}>
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">Committed{agreeing.length === 0 ? "" : `, as ${agreeing.join(", ")} hold it`}</th>
              <th scope="col">On {accused}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.field} row={row} isOnly={here.length === 1} />
            ))}
            {committed === null ? null : <Hashes alert={alert} committed={committed} differences={here} />}
          </tbody>
        </table>
      </div>
      {sequence !== null && committed === null ? (
        <p className={page.muted}>The committed event could not be asked for here, so nothing is recomputed.</p>
      ) : null}
      {others.length > 0 ? <Others differences={others} /> : null}
      {furtherDifferences > 0 ? (
        <p className={page.muted}>{many(furtherDifferences, "more difference")} were seen.</p>
      ) : null}
    </section>
  );
}

function Row({
  row: { field, committed, stored, isOther },
  isOnly,
}: {
  readonly row: FieldRow;
  readonly isOnly: boolean;
}) {
  return (
    <tr className={isOther ? styles.other : styles.same}>
      <th scope="row">
        <bdi>{unturned(field)}</bdi>
        {isOther ? <span className={styles.only}>{isOnly ? " ◄ the only change" : " ◄ changed"}</span> : null}
      </th>
      <td>
        {isOther ? <del className={styles.sign}>−</del> : null}
        <code>
          <bdi>{committed}</bdi>
        </code>
      </td>
      <td>
        {isOther ? <ins className={styles.sign}>+</ins> : null}
        <code>
          <bdi>{stored}</bdi>
        </code>
      </td>
    </tr>
  );
}

interface HashesProps {
  readonly alert: AlertView;
  readonly committed: EventView;
  readonly differences: readonly DifferenceView[];
}

/** The committed content gives the committed hash; what was found gives another, or one that nobody committed. */
function Hashes({ alert, committed, differences }: HashesProps) {
  const altered = alteredEvent(committed, differences);
  const ours = recompute(committed)?.hash ?? null;
  const theirs = altered === null ? null : (recompute(altered)?.hash ?? null);
  const stored = alert.hashes?.event?.stored ?? altered?.hash ?? null;
  return (
    <>
      <tr>
        <th scope="row">stored hash</th>
        <td>
          <Hash hash={committed.hash} />
        </td>
        <td>{stored === null ? "not told" : <Hash hash={stored} />}</td>
      </tr>
      <tr>
        <th scope="row">recomputed in this browser</th>
        <td>
          {ours === null ? "not computed" : <Hash hash={ours} />}{" "}
          {ours === committed.hash ? <Mark tone="ok">holds</Mark> : <Mark tone="bad">does not hold</Mark>}
        </td>
        <td>
          {theirs === null ? (
            <Mark tone="unknown">not all of it is told</Mark>
          ) : (
            <>
              <Hash hash={theirs} />{" "}
              {theirs === stored ? (
                <Mark tone="bad">rewritten to fit, not committed</Mark>
              ) : (
                <Mark tone="bad">does not hold</Mark>
              )}
            </>
          )}
        </td>
      </tr>
    </>
  );
}

const Hash = ({ hash }: { readonly hash: string }) => <code title={hash}>{shortHash(hash)}</code>;

function Others({ differences }: { readonly differences: readonly DifferenceView[] }) {
  const text = (value: DifferenceView["stored"]): string =>
    value === undefined ? "not there" : unturned(JSON.stringify(value));
  return (
    <details>
      <summary>{many(differences.length, "difference")} elsewhere</summary>
      <Table head={["Block", "Event", "Field", "Committed", "Found"]}>
        {differences.map(({ height, sequence, field, stored, expected }) => (
          <tr key={`${height} ${sequence} ${field}`}>
            <td>{count(height)}</td>
            <td>{sequence === undefined ? "" : count(sequence)}</td>
            <th scope="row" className={page.break}>
              <bdi>{unturned(field)}</bdi>
            </th>
            <td className={page.break}>
              <code>{text(expected)}</code>
            </td>
            <td className={page.break}>
              <code>{text(stored)}</code>
            </td>
          </tr>
        ))}
      </Table>
    </details>
  );
}
