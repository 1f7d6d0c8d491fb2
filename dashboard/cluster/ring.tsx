import type { ClusterView, NodeView } from "../api/types.js";
import { count } from "../lib/format.js";
import styles from "./cluster.module.css";

const WIDTH = 440;
const HEIGHT = 290;
const RADIUS_X = 140;
const RADIUS_Y = 95;
const NODE_RADIUS = 44;

/** The nodes on a ring, the leader on top when there are three; the same is in the tables beside and below. */
export function Ring({ status }: { readonly status: ClusterView }) {
  const { nodes, leaderId } = status;
  const leaderAt = Math.max(
    0,
    nodes.findIndex(({ id }) => id === leaderId),
  );
  const placed = nodes.map((node, i) => {
    const angle = (2 * Math.PI * (i - leaderAt)) / nodes.length - Math.PI / 2;
    return { node, x: WIDTH / 2 + RADIUS_X * Math.cos(angle), y: HEIGHT / 2 + RADIUS_Y * Math.sin(angle) };
  });
  // Without the empty space that a ring of three leaves below.
  const bottom = Math.max(...placed.map(({ y }) => y)) + NODE_RADIUS + 8;
  const leader = placed.find(({ node }) => node.id === leaderId);
  return (
    <svg className={styles.ring} viewBox={`0 0 ${WIDTH} ${bottom}`} role="img" aria-label={inWords(status)}>
      {leader === undefined
        ? null
        : placed
            .filter(({ node }) => node.id !== leaderId)
            .map(({ node, x, y }) => (
              <line
                key={node.id}
                className={node.healthy ? undefined : styles.cut}
                x1={leader.x}
                y1={leader.y}
                x2={x}
                y2={y}
              />
            ))}
      {placed.map(({ node, x, y }) => (
        <g key={node.id} className={node.id === leaderId ? styles.leader : node.healthy ? undefined : styles.absent}>
          <circle cx={x} cy={y} r={NODE_RADIUS} />
          <text x={x} y={y - 8}>
            {node.id}
          </text>
          <text className={styles.note} x={x} y={y + 9}>
            {roleOf(node)}
          </text>
          <text className={styles.note} x={x} y={y + 25}>
            {noteOf(node)}
          </text>
        </g>
      ))}
    </svg>
  );
}

const roleOf = (node: NodeView): string => (node.role === "unknown" ? "no answer" : node.role);

function noteOf(node: NodeView): string {
  if (node.role === "unknown") return "";
  return node.lagEvents === 0 ? `level · t${node.term}` : `${count(node.lagEvents)} behind`;
}

function inWords({ nodes, leaderId }: ClusterView): string {
  const each = nodes.map((node) => `${node.id}: ${roleOf(node)} ${noteOf(node)}`).join("; ");
  return `${leaderId === null ? "No leader" : `${leaderId} leads`}. ${each}`;
}
