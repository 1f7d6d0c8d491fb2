import { Bar, Lanes, type Room } from "../lanes/lanes.js";
import styles from "../lanes/lanes.module.css";
import { duration, lasting } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { clockTime, dateOf } from "../lib/times.js";
import { type Arrow, type Gap, type Lane, type Mark, type Span, type Timeline, ticksOf } from "./timeline.js";

const LANE = 58;
const BAR = 24;
const AXIS = 26;
const LEFT = 44;
const RIGHT = 12;
const PX_PER_TICK = 92;
/** A time that would reach beyond the edge is not written. */
const TICK_HALF_WIDTH = 38;
/** About so wide is a letter of a label. */
const LETTER = 6.6;
const SPAN_PX_MIN = 3;
/** Arrows reach so far into a bar, and do not cross its label. */
const LABEL_MARGIN = 12;

interface SwimlanesProps {
  readonly timeline: Timeline;
  /** The window, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** Where a moment is. */
interface Scale extends Room {
  readonly from: number;
  readonly to: number;
  xOf(at: number): number;
}

/** Time from left to right, one lane a node. The tables below hold the same in words. */
export function Swimlanes({ timeline, from, to }: SwimlanesProps) {
  const height = AXIS + timeline.lanes.length * LANE + 4;
  return (
    <Lanes height={height} words={inWords(timeline, from, to)}>
      {(room) => {
        const inside = Math.max(1, room.width - LEFT - RIGHT);
        const xOf = (at: number): number => LEFT + (Math.max(0, Math.min(1, (at - from) / (to - from))) || 0) * inside;
        const scale = { ...room, from, to, xOf };
        return (
          <>
            <marker
              id={`${room.id}head`}
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerUnits="userSpaceOnUse"
              markerWidth="10"
              markerHeight="10"
              orient="auto"
            >
              <path d="M0,0 L8,4 L0,8 Z" className={styles.head} />
            </marker>
            {ticksOf(from, to, Math.max(2, Math.floor(inside / PX_PER_TICK))).map((at) => (
              <g key={at} className={styles.tick}>
                <line x1={xOf(at)} x2={xOf(at)} y1={AXIS - 6} y2={height} />
                {xOf(at) + TICK_HALF_WIDTH > room.width ? null : (
                  <text x={xOf(at)} y={AXIS - 10}>
                    {tickText(at, to - from)}
                  </text>
                )}
              </g>
            ))}
            {timeline.gaps
              .filter((gap) => gap.to > from && gap.from < to)
              .map((gap) => (
                <NoLeader key={gap.term} gap={gap} xOf={xOf} height={height} />
              ))}
            {timeline.lanes.map((lane, i) => (
              <LaneRow key={lane.node} lane={lane} middle={middleOf(i)} {...scale} />
            ))}
            <Arrows timeline={timeline} {...scale} />
          </>
        );
      }}
    </Lanes>
  );
}

const middleOf = (lane: number): number => AXIS + (lane + 0.5) * LANE;

function LaneRow({ lane, middle, id, from, to, width, xOf }: Scale & { readonly lane: Lane; readonly middle: number }) {
  return (
    <g>
      <line className={styles.life} x1={LEFT} x2={width - RIGHT} y1={middle} y2={middle} />
      <text className={styles.node} x={4} y={middle + 5}>
        {lane.node}
      </text>
      {lane.spans
        .filter((span) => span.to >= from && span.from <= to)
        .map((span) => (
          <SpanBar key={`${span.kind} ${span.from}`} {...{ span, middle, id, xOf }} />
        ))}
      {lane.marks
        .filter(({ at }) => at >= from && at <= to)
        .map((mark) => (
          <Sign key={`${mark.kind} ${mark.at}`} mark={mark} x={xOf(mark.at)} middle={middle} />
        ))}
    </g>
  );
}

interface SpanBarProps extends Pick<Scale, "id" | "xOf"> {
  readonly span: Span;
  readonly middle: number;
}

function SpanBar({ span: { kind, from, to, label }, middle, id, xOf }: SpanBarProps) {
  const x = xOf(from);
  const width = Math.max(SPAN_PX_MIN, xOf(to) - x);
  const isThin = kind === "silent";
  return (
    <Bar {...{ kind, id, x, width, middle }} height={isThin ? BAR / 3 : BAR} title={`${label}, ${lasting(to - from)}`}>
      {!isThin && width > label.length * LETTER + 2 * LABEL_MARGIN ? (
        <text x={x + width / 2} y={middle + 4}>
          {label}
        </text>
      ) : null}
    </Bar>
  );
}

/** A vote comes from a little before what it led to; that it leans says which way time goes. */
const LEAN_PX: Readonly<Record<Arrow["kind"], number>> = { vote: 7, transfer: 0, election: 4, alive: 4 };

function Arrows({ timeline: { arrows, lanes }, id, from, to, xOf }: Scale & { readonly timeline: Timeline }) {
  const laneOf = (node: string): number => lanes.findIndex((lane) => lane.node === node);
  return arrows
    .filter((arrow) => arrow.at >= from && arrow.at <= to && laneOf(arrow.from) >= 0 && laneOf(arrow.to) >= 0)
    .map((arrow) => {
      const y1 = middleOf(laneOf(arrow.from));
      const y2 = middleOf(laneOf(arrow.to));
      return (
        <line
          key={`${arrow.label} ${arrow.from} ${arrow.at}`}
          className={styles.arrow}
          data-kind={arrow.kind}
          x1={xOf(arrow.at) - LEAN_PX[arrow.kind]}
          x2={xOf(arrow.at)}
          y1={y1}
          y2={y2 + (y1 < y2 ? -BAR / 2 : BAR / 2)}
          markerEnd={`url(#${id}head)`}
        >
          <title>{`${arrow.from} ${arrow.label}`}</title>
        </line>
      );
    });
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
