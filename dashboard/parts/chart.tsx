import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "./chart.module.css";

interface ChartProps {
  readonly height: number;
  readonly data: uPlot.AlignedData;
  /** Asked for once. It holds its colours: another theme is another chart. */
  readonly options: () => Omit<uPlot.Options, "width" | "height">;
}

export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

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
