import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { journeys, LIVE, leave, scrollThrough, visit } from "./browser.js";
import { seed, write } from "./seed.js";
import { openWorld } from "./world.js";

const TABS = 7;
const EVENTS = 100_000;
const ROW_NODES_MAX = 300;
/** A tall window shows more at once, so that the whole list is passed in fewer steps. */
const TALL = { width: 1280, height: 7_000 };

journeys("a browser with much in it", () => {
  const world = openWorld();

  it("6: seven tabs of one browser all stream", async () => {
    const first = await visit(world.browser, `${world.url}/#/events`);
    const tabs: Page[] = [first.page];
    while (tabs.length < TABS) {
      const page = await first.page.context().newPage();
      await page.goto(`${world.url}/#/events`);
      tabs.push(page);
    }
    await Promise.all(tabs.map((page) => page.locator(LIVE).waitFor()));
    const sequence = await write(world.url);
    await Promise.all(tabs.map((page) => page.locator(`[data-sequence="${sequence}"]`).waitFor({ state: "attached" })));
    await leave(first, "journey-06");
  });

  it("8: scrolls through 100,000 events with fewer than 300 rows in the page, and sees each once", async () => {
    await seed(world.url, EVENTS, "many");
    const mine = await visit(world.browser, `${world.url}/#/events?sourceAppId=many&paused=1`, { viewport: TALL });
    await mine.page.locator("[data-sequence]").first().waitFor();
    const { seen, rowNodesMax } = await scrollThrough(mine.page);
    expect(rowNodesMax).toBeLessThan(ROW_NODES_MAX);
    expect(seen).toHaveLength(EVENTS);
    expect(seen.every((sequence, i) => i === 0 || sequence === (seen[i - 1] as number) - 1)).toBe(true);
    await mine.page.getByText("This is the beginning.").waitFor({ state: "attached" });
    await leave(mine, "journey-08");
  }, 900_000);
});
