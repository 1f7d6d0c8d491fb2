import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { stream } from "../api/stream.js";
import { count } from "../lib/format.js";
import { isStill } from "../lib/still.js";
import { useTheme } from "../lib/theme.js";
import { clockTime, zoneName } from "../lib/times.js";
import { Button } from "../parts/button.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import styles from "./overview.module.css";

const SECONDS = 60;
const HEIGHT = 140;
/** For who wants nothing to move. */
const STILL_EVERY_MS = 10_000;

interface Rates {
  /** Seconds since 1970, and how many events came in each. */
  readonly at: readonly number[];
  readonly counts: readonly number[];
}

/** Events a second since the page was opened, as they come by the stream. While it is paused, they are counted on. */
function useRates(isPaused: boolean): Rates {
  const perSecond = useRef(new Map<number, number>());
  const [rates, setRates] = useState<Rates>({ at: [], counts: [] });
  useEffect(
    () =>
      stream.subscribe({
        onEvents: ({ length }) => perSecond.current.set(second(), (perSecond.current.get(second()) ?? 0) + length),
      }),
    [],
  );
  useEffect(() => {
    if (isPaused) return;
    const draw = (): void => {
      const at = Array.from({ length: SECONDS }, (_, i) => second() - SECONDS + i);
      for (const one of perSecond.current.keys()) if (one < (at[0] ?? 0)) perSecond.current.delete(one);
      setRates({ at, counts: at.map((one) => perSecond.current.get(one) ?? 0) });
    };
    draw();
    const timer = setInterval(draw, isStill() ? STILL_EVERY_MS : 1_000);
    return () => clearInterval(timer);
  }, [isPaused]);
  return rates;
}

const second = (): number => Math.floor(Date.now() / 1_000);

export function Rate() {
  const [isPaused, setPaused] = useState(false);
  const rates = useRates(isPaused);
  // The chart holds its colours, so another theme is another chart.
  const theme = useTheme();
  const total = rates.counts.reduce((sum, one) => sum + one, 0);
  return (
    <section className={page.card} aria-labelledby="rate">
      <div className={page.header}>
        <h2 id="rate">Events a second</h2>
        <Button aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? "▶ Resume" : "❚❚ Pause"}
        </Button>
      </div>
      <p className={page.muted}>
        {count(total)} in the last minute, {count(rates.counts.at(-1) ?? 0)} in the last second,{" "}
        {count(Math.max(0, ...rates.counts))} at most.
      </p>
      <Chart key={theme} rates={rates} />
      <details>
        <summary>As a table</summary>
        <Table head={[`Second (${zoneName()})`, "Events"]}>
          {rates.at.map((second, i) => (
            <tr key={second}>
              <td>{clockTime(new Date(second * 1_000).toISOString()).slice(0, 8)}</td>
              <td className={page.number}>{count(rates.counts[i] ?? 0)}</td>
            </tr>
          ))}
        </Table>
      </details>
    </section>
  );
}

function Chart({ rates }: { readonly rates: Rates }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const drawn = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(5, max)] } },
        axes: [
          {
            ...axis,
            ...{ size: 28, space: 80 },
            values: (_plot, seconds) => seconds.map((at) => clockTime(new Date(at * 1_000).toISOString()).slice(0, 8)),
          },
          { ...axis, size: 44 },
        ],
        series: [{}, { stroke: colour("accent"), fill: colour("accent-soft"), width: 2, points: { show: false } }],
      },
      [[], []],
      element,
    );
    plot.current = drawn;
    const resize = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      drawn.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData([[...rates.at], [...rates.counts]]), [rates]);
  return <div ref={place} className={styles.chart} aria-hidden="true" />;
}
