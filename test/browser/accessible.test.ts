import type { Page, Route } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { expectSound, journeys, LIVE, leave, openByKeys, picture, tabTo, violationsOf, visit } from "./browser.js";
import { seed } from "./seed.js";
import { openWorld } from "./world.js";

const PAGES = [
  { name: "overview", path: "/", title: "Overview" },
  { name: "events", path: "/events", title: "Events" },
  { name: "chain", path: "/chain", title: "Chain" },
  { name: "cluster", path: "/cluster", title: "Cluster" },
  { name: "alerts", path: "/alerts", title: "Alerts" },
  { name: "verify", path: "/verify", title: "Verify" },
  { name: "report", path: "/report", title: /^Report/ },
  { name: "docs", path: "/docs", title: /API/ },
] as const;
const THEMES = ["light", "dark"] as const;
const HANDED_OVER_MS_MAX = 30_000;
/** 640 is a window of 1280 at a zoom of 200 %. */
const WIDTHS = [320, 640, 1280, 2560];

journeys("a page for everybody", () => {
  const world = openWorld();

  // On wide screens the page scrolls within the shell, so that the document alone would never be too wide.
  const overflow = (page: Page): Promise<number> =>
    page.evaluate<number>(`Math.max(
      document.documentElement.scrollWidth - window.innerWidth,
      document.getElementById("main").scrollWidth - document.getElementById("main").clientWidth,
    )`);

  /** One page after the other, as its reader goes through them: each in both themes and each width. */
  async function checkAll(state: string): Promise<void> {
    const mine = await visit(world.browser, `${world.url}/`);
    const { page } = mine;
    await page.locator(LIVE).waitFor();
    for (const { name, path, title } of PAGES) {
      await page.goto(`${world.url}/#${path}`);
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      await expectSound(page, name);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 800 });
        const what = `nothing of ${name}, ${state}, overflows ${width} pixels`;
        await eventually(async () => (await overflow(page)) === 0, 10_000, what);
      }
      await page.setViewportSize({ width: 1280, height: 800 });
      await picture(page, `axe-${name}-${state}`);
    }
    await leave(mine, `axe-${state}`);
  }

  it("20, 24: every page of a follower, empty", () => checkAll("empty"));

  describe("with events", () => {
    beforeAll(() => seed(world.url, 300));

    it("20, 24: every page of a follower, loaded", () => checkAll("loaded"));

    it("24: the event beside the list, each of its tabs, the dialogs", async () => {
      for (const tab of ["fields", "json", "hash", "nodes", "curl"]) {
        const path = `/events?event=7&tab=${tab}&eventType=role.*`;
        const mine = await visit(world.browser, `${world.url}/#${path}`);
        await mine.page.getByText(/verified in this browser/).waitFor();
        await expectSound(mine.page, tab);
        await leave(mine, `axe-drawer-${tab}`);
      }
      const mine = await visit(world.browser, `${world.url}/#/cluster`);
      await mine.page.getByRole("button", { name: /Change the leader/ }).click();
      await mine.page.getByRole("dialog", { name: "Change the leader" }).waitFor();
      await expectSound(mine.page, "change the leader");
      await mine.page.keyboard.press("Escape");
      await mine.page.keyboard.press("?");
      await mine.page.getByRole("dialog", { name: "Keys" }).waitFor();
      await expectSound(mine.page, "keys");
      await leave(mine, "axe-dialog");
    });

    it("24: every page, error", async () => {
      const body = JSON.stringify({
        title: "Not ready",
        detail: "It starts.",
        code: "not_ready",
        requestId: "request-1",
      });
      const fail = (route: Route): Promise<void> =>
        route.fulfill({ status: 503, contentType: "application/problem+json", body });
      const mine = await visit(world.browser, `${world.url}/`, {
        mayMissNodes: true,
        before: (page) => page.route(/\/api\/v1\/|\/openapi\.json$/, fail),
      });
      // It asks for nothing before it is told what.
      for (const { name, path, title } of PAGES.filter((one) => one.name !== "verify")) {
        await mine.page.goto(`${world.url}/#${path}`);
        await mine.page.getByRole("heading", { level: 1, name: title }).waitFor();
        await mine.page.getByRole("heading", { name: "Not ready" }).first().waitFor();
        await expectSound(mine.page, name);
        await picture(mine.page, `axe-${name}-error`);
      }
      await mine.page.unrouteAll();
      await mine.page.context().route(/\/api\/v1\/events\//, fail);
      await mine.page.goto(`${world.url}/#/verify`);
      await mine.page.getByRole("button", { name: "Check the range" }).click();
      await mine.page.getByText("It starts.").waitFor();
      await expectSound(mine.page, "verify");
      await picture(mine.page, "axe-verify-error");
      await leave(mine, "axe-error");
    });

    it("24: a span of time, its table, a report, a route and a shape", async () => {
      const mine = await visit(world.browser, `${world.url}/#/events`);
      const { page } = mine;
      await page.getByRole("region", { name: "Events over time" }).getByText("As a table").click();
      await page.getByRole("slider").press("Shift+ArrowLeft");
      await expectSound(page);
      await page.goto(`${world.url}/#/verify`);
      await page.getByRole("button", { name: "Check the range" }).click();
      await page.getByText(/all of it holds/).waitFor();
      await expectSound(page);
      await page.goto(`${world.url}/#/docs?route=listEvents&shape=Cluster`);
      await page.getByRole("table", { name: "Members of Cluster" }).waitFor();
      await expectSound(page);
      await leave(mine, "axe-details");
    });

    it("23, in part: by keyboard only: a page, the search, a row, the event, its tabs, and back", async () => {
      const mine = await visit(world.browser, `${world.url}/`);
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
      await page.keyboard.press("?");
      await tabTo(page, '[role="dialog"] [type="checkbox"]');
      await page.keyboard.press("Space");
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await page.reload();
      await page.getByText("No alert is open").waitFor();
      for (const key of ["?", "g", "e"]) await page.keyboard.press(key);
      expect(await page.getByRole("dialog").count()).toBe(0);
      await page.getByRole("button", { name: "Keys" }).press("Enter");
      await page.getByRole("dialog", { name: "Keys" }).getByRole("checkbox", { checked: false }).waitFor();
      expect(new URL(page.url()).hash).toBe("#/alerts");
      await leave(mine, "journey-23");
    });

    it.each(THEMES)("24: the chain as bars and as a map, the export, one election, %s", async (theme) => {
      const mine = await visit(world.browser, `${world.url}/#/chain?zoom=bar`, { colorScheme: theme });
      const { page } = mine;
      await page.getByRole("img", { name: /nothing differs/ }).waitFor();
      for (const table of await page.getByText("As a table").all()) await table.click();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByRole("button", { name: "map" }).click();
      await page.getByRole("img", { name: /Events 0 to 299/ }).waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await page.goto(`${world.url}/#/events`);
      await page.getByRole("button", { name: "Export …" }).click();
      await page.getByRole("dialog", { name: "Export events" }).waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await page.goto(`${world.url}/#/cluster?term=1`);
      await page.getByText("Why it began").waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await leave(mine, `axe-more-${theme}`);
    });

    it("says on each page that other machines get in while there are no keys, as the node warns", async () => {
      const warning = "Other machines reach this node, and there are no API keys.";
      const mine = await visit(world.browser, `${world.url}/`, {
        before: (page) =>
          page.route("**/api/v1/cluster", async (route) => {
            const response = await route.fetch();
            await route.fulfill({ response, json: { ...(await response.json()), warnings: [warning] } });
          }),
      });
      for (const { path } of PAGES) {
        await mine.page.goto(`${world.url}/#${path}`);
        await mine.page.getByRole("status").getByText(warning).waitFor();
      }
      expect(await violationsOf(mine.page)).toEqual([]);
      await mine.page.unrouteAll({ behavior: "ignoreErrors" });
      await leave(mine, "open-node");
    });

    it("is red where nodes disagree about who leads, on each of their rows, and green again when they agree", async () => {
      const mine = await visit(world.browser, `${world.url}/#/cluster`);
      const { page } = mine;
      const views = page.getByRole("region", { name: /Who leads, by each node.s own word/ });
      const rows = views.locator("tbody tr");
      await views.getByText("all agree").waitFor();
      expect(await rows.filter({ hasText: "✗" }).count()).toBe(0);
      await page.route("**/api/v1/cluster", async (route) => {
        const response = await route.fetch();
        const json = await response.json();
        const [first, ...others] = json.views;
        const other = { ...first, leaderId: first.leaderId === "n1" ? "n2" : "n1", term: first.term + 1 };
        await route.fulfill({ response, json: { ...json, views: [other, ...others] } });
      });
      await views.getByText("they disagree").waitFor();
      expect(await rows.filter({ hasText: "✗" }).count()).toBe(3);
      const grounds = await page.evaluate<
        string[]
      >(`[...document.querySelectorAll('[aria-labelledby="views"] tbody tr')]
        .map((row) => getComputedStyle(row).backgroundColor)`);
      const red = await page.evaluate<string>(`(() => {
        const probe = document.body.appendChild(document.createElement("i"));
        probe.style.background = "var(--bad-soft)";
        const { backgroundColor } = getComputedStyle(probe);
        probe.remove();
        return backgroundColor;
      })()`);
      expect(grounds).toEqual([red, red, red]);
      await expectSound(page, "nodes that disagree");
      await picture(page, "views-disagree");
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await views.getByText("all agree").waitFor();
      await leave(mine, "views-agree");
    });

    it("hands the lead over by keyboard, and says who leads then", async () => {
      const mine = await visit(world.browser, `${world.url}/#/cluster`);
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
