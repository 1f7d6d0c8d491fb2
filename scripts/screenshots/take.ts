import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import type { ChaosAction } from "../../shared/protocol/chaos.js";
import { CHROMIUM_ADVICE, CHROMIUM_ARGS, findChromium } from "../chromium.js";
import { type Cluster, startCluster } from "../cluster/cluster.js";
import { StartError } from "../lib/command.js";
import { loopback } from "../lib/loopback.js";
import { freePorts, poll } from "../lib/processes.js";
import { projectRoot } from "../lib/project.js";
import { Chaos } from "../start/chaos/chaos.js";
import { fillForDemo } from "../start/demo.js";

const IDS = ["n1", "n2", "n3"];
const PATIENCE_MS = 120_000;
const THEMES = ["light", "dark"] as const;
const WIDTHS = [320, 1280, 2560];
/** What the page still asks for, and draws, after its heading is there. */
const SETTLE_MS = 2_500;
const SETTLE_EACH_MS = 1_000;
const EVENT_EVERY_MS = 300;

interface Options {
  readonly isEvery: boolean;
  readonly say: (line: string) => void;
}

interface Shot {
  readonly path: string;
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly theme?: (typeof THEMES)[number];
  /** All of the page, however high it is. */
  readonly isWhole?: boolean;
  /** What has to be seen before; it is scrolled into view. */
  readonly shows?: string;
}

export async function takePictures({ isEvery, say }: Options): Promise<void> {
  const executablePath = findChromium();
  if (executablePath === null) throw new StartError(`There is no Chromium: ${CHROMIUM_ADVICE}`);
  const ports = await freePorts(IDS.length);
  const chaos = await Chaos.open(IDS, ports, () => undefined);
  let cluster: Cluster | undefined;
  let browser: Browser | undefined;
  try {
    say("Starting three nodes …");
    cluster = await startCluster({
      ports,
      env: { INDEX_PAYLOAD: "customer,user" },
      nodeEnv: (id) => chaos.environmentOf(id),
      onEvent: (event) => chaos.onEvent(event),
    });
    chaos.attach(cluster);
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
    await (isEvery ? everyPage : documentsPictures)(new Studio(cluster, browser, say));
  } finally {
    await browser?.close();
    chaos.heal();
    await cluster?.stop();
    await chaos.close();
  }
}

/** A cluster to which things happen, and pictures of its pages. */
class Studio {
  readonly url: string;

  constructor(
    readonly cluster: Cluster,
    private readonly browser: Browser,
    private readonly say: (line: string) => void,
  ) {
    this.url = cluster.node("n1").url;
  }

  async fill(): Promise<void> {
    this.say(await fillForDemo(this.url, Date.now()));
  }

