import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { CHROMIUM_ADVICE, CHROMIUM_ARGS, findChromium } from "../../chromium.js";
import { type Cluster, startCluster } from "../../cluster/cluster.js";
import { StartError } from "../../lib/command.js";
import { loopback } from "../../lib/loopback.js";
import { wholeNumber } from "../../lib/usage.js";
import { aligned, type Rows } from "../tables.js";
import { NOTE_INTERACTIVE, PASS_ALL, type Passed, RECORD_FRAMES } from "./in-page.js";

const LIVE = '[data-stream="live"]';
const BATCH = 500;
const WRITE_EVERY_MS = 100;
const HEAP_EVERY_MS = 30_000;
const FRAME_MS_MAX = 50;
const SETTLE_MS = 2_000;
const STEP_MS_MAX = 60_000;
/** Shows more at once, so that the whole list is passed in fewer steps. */
const TALL = { width: 1280, height: 4_000 };
const MIB = 1024 * 1024;

interface Options {
  readonly minutes: number;
  readonly rate: number;
  readonly events: number;
  readonly runs: number;
}

/** The page as a person's browser has it: nodes, mongods and browser share the machine. */
export async function runDashboard(args: string[]): Promise<void> {
  const options = parse(args);
  const executablePath = findChromium();
  if (executablePath === null) throw new StartError(`There is no Chromium: ${CHROMIUM_ADVICE}`);
  let cluster: Cluster | undefined;
  let browser: Browser | undefined;
  try {
    cluster = await startCluster();
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
    const url = cluster.nodes[0]?.url as string;
    await write(url, BATCH, "first");
    const rows: string[][] = [["what", "found", "wanted"]];
    rows.push(...(await firstLoad(browser, url, options)));
    rows.push(...(await liveTail(browser, url, options)));
    rows.push(...(await scrolling(browser, url, options)));
    console.log(`\n${aligned(rows satisfies Rows)}`);
  } finally {
    await browser?.close();
    await cluster?.stop();
  }
}

function parse(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "10" },
      rate: { type: "string", default: "200" },
      events: { type: "string", default: "100000" },
      runs: { type: "string", default: "5" },
    },
  });
  return {
    minutes: wholeNumber("--minutes", values.minutes, 1, 600),
    rate: wholeNumber("--rate", values.rate, 10, 5_000),
    events: wholeNumber("--events", values.events, 1_000, 10_000_000),
    runs: wholeNumber("--runs", values.runs, 1, 100),
  };
}

async function write(url: string, count: number, sourceAppId: string): Promise<void> {
  const types = ["user.login", "invoice.paid", "invoice.approved", "role.granted"];
  const events = Array.from({ length: count }, (_, number) => ({
    ...{ eventType: types[number % types.length], sourceAppId },
    dataPayload: { user: number % 3 === 0 ? "ada" : "grace", number },
  }));
  const { status } = await loopback(`${url}/api/v1/events:batch`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ events }),
  });
  if (status !== 201) throw new Error(`A batch was answered ${status}.`);
}

const open = async (browser: Browser, viewport = { width: 1280, height: 800 }): Promise<Page> => {
  const page = await (await browser.newContext({ viewport })).newPage();
  page.setDefaultTimeout(STEP_MS_MAX);
  return page;
};

const percentile = (values: readonly number[], part: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
};
const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;

/** With nothing cached, each time in a context of its own. */
async function firstLoad(browser: Browser, url: string, { runs }: Options): Promise<string[][]> {
  const bytes: number[] = [];
  const interactive: number[] = [];
  for (let run = 0; run < runs; run++) {
    const page = await open(browser);
    await page.addInitScript(NOTE_INTERACTIVE);
    const network = await page.context().newCDPSession(page);
    await network.send("Network.enable");
    const own = new Set<string>();
    let loaded = 0;
    network.on("Network.requestWillBeSent", ({ requestId, request }) => {
      if (!new URL(request.url).pathname.startsWith("/api/")) own.add(requestId);
    });
    network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (own.has(requestId)) loaded += encodedDataLength;
    });
    await page.goto(`${url}/`);
    await page.locator(LIVE).waitFor();
    await page.locator("main h1").waitFor();
    await sleep(SETTLE_MS);
    const noted = await page.evaluate<{ heading: number; live: number; longTaskEnd: number }>("window.noted");
    const shown = Math.max(noted.heading, noted.live);
    // A long task that begins later is not one of the load.
    interactive.push(noted.longTaskEnd < shown + SETTLE_MS / 2 ? Math.max(shown, noted.longTaskEnd) : shown);
    bytes.push(loaded);
    await page.context().close();
  }
  return [
    ["first load, page and files as sent", kilobytes(percentile(bytes, 0.5)), "< 250 kB"],
    [
      `interactive, median and slowest of ${runs}`,
      `${Math.round(percentile(interactive, 0.5))} ms, ${Math.round(Math.max(...interactive))} ms`,
      "< 1,500 ms",
    ],
  ];
}

