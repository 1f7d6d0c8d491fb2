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
const NOTES = 44;

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
  const top = Math.min(...placed.map(({ y }) => y)) - NODE_RADIUS - 8;
  const bottom = Math.max(...placed.map(({ y }) => y)) + NODE_RADIUS + NOTES;
  const newest = Math.max(...nodes.map(({ term }) => term));
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
          <Place key={node.id} {...{ node, x, y }} isLeader={node.id === leaderId} isNewest={node.term === newest} />
        ))}
      </svg>
    </div>
  );
}

interface PlaceProps {
  readonly node: NodeView;
  readonly x: number;
  readonly y: number;
  readonly isLeader: boolean;
  /** It is in the newest term that any node has told. */
  readonly isNewest: boolean;
}

function Place({ node, x, y, isLeader, isNewest }: PlaceProps) {
  return (
    <g
      className={isLeader ? styles.leader : node.healthy ? undefined : styles.absent}
      data-newest={isNewest && node.role !== "unknown"}
    >
      <circle cx={x} cy={y} r={NODE_RADIUS} />
      <Wait node={node} x={x} y={y} />
      <text className={styles.name} x={x} y={y - 12}>
        {node.id}
      </text>
      <text className={styles.within} x={x} y={y + 6}>
        {roleOf(node)}
      </text>
      <text className={`${styles.note} ${styles.within}`} x={x} y={y + 23}>
        {node.role === "unknown" ? `rank ${node.priority}` : `t${node.term} · rank ${node.priority}`}
      </text>
      <text className={styles.note} x={x} y={y + NODE_RADIUS + 21}>
        {healthOf(node) + (isLeader ? headOf(node) : lagOf(node))}
      </text>
      <text className={styles.note} x={x} y={y + NODE_RADIUS + 37}>
        {heartbeatOf(node)}
      </text>
    </g>
  );
}

/** How much of its patience with a silent leader is left: the arc shrinks until the node runs itself. */
function Wait({ node: { electionWait }, x, y }: Pick<PlaceProps, "node" | "x" | "y">) {
  if (electionWait === null || electionWait.ofMs === 0) return null;
  const left = Math.min(1, electionWait.leftMs / electionWait.ofMs);
  return (
    <circle
      className={styles.wait}
      cx={x}
      cy={y}
      r={NODE_RADIUS + 5}
      pathLength={1}
      strokeDasharray={`${left} ${1 - left}`}
      transform={`rotate(-90 ${x} ${y})`}
    />
  );
}

const roleOf = (node: NodeView): string => (node.role === "unknown" ? "no answer" : node.role);

const headOf = ({ lastSequence }: NodeView): string => (lastSequence < 0 ? "no events" : `#${count(lastSequence)}`);

/** What its broken line means. */
const healthOf = ({ role, health }: NodeView): string =>
  role === "unknown" || health === "sound" ? "" : `${health}, `;

function lagOf(node: NodeView): string {
  if (node.role === "unknown") return "";
  return node.lagEvents === 0 ? "level" : `${count(node.lagEvents)} behind`;
}

const waitOf = ({ electionWait }: NodeView): string =>
  electionWait === null ? "" : `runs in ${duration(electionWait.leftMs)} if it hears no leader`;
const heartbeatOf = ({ lastContactMs }: NodeView): string =>
  lastContactMs === null ? "" : `heard ${duration(lastContactMs)} ago`;

function inWords({ nodes, leaderId }: ClusterView): string {
  const each = nodes.map((node) => {
    const facts = [
      roleOf(node),
      `term ${node.term}`,
      `rank ${node.priority}`,
      healthOf(node) + lagOf(node),
      heartbeatOf(node),
      waitOf(node),
    ];
    return `${node.id}: ${facts.filter((fact) => fact !== "").join(", ")}`;
  });
  return `${leaderId === null ? "No leader" : `${leaderId} leads`}. ${each.join("; ")}`;
}
