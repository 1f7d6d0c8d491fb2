import { useMemo, useRef } from "react";
import uPlot from "uplot";
import { zoneNow } from "../lib/zone.js";
import { Chart, colour, timeLabels } from "../parts/chart.js";
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

/** Bars over time; drawing over them chooses a span. */
export function HistogramChart({ buckets, onDrawn }: ChartProps) {
  const drawn = useRef(onDrawn);
  drawn.current = onDrawn;
  const data = useMemo((): uPlot.AlignedData => {
    const end = buckets.at(-1)?.until;
    const edges = [...buckets.map(({ since }) => seconds(since)), ...(end === undefined ? [] : [seconds(end)])];
    // The last edge has no bar: it says where the last bar ends.
    return [edges, [...buckets.map(({ count }) => count), null]];
  }, [buckets]);
  return <Chart height={HEIGHT} data={data} options={() => optionsOf((from, to) => drawn.current(from, to))} />;
}

function optionsOf(onDrawn: ChartProps["onDrawn"]): Omit<uPlot.Options, "width" | "height"> {
  const bars = uPlot.paths.bars?.({ align: 1, size: [0.9] });
  return {
    padding: [4, 0, 0, 0],
    tzDate: (at) => (zoneNow() === "utc" ? uPlot.tzDate(new Date(at * 1_000), "Etc/UTC") : new Date(at * 1_000)),
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: DRAG_PIXELS_MIN } },
    scales: {
      x: { range: (_plot, min, max) => [min, max] },
      y: { range: (_plot, _min, max) => [0, Math.max(1, max)] },
    },
    axes: [
      {
        ...{ stroke: colour("muted"), size: AXIS_HEIGHT, grid: { show: false } },
        ...{ ticks: { stroke: colour("line"), size: 4 }, ...timeLabels() },
      },
      { show: false },
    ],
    series: [
      {},
      { fill: colour("accent"), width: 0, points: { show: false }, ...(bars === undefined ? {} : { paths: bars }) },
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