/** The events page while so many events a second come. */
async function liveTail(browser: Browser, url: string, { minutes, rate }: Options): Promise<string[][]> {
  const page = await open(browser);
  await page.goto(`${url}/#/events`);
  await page.locator(LIVE).waitFor();
  const profiler = await page.context().newCDPSession(page);
  const heap = async (): Promise<number> => {
    await profiler.send("HeapProfiler.collectGarbage");
    return (await profiler.send("Runtime.getHeapUsage")).usedSize;
  };
  await page.evaluate(RECORD_FRAMES);
  const frames: number[] = [];
  const heaps: number[] = [];
  const endsAt = Date.now() + minutes * 60_000;
  let written = 0;
  const startedAt = Date.now();
  let nextHeapAt = startedAt + HEAP_EVERY_MS;
  while (Date.now() < endsAt) {
    const due = Math.floor(((Date.now() - startedAt) / 1_000) * rate) - written;
    if (due > 0) await write(url, Math.min(due, BATCH), "tail");
    written += Math.max(0, Math.min(due, BATCH));
    if (Date.now() >= nextHeapAt) {
      // Collecting stops the page for a moment, which is not the page's doing: those frames are not counted.
      frames.push(...(await page.evaluate<number[]>("window.frameTimes.splice(0)")));
      heaps.push(await heap());
      await page.evaluate("window.frameTimes.splice(0)");
      nextHeapAt = Date.now() + HEAP_EVERY_MS;
      console.log(`  ${written} events, heap ${((heaps.at(-1) ?? 0) / MIB).toFixed(1)} MiB`);
    }
    await sleep(WRITE_EVERY_MS);
  }
  frames.push(...(await page.evaluate<number[]>("window.frameTimes.splice(0)")));
  await page.context().close();
  const seconds = minutes * 60;
  const late = frames.filter((ms) => ms > FRAME_MS_MAX).length;
  const at = (part: number): string => percentile(frames, part).toFixed(1);
  return [
    [
      `live tail, ${Math.round(written / seconds)} events a second, frames: p50, p99`,
      `${at(0.5)} ms, ${at(0.99)} ms`,
      "< 50 ms",
    ],
    ["live tail, longest frame", `${Math.max(...frames).toFixed(0)} ms`, "< 50 ms"],
    ["live tail, frames over 50 ms", `${late} of ${frames.length}`, "0"],
    [`heap over ${minutes} min: first, highest, last`, heapWords(heaps), "stable"],
  ];
}

function heapWords(heaps: readonly number[]): string {
  const words = (bytes: number): string => (bytes / MIB).toFixed(1);
  if (heaps.length === 0) return "–";
  return `${words(heaps[0] ?? 0)}, ${words(Math.max(...heaps))}, ${words(heaps.at(-1) ?? 0)} MiB`;
}

async function scrolling(browser: Browser, url: string, { events }: Options): Promise<string[][]> {
  for (let done = 0; done < events; done += BATCH) await write(url, Math.min(BATCH, events - done), "many");
  const page = await open(browser, TALL);
  await page.goto(`${url}/#/events?sourceAppId=many&paused=1`);
  await page.locator("[data-sequence]").first().waitFor();
  const startedAt = performance.now();
  const { seen, rowNodesMax } = await page.evaluate<Passed>(PASS_ALL);
  const seconds = (performance.now() - startedAt) / 1_000;
  await page.context().close();
  const isInOrder = seen.every((sequence, i) => i === 0 || sequence < (seen[i - 1] as number));
  return [
    [`${events} events scrolled: rows in the page at once`, String(rowNodesMax), "< 300"],
    ["each seen once, in order", seen.length === events && isInOrder ? "yes" : `no: ${seen.length}`, "yes"],
    ["from the top to the end", `${seconds.toFixed(0)} s`, ""],
  ];
}
