import { useRef } from "react";
import type { ClusterView, NodeView } from "../api/types.js";
import { count, duration } from "../lib/format.js";
import { useWidth } from "../lib/use-width.js";
import styles from "./cluster.module.css";

const WIDTH_MAX = 460;
const HEIGHT = 360;
const RADIUS_X_MAX = 150;
const RADIUS_Y = 112;
/** From the middle of a node to the edge: its notes are wider than it is. */
const BESIDE = 62;
const NODE_RADIUS = 46;
/** Two lines of text below a node. */
const NOTES = 40;

/** The nodes on a ring, the leader on top; the same is in the tables beside and below. */
export function Ring({ status }: { readonly status: ClusterView }) {
  const { nodes, leaderId } = status;
  const frame = useRef<HTMLDivElement>(null);
  // Drawn as wide as there is room, so that texts keep their size.
  const width = Math.min(WIDTH_MAX, useWidth(frame, WIDTH_MAX));
  const radius = Math.max(0, Math.min(RADIUS_X_MAX, width / 2 - BESIDE));
  const leaderAt = Math.max(
    0,
    nodes.findIndex(({ id }) => id === leaderId),
  );
  const placed = nodes.map((node, i) => {
    const angle = (2 * Math.PI * (i - leaderAt)) / nodes.length - Math.PI / 2;
    return { node, x: width / 2 + radius * Math.cos(angle), y: HEIGHT / 2 - 20 + RADIUS_Y * Math.sin(angle) };
  });
  // Without the empty space that a ring of few nodes leaves above and below.
  const top = Math.min(...placed.map(({ y }) => y)) - NODE_RADIUS - 4;
  const bottom = Math.max(...placed.map(({ y }) => y)) + NODE_RADIUS + NOTES;
  const leader = placed.find(({ node }) => node.id === leaderId);
  return (
    <div ref={frame} className={styles.frame}>
      <svg
        className={styles.ring}
        width={width}
        height={bottom - top}
        viewBox={`0 ${top} ${width} ${bottom - top}`}
        role="img"
        aria-label={inWords(status)}
      >
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
            <text className={styles.name} x={x} y={y - 12}>
              {node.id}
            </text>
            <text x={x} y={y + 6}>
              {roleOf(node)}
            </text>
            <text className={styles.note} x={x} y={y + 24}>
              {node.role === "unknown" ? `rank ${node.priority}` : `t${node.term} · rank ${node.priority}`}
            </text>
            <text className={styles.note} x={x} y={y + NODE_RADIUS + 17}>
              {lagOf(node)}
            </text>
            <text className={styles.note} x={x} y={y + NODE_RADIUS + 33}>
              {heartbeatOf(node)}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

const roleOf = (node: NodeView): string => (node.role === "unknown" ? "no answer" : node.role);

function lagOf(node: NodeView): string {
  if (node.role === "unknown") return "";
  return node.lagEvents === 0 ? "level" : `${count(node.lagEvents)} behind`;
}

const heartbeatOf = ({ lastContactMs }: NodeView): string =>
  lastContactMs === null ? "" : `heard ${duration(lastContactMs)} ago`;

function inWords({ nodes, leaderId }: ClusterView): string {
  const each = nodes.map((node) => {
    const facts = [roleOf(node), `term ${node.term}`, `rank ${node.priority}`, lagOf(node), heartbeatOf(node)];
    return `${node.id}: ${facts.filter((fact) => fact !== "").join(", ")}`;
  });
  return `${leaderId === null ? "No leader" : `${leaderId} leads`}. ${each.join("; ")}`;
}
