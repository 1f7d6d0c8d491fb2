import type { ClusterView, NodeView } from "../api/types.js";
import { ago, count, duration, lasting } from "../lib/format.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import type { Tone } from "../parts/tone.js";

const toneOf = (node: NodeView): Tone => (node.healthy ? "ok" : node.role === "unknown" ? "unknown" : "bad");

/** Every figure of every node; the picture above shows some of them. */
export function Nodes({ status }: { readonly status: ClusterView }) {
  return (
    <section className={page.card} aria-labelledby="nodes">
      <h2 id="nodes">Nodes</h2>
      <Table
        head={[
          "Node",
          "Role",
          "Health",
          "Term",
          "Priority",
          "Last event",
          "Behind",
          "Last heard",
          "Runs in",
          "Clock",
          "Version",
        ]}
      >
        {status.nodes.map((node) => (
          <tr key={node.id}>
            <th scope="row">{node.id}</th>
            <td>{node.role}</td>
            <td>
              <Mark tone={toneOf(node)}>{node.role === "unknown" ? "no answer" : node.health}</Mark>
            </td>
            <td className={page.number}>{node.role === "unknown" ? "" : node.term}</td>
            <td className={page.number}>{node.priority}</td>
            <td className={page.number}>
              {node.role === "unknown" ? "" : node.lastSequence < 0 ? "none" : count(node.lastSequence)}
            </td>
            <td className={page.number}>{node.role === "unknown" ? "" : count(node.lagEvents)}</td>
            <td className={page.number}>{node.lastContactMs === null ? "–" : ago(node.lastContactMs)}</td>
            <td className={page.number}>{node.electionWait === null ? "–" : waitIn(node.electionWait)}</td>
            <td className={page.number}>{clock(node.clockSkewMs)}</td>
            <td>{node.version}</td>
          </tr>
        ))}
      </Table>
      <p className={page.muted}>Last heard: how long ago the leader heard from the node.</p>
    </section>
  );
}

const waitIn = ({ leftMs, ofMs }: NonNullable<NodeView["electionWait"]>): string =>
  `${lasting(leftMs)} of ${lasting(ofMs)}`;

function clock(skewMs: number | null): string {
  if (skewMs === null) return "";
  return Math.abs(skewMs) < 50 ? "level" : `${duration(Math.abs(skewMs))} ${skewMs > 0 ? "ahead" : "behind"}`;
}
