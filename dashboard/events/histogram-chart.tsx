import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { zoneNow } from "../lib/zone.js";
import type { Bucket } from "./spans.js";

const HEIGHT = 84;
const AXIS_HEIGHT = 24;
/** A shorter drag is a click. */
const DRAG_PIXELS_MIN = 3;

interface ChartProps {
  readonly buckets: readonly Bucket[];
  /** Two moments, in milliseconds since 1970, between which somebody has drawn. */
  onDrawn(from: number, to: number): void;
}

const seconds = (text: string): number => Date.parse(text) / 1_000;
const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

/** Bars over time; drawing over them chooses a span. It holds its colours: another theme is another chart. */
export function HistogramChart({ buckets, onDrawn }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const drawn = useRef(onDrawn);
  drawn.current = onDrawn;
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const chart = new uPlot(
      optionsOf(element, (from, to) => drawn.current(from, to)),
      [[], []],
      element,
    );
    plot.current = chart;
    const resize = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
  }, []);
  useEffect(() => {
    const end = buckets.at(-1)?.until;
    const edges = [...buckets.map(({ since }) => seconds(since)), ...(end === undefined ? [] : [seconds(end)])];
    // The last edge has no bar: it says where the last bar ends.
    plot.current?.setData([edges, [...buckets.map(({ count }) => count), null]]);
  }, [buckets]);
  return <div ref={place} aria-hidden="true" />;
}

function optionsOf(element: HTMLElement, onDrawn: ChartProps["onDrawn"]): uPlot.Options {
  const bars = uPlot.paths.bars?.({ align: 1, size: [0.9] });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [4, 0, 0, 0],
    legend: { show: false },
    tzDate: (at) => (zoneNow() === "utc" ? uPlot.tzDate(new Date(at * 1_000), "Etc/UTC") : new Date(at * 1_000)),
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: DRAG_PIXELS_MIN } },
    scales: {
      x: { range: (_plot, min, max) => [min, max] },
      y: { range: (_plot, _min, max) => [0, Math.max(1, max)] },
    },
    axes: [
      { stroke: css("muted"), size: AXIS_HEIGHT, grid: { show: false }, ticks: { stroke: css("line"), size: 4 } },
      { show: false },
    ],
    series: [
      {},
      { fill: css("accent"), width: 0, points: { show: false }, ...(bars === undefined ? {} : { paths: bars }) },
    ],
    hooks: {
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < DRAG_PIXELS_MIN) return;
          const at = (x: number): number => chart.posToVal(x, "x") * 1_000;
          onDrawn(at(left), at(left + width));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}
