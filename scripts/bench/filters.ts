import { parseArgs } from "node:util";
import { wholeNumber } from "../lib/usage.js";
import { findMongod } from "../mongod/ladder.js";
import { calibrate, calibrationText } from "./calibration.js";
import { fillWith } from "./fill.js";
import type { Spread } from "./load/events.js";
import { Histogram } from "./load/histogram.js";
import type { FilterName, LoadResult } from "./load/spec.js";
import { numbers } from "./options.js";
import { MemorySampler } from "./samples.js";
import { memoryVerdict } from "./soak.js";
import { aligned } from "./tables.js";
import { QuorumlogTarget } from "./targets/quorumlog.js";

const HEAD = ["days", "API", "filter", "events", "pages", "p50 ms", "p99 ms", "p99 ratio", "unfinished", "failed"];
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1);
/** Our own API has its range on another time. */
const ASKED: { api: "own" | "reference"; filters: FilterName[] }[] = [
  { api: "own", filters: ["type", "source", "both", "never"] },
  { api: "reference", filters: ["type", "source", "both", "never", "minute"] },
];
const WARM_UP_SECONDS = 1;

interface Cell {
  readonly days: number;
  readonly events: number;
  readonly api: string;
  readonly filter: string;
  readonly result: Pick<LoadResult, "operations" | "unfinished" | "errors" | "latency">;
}

/** Does a filtered page take longer in a larger log? Each size has a log of its own, over the same days. */
export async function runFilters(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      sizes: { type: "string", default: "100000,10000000" },
      days: { type: "string", default: "30,1" },
      clients: { type: "string", default: "4" },
      seconds: { type: "string", default: "10" },
    },
  });
  const sizes = numbers("--sizes", values.sizes, 100_000_000);
  const days = numbers("--days", values.days, 3_650);
  const clients = wholeNumber("--clients", values.clients, 1, 2_000);
  const seconds = wholeNumber("--seconds", values.seconds, 1, 3_600);
  const mongodBinary = await findMongod();
  console.log(calibrationText(await calibrate()));
  const cells: Cell[] = [];
  for (const count of days) {
    for (const events of sizes)
      cells.push(...(await measureLog({ mongodBinary, days: count, events, clients, seconds })));
  }
  console.log(`\n${aligned([HEAD, ...filterRows(cells)])}`);
}

interface LogOptions {
  readonly mongodBinary: string;
  readonly days: number;
  readonly events: number;
  readonly clients: number;
  readonly seconds: number;
}

async function measureLog({ mongodBinary, days, events, clients, seconds }: LogOptions): Promise<Cell[]> {
  const target = await QuorumlogTarget.start({ mongodBinary });
  const sampler = new MemorySampler();
  try {
    const spread: Spread = { startMs: START_MS, spanMs: days * DAY_MS, events };
    console.log(`\n${events} events over ${days} days …`);
    sampler.watch(await target.processes(), "filling");
    const perSecond = await fillWith(target, { events, fill: "batch", spread });
    console.log(`  written at ${Math.round(perSecond)} a second`);
    const cells: Cell[] = [];
    for (const { api, filters } of ASKED) {
      for (const filter of filters) {
        const to = await target.at("all");
        const spec = { target: to, work: { kind: "filter", api, filter, spread }, clients } as const;
        await target.load.run({ ...spec, seconds: WARM_UP_SECONDS });
        const result = await target.load.run({ ...spec, seconds });
        cells.push({ days, events, api, filter, result });
        console.log(`  ${api}, ${filter}: p99 ${p99Of(cells.at(-1) as Cell).toFixed(1)} ms`);
      }
    }
    console.log(memoryVerdict(sampler.stop()));
    return cells;
  } finally {
    sampler.stop();
    await target.stop();
  }
}

const p99Of = ({ result }: Cell): number => Histogram.from(result.latency).percentile(0.99);

/** A filter's sizes below each other; ratios are to the first of them. */
export function filterRows(cells: readonly Cell[]): string[][] {
  const keyOf = ({ days, api, filter }: Cell) => `${days} ${api} ${filter}`;
  return [...new Set(cells.map(keyOf))].flatMap((key) => {
    const ofKey = cells.filter((cell) => keyOf(cell) === key);
    const first = p99Of(ofKey[0] as Cell);
    return ofKey.map((cell, index) => {
      const { days, api, filter, events, result } = cell;
      const { operations, unfinished, errors, latency } = result;
      const failed = Object.entries(errors).map(([reason, count]) => `${count} × ${reason}`);
      return [
        ...(index === 0 ? [String(days), api, filter] : ["", "", ""]),
        String(events),
        String(operations),
        Histogram.from(latency).percentile(0.5).toFixed(1),
        // Where every request failed there is no latency, and nothing to compare.
        ...(operations === 0 ? ["–", "–"] : [p99Of(cell).toFixed(1), `× ${(p99Of(cell) / first).toFixed(2)}`]),
        String(unfinished),
        failed.join(", ") || "0",
      ];
    });
  });
}
