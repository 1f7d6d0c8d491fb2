import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { describe, expect } from "vitest";
import { PASS_ALL, type Passed } from "../../scripts/bench/dashboard/in-page.js";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/chromium.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { eventually } from "../support/eventually.js";

const executablePath = findChromium();
const SCREENSHOTS = join(projectRoot(), "dist", "screenshots");
/** A machine with many tests on it is slow; what a journey promises in time it measures itself. */
const STEP_MS_MAX = 120_000;
/** Long after the two keys the page is another one, or they were too far apart. */
const CHORD_MS_MAX = 5_000;
/** What is being drawn has the contrast of the moment. */
const DRAWN_WITHIN_MS = 2_000;

/** The page has its stream. */
export const LIVE = '[data-stream="live"]';

/** Skipped, and counted so, where there is no Chromium. */
export function journeys(name: string, body: () => void): void {
  describe.skipIf(executablePath === null)(name, body);
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: executablePath ?? "", args: CHROMIUM_ARGS });
}

export interface Visit {
  readonly page: Page;
  /** What the page wrote to its console as an error, or threw. */
  readonly errors: string[];
  /** Requests that went to another origin than the page's. */
  readonly foreign: string[];
}

export interface VisitOptions extends BrowserContextOptions {
  /** Errors that the browser itself reports of a node that is not there. */
  readonly mayMissNodes?: boolean;
  /** What is done before the page is loaded. */
  readonly before?: (page: Page) => Promise<unknown>;
}

const OF_THE_NETWORK = /Failed to load resource|WebSocket connection to/;

/** A page in a context of its own, as another person's browser would have it. */
export async function visit(browser: Browser, url: string, options: VisitOptions = {}): Promise<Visit> {
  const { mayMissNodes = false, before, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS_MAX);
  const errors: string[] = [];
  const foreign: string[] = [];
  page.on("console", (message) => {
    const isExpected = mayMissNodes && OF_THE_NETWORK.test(message.text());
    if (message.type() === "error" && !isExpected) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    // To go to another page is a person's own wish.
    const isOwn = request.isNavigationRequest() || new URL(request.url()).origin === new URL(page.url()).origin;
    if (!isOwn) foreign.push(request.url());
  });
  await before?.(page);
  await page.goto(url);
  return { page, errors, foreign };
}

export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** The end of a journey: a picture of it, nothing in the console, nothing asked of anybody else. */
export async function leave({ page, errors, foreign }: Visit, name: string): Promise<void> {
  await picture(page, name);
  await page.context().close();
  expect({ errors, foreign }).toEqual({ errors: [], foreign: [] });
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** What another theme can change: the page is the same but for its colours. */
const RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"];

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[];
}

/** In both themes, as the page follows what its reader prefers. */
export async function expectSound(page: Page, what = ""): Promise<void> {
  for (const [colorScheme, rules] of [
    ["light", ALL_RULES],
    ["dark", RULES_OF_COLOUR],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    expect([what, colorScheme, await violationsOf(page, rules)]).toEqual([what, colorScheme, []]);
  }
}

/** What axe-core finds wrong with the page, and goes on to find: one line a rule and element. */
export async function violationsOf(page: Page, rules = ALL_RULES): Promise<string[]> {
  // By the debugger, so that the page's own policy stays in force.
  await page.evaluate(axeSource);
  let last: string[] = [];
  const isSound = async (): Promise<boolean> => {
    last = await axeOn(page, rules);
    return last.length === 0;
  };
  await eventually(isSound, DRAWN_WITHIN_MS, "nothing is wrong").catch(() => undefined);
  return last;
}

async function axeOn(page: Page, rules: readonly string[]): Promise<string[]> {
  const run = `axe.run(document, { runOnly: ${JSON.stringify(rules)} })`;
  const { violations } = (await page.evaluate(run)) as AxeResult;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}

/** `g` and a letter, as often as the machine was too slow for the time that the page allows between the two. */
export const openByKeys = (page: Page, letter: string, shown: Locator): Promise<unknown> =>
  eventually(
    async () => {
      await page.keyboard.press("g");
      await page.keyboard.press(letter);
      await shown.waitFor({ timeout: CHORD_MS_MAX });
      return true;
    },
    60_000,
    `the page of ${letter}`,
  );

/** Presses Tab until what is meant has the focus. */
export const tabTo = (page: Page, what: string): Promise<unknown> =>
  eventually(
    async () => {
      if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(what)})`)) return true;
      await page.keyboard.press("Tab");
      return false;
    },
    30_000,
    `Tab leads to ${what}`,
  );

/** The sequences of the rows in the page, from the top. */
export const rowsIn = (page: Page): Promise<number[]> =>
  page.evaluate(`[...document.querySelectorAll("[data-sequence]")]
    .map((row) => [Number(row.dataset.sequence), row.getBoundingClientRect().top])
    .sort((a, b) => a[1] - b[1]).map(([sequence]) => sequence)`) as Promise<number[]>;

/** Scrolls through the whole list, from its top to its end, and back to the top. */
export const scrollThrough = (page: Page): Promise<Passed> => page.evaluate<Passed>(PASS_ALL);