  /** Events one by one, as an application logs them; the sequence of the newest. */
  async log(count: number): Promise<number> {
    let newest = -1;
    for (let i = 0; i < count; i++) {
      const dataPayload = { invoice: 2_000 + i, customer: i % 2 === 0 ? "Acme" : "Globex", amount: 125_000 + 250 * i };
      const eventType = i % 3 === 0 ? "invoice.created" : "invoice.approved";
      const { body } = await this.#post<{ sequence: number }>("events", {
        ...{ eventType, sourceAppId: "billing", dataPayload },
      });
      newest = body.sequence;
      await sleep(EVENT_EVERY_MS);
    }
    return newest;
  }

  async strike(action: ChaosAction, node: string): Promise<void> {
    const { status } = await this.#post("chaos", { action, node });
    if (status !== 200) throw new Error(`${action} ${node} was answered ${status}.`);
    this.say(`${action} ${node}`);
  }

  /** One leader dies and comes back. */
  async elect(): Promise<void> {
    const { node } = await this.cluster.leader();
    // The node that serves the pages stays.
    const id = node.id === "n1" ? "n2" : node.id;
    await this.strike("kill", id);
    await poll(async () => this.cluster.node(id).pid === undefined, { withinMs: PATIENCE_MS });
    await this.cluster.leader(PATIENCE_MS);
    await sleep(6_000);
    await this.cluster.start(id);
    await this.cluster.leader(PATIENCE_MS);
    await sleep(8_000);
  }

  /** The newest event of a follower is altered; the alert's id, once it is known. */
  async tamper(): Promise<string> {
    const { node: leader } = await this.cluster.leader(PATIENCE_MS);
    const victim = IDS.findLast((id) => id !== leader.id && id !== "n1") as string;
    await this.strike("tamper", victim);
    const alert = await poll(
      async () => {
        const answer = await loopback(`${this.url}/api/v1/alerts`);
        const { alerts } = (await answer.json()) as {
          alerts: { id: string; accused: string; differences?: object[] }[];
        };
        return alerts.find(({ accused, differences }) => accused === victim && differences !== undefined)?.id;
      },
      { withinMs: PATIENCE_MS },
    );
    if (alert === undefined) throw new Error(`No alert within ${PATIENCE_MS / 1_000} s.`);
    return alert;
  }

  async take({ path, file, width, height, theme = "light", isWhole = false, shows }: Shot): Promise<void> {
    const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: theme });
    const page = await context.newPage();
    await page.goto(`${this.url}/#${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor({ timeout: PATIENCE_MS });
    if (shows !== undefined) await page.getByText(shows).first().waitFor({ timeout: PATIENCE_MS });
    await sleep(SETTLE_MS);
    if (isWhole) await grow(page, width);
    await page.screenshot({ path: file });
    this.say(file);
    await context.close();
  }

  /** All of each page, in both themes and in each width, with one window for a theme. */
  async takeEach(
    paths: readonly string[],
    fileOf: (path: string, width: number, theme: string) => string,
  ): Promise<void> {
    for (const theme of THEMES) {
      const context = await this.browser.newContext({ colorScheme: theme });
      const page = await context.newPage();
      for (const path of paths) {
        await page.goto(`${this.url}/#/${path}`);
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 800 });
          // An open event stands in the place of a narrow page, with a heading of its own.
          await page.getByRole("heading").first().waitFor({ timeout: PATIENCE_MS });
          await sleep(SETTLE_EACH_MS);
          await grow(page, width);
          await page.screenshot({ path: fileOf(path, width, theme) });
        }
        this.say(`${path} ${theme}`);
      }
      await context.close();
    }
  }

  async #post<T>(path: string, body: object): Promise<{ status: number; body: T }> {
    const answer = await loopback(`${this.url}/api/v1/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as T };
  }
}

/** The page scrolls within itself: the window has to be as high as what is in it. */
async function grow(page: Page, width: number): Promise<void> {
  const height = await page.evaluate<number>(`(() => {
    const main = document.getElementById("main");
    return Math.ceil(main.getBoundingClientRect().top + main.scrollHeight);
  })()`);
  await page.setViewportSize({ width, height: Math.min(6_000, Math.max(400, height)) });
  await sleep(500);
}

const PAGES = ["", "events", "chain", "cluster", "alerts", "verify", "report", "docs"];
const TABS = ["fields", "json", "hash", "nodes", "curl"];

async function everyPage(studio: Studio): Promise<void> {
  const folder = join(projectRoot(), "dist", "screenshots", "pages");
  mkdirSync(folder, { recursive: true });
  const all = (what: string, paths: readonly string[]): Promise<void> =>
    studio.takeEach(paths, (path, width, theme) => {
      const name = path.replaceAll(/[^\w]+/g, "-") || "overview";
      return join(folder, `${name}-${what}-${width}-${theme}.png`);
    });
  await all("empty", PAGES);
  await studio.fill();
  const newest = await studio.log(12);
  await studio.elect();
  await all("full", [
    ...PAGES,
    ...TABS.map((tab) => `events?event=${newest}&tab=${tab}`),
    "events?eventType=no.such.type",
    "chain?zoom=bar",
    "chain?zoom=map",
  ]);
  const alert = await studio.tamper();
  await all("tampered", [
    "",
    "events",
    "chain",
    "chain?zoom=map",
    "cluster",
    "alerts",
    `alerts?alert=${alert}`,
    `events?event=${newest}&tab=nodes`,
    "report",
  ]);
}

async function documentsPictures(studio: Studio): Promise<void> {
  const picture = (name: string): string => join(projectRoot(), "docs", `${name}.png`);
  const size = { width: 1280, height: 800 };
  await studio.fill();
  await studio.log(12);
  await studio.elect();
  await studio.take({ ...size, path: "/cluster?span=1min", file: picture("dashboard-cluster"), height: 930 });
  const newest = await studio.log(20);
  const hash = `/events?eventType=invoice.*&event=${newest - 2}&tab=hash`;
  await studio.take({ ...size, path: hash, file: picture("dashboard"), shows: "verified in this browser" });
  await studio.take({ ...size, path: "/", file: picture("dashboard-overview") });
  const alert = await studio.tamper();
  await studio.take({
    ...size,
    path: "/chain",
    file: picture("dashboard-chain"),
    height: 560,
    shows: "open the alert",
  });
  await studio.take({ ...size, path: `/alerts?alert=${alert}`, file: picture("dashboard-alert"), isWhole: true });
}
