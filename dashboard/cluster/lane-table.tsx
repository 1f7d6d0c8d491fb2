import { count, lasting } from "../lib/format.js";
import { moment, zoneName } from "../lib/times.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import type { Timeline } from "./timeline.js";

const ROWS_MAX = 100;

interface LaneTableProps {
  readonly timeline: Timeline;
  readonly from: number;
  readonly to: number;
}

/** What the lanes show, in words, the newest first. */
export function LaneTable({ timeline: { lanes, arrows }, from, to }: LaneTableProps) {
  const rows = lanes
    .flatMap(({ node, spans, marks }) => [
      ...spans.map((span) => ({ ...span, node, lasted: lasting(span.to - span.from) })),
      ...[...marks, ...arrows.filter((arrow) => arrow.from === node)].map(({ kind, label, at }) => ({
        ...{ node, kind, label, from: at, to: at, lasted: "" },
      })),
    ])
    .filter((row) => row.to >= from && row.from <= to)
    .toSorted((a, b) => b.from - a.from);
  return (
    <details>
      <summary>As a table</summary>
      <Table head={[`Time (${zoneName()})`, "Node", "What", "Lasted"]}>
        {rows.slice(0, ROWS_MAX).map(({ node, kind, label, from: at, lasted }) => (
          <tr key={`${node} ${kind} ${label} ${at}`}>
            <td className={page.number}>{moment(new Date(at).toISOString())}</td>
            <th scope="row">{node}</th>
            <td>{label}</td>
            <td className={page.number}>{lasted}</td>
          </tr>
        ))}
      </Table>
      {rows.length > ROWS_MAX ? <p>{count(rows.length - ROWS_MAX)} more are not listed.</p> : null}
    </details>
  );
}
