import { useEffect, useMemo, useState } from "react";
import type uPlot from "uplot";
import { stream } from "../api/stream.js";
import { count, many } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { isStill } from "../lib/still.js";
import { useTheme } from "../lib/theme.js";
import { clockTime, zoneName } from "../lib/times.js";
import { Button } from "../parts/button.js";
import { Chart, colour, timeLabels } from "../parts/chart.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import { type Rates, Seconds } from "./seconds.js";

const SECONDS = 60;
const HEIGHT = 140;
/** For who wants nothing to move. */
const STILL_EVERY_MS = 10_000;

/** Events a second since the page was opened, as they come by the stream. While it is paused, they are counted on. */
function useRates(isPaused: boolean): Rates {
  const [seconds] = useState(() => new Seconds(second(), stream.state === "live"));
  const [rates, setRates] = useState<Rates>(() => seconds.rates(second(), SECONDS));
  useEffect(
    () =>
      stream.subscribe({
        onEvents: ({ length }) => {
          if (length > 0) seconds.add(second(), length);
        },
        onState: (state) => seconds.hear(second(), state === "live"),
      }),
    [seconds],
  );
  useEffect(() => {
    if (isPaused) return;
    const draw = (): void => setRates(seconds.rates(second(), SECONDS));
    draw();
    const timer = setInterval(draw, isStill() ? STILL_EVERY_MS : 1_000);
    return () => clearInterval(timer);
  }, [isPaused, seconds]);
  return rates;
}

const second = (): number => Math.floor(Date.now() / 1_000);

export function Rate() {
  const { parameters, change } = useParameters();
  const isPaused = parameters.get("paused") === "1";
  const rates = useRates(isPaused);
  // The chart holds its colours, so another theme is another chart.
  const theme = useTheme();
  const data = useMemo((): uPlot.AlignedData => [[...rates.at], [...rates.counts]], [rates]);
  const counts = rates.counts.filter((one) => one !== null);
  const newest = rates.counts.at(-1) ?? null;
  const total = counts.reduce((sum, one) => sum + one, 0);
  return (
    <section className={page.card} aria-labelledby="rate">
      <div className={page.header}>
        <h2 id="rate">Events a second</h2>
        <Button aria-pressed={isPaused} onClick={() => change({ paused: isPaused ? "" : "1" }, { replace: true })}>
          {isPaused ? "▶ Resume" : "❚❚ Pause"}
        </Button>
      </div>
      <p className={page.muted}>
        {count(total)} in{" "}
        {counts.length === SECONDS ? "the last minute" : `${many(counts.length, "second")} of the last minute`},{" "}
        {newest === null ? "not heard" : count(newest)} in the last second, {count(Math.max(0, ...counts))} at most.
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
