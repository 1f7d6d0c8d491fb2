import { useEffect, useMemo, useRef, useState } from "react";
import type uPlot from "uplot";
import { stream } from "../api/stream.js";
import { count } from "../lib/format.js";
import { isStill } from "../lib/still.js";
import { useTheme } from "../lib/theme.js";
import { clockTime, zoneName } from "../lib/times.js";
import { Button } from "../parts/button.js";
import { Chart, colour, timeLabels } from "../parts/chart.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";

const SECONDS = 60;
const HEIGHT = 140;
/** For who wants nothing to move. */
const STILL_EVERY_MS = 10_000;

interface Rates {
  /** Seconds since 1970, and how many events came in each; null before the page was opened. */
  readonly at: readonly number[];
  readonly counts: readonly (number | null)[];
}

/** Events a second since the page was opened, as they come by the stream. While it is paused, they are counted on. */
function useRates(isPaused: boolean): Rates {
  const perSecond = useRef(new Map<number, number>());
  const openedAt = useRef(second());
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
      setRates({ at, counts: at.map((one) => (one < openedAt.current ? null : (perSecond.current.get(one) ?? 0))) });
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
  const data = useMemo((): uPlot.AlignedData => [[...rates.at], [...rates.counts]], [rates]);
  const counts = rates.counts.filter((one) => one !== null);
  const total = counts.reduce((sum, one) => sum + one, 0);
  return (
    <section className={page.card} aria-labelledby="rate">
      <div className={page.header}>
        <h2 id="rate">Events a second</h2>
        <Button aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? "▶ Resume" : "❚❚ Pause"}
        </Button>
      </div>
      <p className={page.muted}>
        {count(total)} {counts.length < SECONDS ? "since this page was opened" : "in the last minute"},{" "}
        {count(counts.at(-1) ?? 0)} in the last second, {count(Math.max(0, ...counts))} at most.
      </p>
      <Chart key={theme} height={HEIGHT} data={data} options={optionsOf} />
      <details>
        <summary>As a table</summary>
        <Table head={[`Second (${zoneName()})`, "Events"]}>
          {rates.at.map((second, i) => (
            <tr key={second}>
              <td>{clockTime(new Date(second * 1_000).toISOString()).slice(0, 8)}</td>
              <td className={page.number}>{rates.counts[i] === null ? "–" : count(rates.counts[i] ?? 0)}</td>
            </tr>
          ))}
        </Table>
      </details>
    </section>
  );
}

function optionsOf(): Omit<uPlot.Options, "width" | "height"> {
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  return {
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(5, max)] } },
    axes: [
      { ...axis, size: 28, ...timeLabels() },
      { ...axis, size: 44 },
    ],
    series: [{}, { stroke: colour("accent"), fill: colour("accent-soft"), width: 2, points: { show: false } }],
  };
}
