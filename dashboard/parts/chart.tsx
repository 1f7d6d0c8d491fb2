import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clockTime, dateOf } from "../lib/times.js";
import styles from "./chart.module.css";

interface ChartProps {
  readonly height: number;
  readonly data: uPlot.AlignedData;
  /** Asked for once. It holds its colours: another theme is another chart. */
  readonly options: () => Omit<uPlot.Options, "width" | "height">;
}

export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

/** Pixels that a time takes, and the space to the next one. */
const LABEL_SPACE = 92;

/** Times below an axis. One that would reach beyond the edge is not written. */
export const timeLabels = (): Pick<uPlot.Axis, "space" | "values"> => ({
  space: LABEL_SPACE,
  values: (plot, seconds, _axis, _space, everySeconds) => {
    const left = plot.bbox.left / devicePixelRatio;
    return seconds.map((at) => {
      const x = left + plot.valToPos(at, "x");
      const isInside = x >= LABEL_SPACE / 2 && x + LABEL_SPACE / 2 <= plot.width;
      return isInside ? timeText(new Date(at * 1_000).toISOString(), everySeconds) : "";
    });
  },
});

/** So exact that two neighbours differ. */
function timeText(at: string, everySeconds: number): string {
  if (everySeconds >= 86_400) return dateOf(at);
  if (everySeconds >= 3_600) return `${dateOf(at).slice(5)} ${clockTime(at).slice(0, 5)}`;
  return clockTime(at).slice(0, everySeconds >= 60 ? 5 : everySeconds >= 1 ? 8 : 12);
}

/** As wide as there is room. What it shows stands beside it in words. */
export function Chart({ height, data, options }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const first = useRef({ height, options });
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const size = () => ({ width: element.clientWidth, height: first.current.height });
    const drawn = new uPlot({ ...first.current.options(), ...size(), legend: { show: false } }, [[], []], element);
    plot.current = drawn;
    const resize = new ResizeObserver(() => drawn.setSize(size()));
    resize.observe(element);
    return () => {
      resize.disconnect();
      drawn.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div ref={place} className={styles.chart} style={{ minHeight: height }} aria-hidden="true" />;
}
