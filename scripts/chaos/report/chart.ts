import { seconds } from "../watch.js";
import { line, polyline, rect, roundUp, text } from "./svg.js";
import type { Second, Timeline } from "./timeline.js";

const WIDTH = 1200;
const LEFT = 150;
const RIGHT = 1190;
const ROW = 15;
const GAP = 28;
const PLOT = 110;
/** A bar is at least so wide, however short its time was. */
const BAR_MIN = 2;
const TICKS_MAX = 12;

interface Frame {
  top: number;
  x: (ms: number) => number;
  timeline: Timeline;
}
interface Lane {
  height: number;
  body: string[];
}

/** Faults, leaders, throughput and what clients were told, on one axis of time. */
export function chart(timeline: Timeline): string {
  const endMs = Math.max(timeline.endMs, 1000);
  const x = (ms: number): number => LEFT + ((RIGHT - LEFT) * Math.min(ms, endMs)) / endMs;
  let top = 8;
  const lanes = [faultLane, leaderLane, throughputLane, resultLane].map((lane) => {
    const drawn = lane({ top, x, timeline });
    top += drawn.height + GAP;
    return drawn.body.join("\n");
  });
  const bands = timeline.episodes.map(({ start, end, number }) => {
    const band = { x: x(start), y: 0, width: x(end) - x(start), height: top - GAP };
    return rect(band, "var(--band)", `episode ${number}: healed after ${seconds(end - start)}`);
  });
  const body = [...bands, ...lanes, ...axis(endMs, top - GAP, x)].join("\n");
  return `<svg viewBox="0 0 ${WIDTH} ${top}" role="img" aria-label="Faults, leaders and what clients were told over time">\n${body}\n</svg>`;
}

function axis(endMs: number, y: number, x: Frame["x"]): string[] {
  const step = Math.ceil(roundUp(endMs / 1000 / TICKS_MAX));
  const ticks = Array.from({ length: Math.floor(endMs / 1000 / step) + 1 }, (_, index) => index * step);
  return [
    line([LEFT, y], [RIGHT, y], "var(--soft)"),
    ...ticks.flatMap((tick) => [
      line([x(1000 * tick), 0], [x(1000 * tick), y + 4], "var(--line)"),
      text(x(1000 * tick), y + 16, `${tick} s`, { anchor: "middle", isSoft: true }),
    ]),
  ];
}

/** A row for each kind of fault. */
function faultLane({ top, x, timeline: { faults } }: Frame): Lane {
  const names = [...new Set(faults.map(({ name }) => name))];
  const body = names.flatMap((name, row) => {
    const y = top + ROW * row;
    const bars = faults
      .filter((fault) => fault.name === name)
      .map(({ start, end, nodes, settings }) => {
        const how = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
        const title = [`${name} of ${nodes.join(" ")}`, ...how, `${seconds(start)} to ${seconds(end)}`].join(", ");
        const width = Math.max(BAR_MIN, x(end) - x(start));
        return rect({ x: x(start), y: y + 2, width, height: ROW - 4 }, "var(--fault)", title);
      });
    return [label(y + 11, name), line([LEFT, y + ROW], [RIGHT, y + ROW], "var(--line)"), ...bars];
  });
  return { height: ROW * names.length, body };
}

/** Who leads: from when it was first seen to lead until another is. */
function leaderLane({ top, x, timeline: { leaders, run, endMs } }: Frame): Lane {
  const nodes = run?.nodes ?? [];
  const body = nodes.map((node, row) => label(top + ROW * row + 11, `${node} leads`));
  for (const [index, { at, node, term }] of leaders.entries()) {
    const until = leaders[index + 1]?.at ?? endMs;
    const y = top + ROW * nodes.indexOf(node) + 2;
    const box = { x: x(at), y, width: Math.max(BAR_MIN, x(until) - x(at)), height: ROW - 4 };
    body.push(rect(box, `var(--${node}, var(--n1))`, `${node} leads in term ${term} from ${seconds(at)}`));
  }
  return { height: ROW * nodes.length, body };
}

function throughputLane(frame: Frame): Lane {
  const series = [
    { name: "events acknowledged", color: "var(--acked)", of: ({ acknowledged }: Second) => acknowledged },
    { name: "reads answered", color: "var(--read)", of: ({ reads }: Second) => reads },
  ];
  const { body, y } = plot(frame, series);
  for (const { color, of } of series) {
    const points = frame.timeline.seconds.map((second, index): [number, number] => [
      frame.x(1000 * index + 500),
      y(of(second)),
    ]);
    body.push(polyline(points, color));
  }
  return { height: PLOT + ROW, body };
}

/** What clients got instead of an acknowledgement or an answer, one above the other. */
function resultLane(frame: Frame): Lane {
  const series = [
    { name: "writes refused", color: "var(--refused)", of: ({ refused }: Second) => refused },
    { name: "writes of unknown outcome", color: "var(--unknown)", of: ({ unknown }: Second) => unknown },
    { name: "reads without an answer", color: "var(--fail)", of: ({ failedReads }: Second) => failedReads },
  ];
  const { body, y } = plot(frame, series, true);
  for (const [index, second] of frame.timeline.seconds.entries()) {
    let below = 0;
    const left = frame.x(1000 * index);
    for (const { color, of } of series) {
      const value = of(second);
      if (value === 0) continue;
      const box = { x: left, y: y(below + value), width: frame.x(1000 * (index + 1)) - left, height: y(0) - y(value) };
      body.push(rect(box, color));
      below += value;
    }
  }
  return { height: PLOT + ROW, body };
}

interface Series {
  name: string;
  color: string;
  of: (second: Second) => number;
}

function plot(
  { top, timeline }: Frame,
  series: readonly Series[],
  isStacked = false,
): { body: string[]; y: (value: number) => number } {
  const tops = timeline.seconds.map((second) => {
    const values = series.map(({ of }) => of(second));
    return isStacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
  });
  const highest = roundUp(Math.max(1, ...tops));
  const bottom = top + ROW + PLOT;
  const y = (value: number): number => bottom - (PLOT * value) / highest;
  let left = LEFT;
  const legend = series.flatMap(({ name, color }) => {
    const entry = [
      rect({ x: left, y: top + 1, width: 10, height: 10 }, color),
      text(left + 14, top + 10, `${name} a second`),
    ];
    left += 80 + 6.5 * name.length;
    return entry;
  });
  const grid = [0, highest / 2, highest].flatMap((value) => [
    line([LEFT, y(value)], [RIGHT, y(value)], "var(--line)"),
    text(LEFT - 6, y(value) + 4, String(value), { anchor: "end", isSoft: true }),
  ]);
  return { body: [...legend, ...grid], y };
}

const label = (y: number, content: string): string => text(LEFT - 8, y, content, { anchor: "end" });
