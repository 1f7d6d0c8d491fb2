import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { journeys, LIVE, leave, openBrowser, openByKeys, tabTo, violationsOf, visit } from "./browser.js";
import { seed } from "./seed.js";

const PAGES = {
  overview: "/",
  events: "/events",
  chain: "/chain",
  cluster: "/cluster",
  alerts: "/alerts",
  verify: "/verify",
  report: "/report",
  docs: "/docs",
} as const;
/** They show what they have, whatever the node answers. */
const WITHOUT_ERROR: readonly string[] = ["verify", "docs"];
const THEMES = ["light", "dark"] as const;
const CASES = Object.entries(PAGES).map(([name, path]) => ({ name, path }));
const HANDED_OVER_MS_MAX = 30_000;
/** 640 is a window of 1280 at a zoom of 200 %. */
const WIDTHS = [320, 640, 1280, 2560];

journeys("a page for everybody", () => {
  let cluster: Cluster;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    [cluster, browser] = await Promise.all([startSteadyCluster(), openBrowser()]);
    // Every page works on a follower as well.
    const { node: leader } = await cluster.leader();
    url = cluster.nodes.find(({ id }) => id !== leader.id)?.url as string;
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  const overflow = (page: Page): Promise<number> =>
    page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");

  /** In both themes, as the page follows what its reader prefers. */
  async function expectSound(page: Page, what = ""): Promise<void> {
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      expect([what, colorScheme, await violationsOf(page)]).toEqual([what, colorScheme, []]);
    }
  }

  async function check(name: string, path: string, colorScheme: (typeof THEMES)[number]): Promise<void> {
    const mine = await visit(browser, `${url}/#${path}`, { colorScheme });
    await mine.page.getByRole("heading", { level: 1 }).waitFor();
    await mine.page.locator(LIVE).waitFor();
    await expectSound(mine.page);
    for (const width of WIDTHS) {
      await mine.page.setViewportSize({ width, height: 800 });
      await eventually(async () => (await overflow(mine.page)) === 0, 10_000, `nothing overflows ${width} pixels`);
    }
    await mine.page.setViewportSize({ width: 1280, height: 800 });
    await leave(mine, `axe-${name}`);
  }

  it.each(CASES)("20, 24: $name, empty", ({ name, path }) => check(`${name}-empty`, path, "light"));

  describe("with events", () => {
    beforeAll(() => seed(url, 300));

    it.each(CASES)("20, 24: $name, loaded", ({ name, path }) => check(`${name}-loaded`, path, "dark"));

    it("24: the event beside the list, each of its tabs, the dialogs", async () => {
      for (const tab of ["fields", "json", "hash", "nodes", "curl"]) {
        const path = `/events?event=7&tab=${tab}&eventType=role.*`;
        const mine = await visit(browser, `${url}/#${path}`);
        await mine.page.getByText(/verified in this browser/).waitFor();
        await expectSound(mine.page, tab);
        await leave(mine, `axe-drawer-${tab}`);
      }
      const mine = await visit(browser, `${url}/#/cluster`);
      await mine.page.getByRole("button", { name: /Change the leader/ }).click();
      await mine.page.getByRole("dialog", { name: "Change the leader" }).waitFor();
      await expectSound(mine.page, "change the leader");
      await mine.page.keyboard.press("Escape");
      await mine.page.keyboard.press("?");
      await mine.page.getByRole("dialog", { name: "Keys" }).waitFor();
      await expectSound(mine.page, "keys");
      await leave(mine, "axe-dialog");
    });

    it.each(CASES.filter(({ name }) => !WITHOUT_ERROR.includes(name)))("24: $name, error", async ({ name, path }) => {
      const body = JSON.stringify({
        title: "Not ready",
        detail: "It starts.",
        code: "not_ready",
        requestId: "request-1",
      });
      const mine = await visit(browser, `${url}/#${path}`, {
        mayMissNodes: true,
        before: (page) =>
          page.route("**/api/v1/**", (route) =>
            route.fulfill({ status: 503, contentType: "application/problem+json", body }),
          ),
      });
      await mine.page.getByRole("heading", { name: "Not ready" }).first().waitFor();
      await expectSound(mine.page);
      await leave(mine, `axe-${name}-error`);
    });

    it("24: a span of time, its table, a report, a route and a shape", async () => {
      const mine = await visit(browser, `${url}/#/events`);
      const { page } = mine;
      await page.getByRole("region", { name: "Events over time" }).getByText("As a table").click();
      await page.getByRole("slider").press("Shift+ArrowLeft");
      await expectSound(page);
      await page.goto(`${url}/#/verify`);
      await page.getByRole("button", { name: "Check the range" }).click();
      await page.getByText(/all of it holds/).waitFor();
      await expectSound(page);
      await page.goto(`${url}/#/docs?route=listEvents&shape=Cluster`);
      await page.getByRole("table", { name: "Members of Cluster" }).waitFor();
      await expectSound(page);
      await leave(mine, "axe-details");
    });

    it("23, in part: by keyboard only: a page, the search, a row, the event, its tabs, and back", async () => {
      const mine = await visit(browser, `${url}/`);
      const { page } = mine;
      await page.locator(LIVE).waitFor();
      await openByKeys(page, "e", page.locator('[data-sequence="299"]'));
      await page.keyboard.press("/");
      await page.keyboard.type("type:user.login");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: /user.login/ }).waitFor();
      await page.locator('[data-sequence="296"]').waitFor();
      await tabTo(page, '[data-sequence="296"]');
      await page.keyboard.press("ArrowDown");
      await eventually(async () => (await focused(page)) === "292", 60_000, "the next row has the focus");
      await page.keyboard.press("Enter");
      await page.getByRole("complementary", { name: "Event 292" }).waitFor();
      await page.getByText(/verified in this browser/).waitFor();
      await tabTo(page, '[role="tab"]');
      await page.keyboard.press("ArrowRight");
      await page.getByRole("tab", { name: "JSON", selected: true }).waitFor();
      await page.keyboard.press("Escape");
      await eventually(async () => (await focused(page)) === "292", 60_000, "its row has the focus again");
      await openByKeys(page, "a", page.getByText("No alert is open"));
      await leave(mine, "journey-23");
    });

    it.each(THEMES)("24: the chain as bars and as a map, the export, one election, %s", async (theme) => {
      const mine = await visit(browser, `${url}/#/chain?zoom=bar`, { colorScheme: theme });
      const { page } = mine;
      await page.getByRole("img", { name: /nothing differs/ }).waitFor();
      for (const table of await page.getByText("As a table").all()) await table.click();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByRole("button", { name: "map" }).click();
      await page.getByRole("img", { name: /Events 0 to 299/ }).waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await page.goto(`${url}/#/events`);
      await page.getByRole("button", { name: "Export …" }).click();
      await page.getByRole("dialog", { name: "Export events" }).waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await page.goto(`${url}/#/cluster?term=1`);
      await page.getByText("Why it began").waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await leave(mine, `axe-more-${theme}`);
    });

    it("says on each page that other machines get in while there are no keys, as the node warns", async () => {
      const warning = "Other machines reach this node, and there are no API keys.";
      const mine = await visit(browser, `${url}/`, {
        before: (page) =>
          page.route("**/api/v1/cluster", async (route) => {
            const response = await route.fetch();
            await route.fulfill({ response, json: { ...(await response.json()), warnings: [warning] } });
          }),
      });
      for (const path of Object.values(PAGES)) {
        await mine.page.goto(`${url}/#${path}`);
        await mine.page.getByRole("status").getByText(warning).waitFor();
      }
      expect(await violationsOf(mine.page)).toEqual([]);
      await mine.page.unrouteAll({ behavior: "ignoreErrors" });
      await leave(mine, "open-node");
    });

    it("hands the lead over by keyboard, and says who leads then", async () => {
      const mine = await visit(browser, `${url}/#/cluster`);
      const { page } = mine;
      await page.getByRole("button", { name: /Change the leader/ }).press("Enter");
      await page.getByLabel("Your name").fill("ada");
      await page.getByLabel("Reason").fill("a journey");
      // Where no node is level at the moment, a person tries again.
      await eventually(
        async () => {
          await page.getByLabel("Reason").press("Enter");
          await page.getByText(/^n[123] leads now\.$/).waitFor({ timeout: HANDED_OVER_MS_MAX });
          return true;
        },
        60_000,
        "another node leads",
      );
      await page.keyboard.press("Escape");
      await page
        .getByRole("row", { name: /the leader handed over/ })
        .first()
        .waitFor();
      await leave(mine, "step-down");
    });
  });
});

const focused = (page: Page): Promise<string | null> =>
  page.evaluate<string | null>("document.activeElement?.dataset.sequence ?? null");
