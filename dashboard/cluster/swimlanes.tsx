import { useId, useRef } from "react";
import { duration, lasting } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { clockTime, dateOf } from "../lib/times.js";
import { useWidth } from "../lib/use-width.js";
import styles from "./swimlanes.module.css";
import { type Gap, type Lane, type Mark, type Span, type Timeline, ticksOf } from "./timeline.js";

const LANE = 58;
const BAR = 24;
const AXIS = 26;
const LEFT = 44;
const RIGHT = 12;
const PX_PER_TICK = 92;
/** About so wide is a letter of a label. */
const LETTER = 6.6;
const SPAN_PX_MIN = 3;

interface SwimlanesProps {
  readonly timeline: Timeline;
  /** The window, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** Time from left to right, one lane a node. The tables below hold the same in words. */
export function Swimlanes({ timeline, from, to }: SwimlanesProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const id = useId().replaceAll(/\W/g, "");
  const { lanes, arrows, gaps } = timeline;
  const inside = Math.max(1, width - LEFT - RIGHT);
  const xOf = (at: number): number => LEFT + (Math.max(0, Math.min(1, (at - from) / (to - from))) || 0) * inside;
  const isIn = (at: number): boolean => at >= from && at <= to;
  const middleOf = (node: string): number => AXIS + (lanes.findIndex((lane) => lane.node === node) + 0.5) * LANE;
  const height = AXIS + lanes.length * LANE + 4;
  return (
    <div ref={frame} className={styles.frame}>
      <svg width={width} height={height} role="img" aria-label={inWords(timeline, from, to)} className={styles.picture}>
        <Patterns id={id} />
        {ticksOf(from, to, Math.max(2, Math.floor(inside / PX_PER_TICK))).map((at) => (
          <g key={at} className={styles.tick}>
            <line x1={xOf(at)} x2={xOf(at)} y1={AXIS - 6} y2={height} />
            <text x={xOf(at)} y={AXIS - 10}>
              {tickText(at, to - from)}
            </text>
          </g>
        ))}
        {gaps
          .filter((gap) => gap.to > from && gap.from < to)
          .map((gap) => (
            <NoLeader key={gap.term} gap={gap} xOf={xOf} height={height} />
          ))}
        {lanes.map((lane) => (
          <LaneRow key={lane.node} lane={lane} middle={middleOf(lane.node)} {...{ id, from, to, width, xOf }} />
        ))}
        {arrows
          .filter(
            ({ at, from: sender, to: target }) =>
              isIn(at) && [sender, target].every((node) => lanes.some((lane) => lane.node === node)),
          )
          .map(({ kind, from: sender, to: target, at }) => {
            const [y1, y2] = [middleOf(sender), middleOf(target)];
            const end = y2 + (y1 < y2 ? -BAR / 2 : BAR / 2);
            return (
              <line
                key={`${kind} ${sender} ${at}`}
                className={styles[kind]}
                x1={xOf(at) - (kind === "vote" ? 7 : 0)}
                x2={xOf(at)}
                y1={y1}
                y2={end}
                markerEnd={`url(#${id}head)`}
              >
                <title>
                  {kind === "vote" ? `${sender} voted for ${target}` : `${sender} handed over to ${target}`}
                </title>
              </line>
            );
          })}
      </svg>
    </div>
  );
}

interface LaneRowProps extends Omit<SwimlanesProps, "timeline"> {
  readonly lane: Lane;
  readonly middle: number;
  readonly id: string;
  readonly width: number;
  xOf(at: number): number;
}

function LaneRow({ lane, middle, id, from, to, width, xOf }: LaneRowProps) {
  return (
    <g>
      <line className={styles.life} x1={LEFT} x2={width - RIGHT} y1={middle} y2={middle} />
      <text className={styles.node} x={4} y={middle + 5}>
        {lane.node}
      </text>
      {lane.spans
        .filter((span) => span.to >= from && span.from <= to)
        .map((span) => (
          <Bar key={`${span.kind} ${span.from}`} {...{ span, middle, id, xOf }} />
        ))}
      {lane.marks
        .filter(({ at }) => at >= from && at <= to)
        .map((mark) => (
          <Sign key={`${mark.kind} ${mark.at}`} mark={mark} x={xOf(mark.at)} middle={middle} />
        ))}
    </g>
  );
}

const PATTERNED = ["campaign", "transfer", "down", "paused", "cut", "silent"] as const;

function Bar({
  span,
  middle,
  id,
  xOf,
}: {
  readonly span: Span;
  readonly middle: number;
  readonly id: string;
  xOf(at: number): number;
}) {
  const x = xOf(span.from);
  const width = Math.max(SPAN_PX_MIN, xOf(span.to) - x);
  const isThin = span.kind === "silent";
  const high = isThin ? BAR / 3 : BAR;
  const pattern = PATTERNED.find((kind) => kind === span.kind);
  const lasted = lasting(span.to - span.from);
  return (
    <g className={styles[span.kind]}>
      <rect
        x={x}
        y={middle - high / 2}
        width={width}
        height={high}
        fill={pattern === undefined ? undefined : `url(#${id}${pattern})`}
      >
        <title>{`${span.label}, ${lasted}`}</title>
      </rect>
      {!isThin && width > span.label.length * LETTER + 8 ? (
        <text x={x + width / 2} y={middle + 4}>
          {span.label}
        </text>
      ) : null}
    </g>
  );
}

const SIGNS = { coordinator: "▲", refused: "⊘", tamper: "◆" } as const;

function Sign({ mark, x, middle }: { readonly mark: Mark; readonly x: number; readonly middle: number }) {
  const { change } = useParameters();
  const { term } = mark;
  return (
    <text
      className={`${styles.sign} ${styles[mark.kind]}`}
      x={x}
      y={middle + BAR / 2 + 13}
      onPointerUp={term === undefined ? undefined : () => change({ term: String(term) })}
    >
      {mark.kind === "refused" ? `${SIGNS.refused} ${mark.label}` : SIGNS[mark.kind]}
      <title>{mark.label}</title>
    </text>
  );
}

function NoLeader({ gap, xOf, height }: { readonly gap: Gap; readonly height: number; xOf(at: number): number }) {
  const x = xOf(gap.from);
  const width = Math.max(SPAN_PX_MIN, xOf(gap.to) - x);
  const text = `no leader ${lasting(gap.to - gap.from)}`;
  return (
    <g className={styles.gap}>
      <rect x={x} y={AXIS} width={width} height={height - AXIS}>
        <title>{text}</title>
      </rect>
      {width > text.length * LETTER ? (
        <text x={x + width / 2} y={AXIS + 12}>
          {text}
        </text>
      ) : null}
    </g>
  );
}

/** Each kind has a pattern of its own: none is told by its colour alone. */
function Patterns({ id }: { readonly id: string }) {
  return (
    <defs>
      <marker id={`${id}head`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
        <path d="M0,0 L8,4 L0,8 Z" className={styles.head} />
      </marker>
      {PATTERNED.map((kind) => (
        <pattern
          key={kind}
          id={`${id}${kind}`}
          className={styles[kind]}
          width="8"
          height="8"
          patternUnits="userSpaceOnUse"
        >
          <rect width="8" height="8" className={styles.ground} />
          <path d={LINES[kind]} className={styles.stroke} />
        </pattern>
      ))}
    </defs>
  );
}

const LINES: Readonly<Record<(typeof PATTERNED)[number], string>> = {
  campaign: "M0,8 L8,0",
  transfer: "M0,4 L8,4",
  down: "M0,0 L8,8 M0,8 L8,0",
  paused: "M2,0 L2,8 M5,0 L5,8",
  cut: "M0,2 L8,2 M4,2 L4,8",
  silent: "M0,4 L4,4",
};

const tickText = (at: number, window: number): string => {
  const text = new Date(at).toISOString();
  if (window > 2 * 86_400_000) return dateOf(text);
  return clockTime(text).slice(0, window < 3_000 ? 12 : window < 600_000 ? 8 : 5);
};

function inWords({ lanes, gaps }: Timeline, from: number, to: number): string {
  const count = lanes.flatMap(({ marks }) =>
    marks.filter(({ kind, at }) => kind === "coordinator" && at >= from && at <= to),
  ).length;
  const inWindow = gaps.filter((gap) => gap.to > from && gap.from < to);
  const longest = Math.max(0, ...inWindow.map((gap) => gap.to - gap.from));
  const worst = inWindow.length === 0 ? "" : ` The longest time without a leader was ${lasting(longest)}.`;
  return `Elections of ${lanes.map(({ node }) => node).join(", ")} within ${duration(to - from)}: ${count} won.${worst} The table below has each.`;
}
