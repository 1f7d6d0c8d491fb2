import { readFileSync, writeFileSync } from "node:fs";
import type { Browser, Download, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { journeys, LIVE, leave, openBrowser, rowsIn, visit } from "./browser.js";
import { seed } from "./seed.js";

journeys("a person who checks the log", () => {
  let cluster: Cluster;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    [cluster, browser] = await Promise.all([startSteadyCluster(), openBrowser()]);
    url = cluster.nodes[0]?.url as string;
    // Blocks of their own, one after the other.
    for (let i = 0; i < 6; i++) await seed(url, 50);
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  const parametersOf = (page: Page): URLSearchParams => new URLSearchParams(page.url().split("?")[1] ?? "");
  const downloaded = async (page: Page, name: string): Promise<Download> => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    return download;
  };

  /** A file that a person drags over the page and lets go of there. */
  async function drop(page: Page, path: string): Promise<void> {
    const dataTransfer = await page.evaluateHandle(`(() => {
      const dragged = new DataTransfer();
      dragged.items.add(new File([${JSON.stringify(readFileSync(path, "utf8"))}], "dropped.json"));
      return dragged;
    })()`);
    const place = page.getByRole("group", { name: "A file" });
    await place.dispatchEvent("dragover", { dataTransfer });
    await page.locator('[data-over="true"]').waitFor();
    await place.dispatchEvent("drop", { dataTransfer });
    await page.locator('[data-over="false"]').waitFor();
  }

  it("7: draws over a part of the time: it becomes the conditions, and Back restores what was", async () => {
    const mine = await visit(browser, `${url}/#/events`);
    const { page } = mine;
    await page.locator(LIVE).waitFor();
    await page.locator('[data-sequence="299"]').waitFor();
    const box = await page.getByRole("slider").boundingBox();
    if (box === null) throw new Error("there is no chart");
    await page.mouse.move(box.x + box.width * 0.2, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 30, { steps: 5 });
    await page.mouse.up();
    await page.getByRole("list", { name: "Conditions" }).getByText("since:").waitFor();
    const { since, until } = Object.fromEntries(parametersOf(page)) as { since: string; until: string };
    expect(Date.parse(since)).toBeLessThan(Date.parse(until));
    await eventually(async () => !(await rowsIn(page)).includes(299), 60_000, "the newest events are not in the range");
    await page.goBack();
    await page.locator('[data-sequence="299"]').waitFor();
    expect([...parametersOf(page)]).toEqual([]);
    // The same without a mouse.
    const slider = page.getByRole("slider");
    await slider.press("Home");
    await slider.press("Shift+ArrowRight");
    await page
      .getByRole("status")
      .filter({ hasText: /: \d+ events?/ })
      .waitFor();
    await slider.press("Enter");
    await page.getByRole("list", { name: "Conditions" }).getByText("until:").waitFor();
    await eventually(
      async () => {
        const rows = await rowsIn(page);
        return rows.length > 0 && !rows.includes(299);
      },
      60_000,
      "only the oldest events are shown",
    );
    await page.getByRole("button", { name: "All time" }).click();
    await page.locator('[data-sequence="299"]').waitFor();
    await leave(mine, "journey-07");
  });

  it("goes to any place of the log by the line of the whole log, without a mouse", async () => {
    const mine = await visit(browser, `${url}/#/chain`);
    const { page } = mine;
    await page.getByRole("link", { name: "#299", exact: true }).waitFor();
    const place = page.getByRole("slider", { name: "Place in the whole log" });
    await place.press("Home");
    await page.getByRole("link", { name: "#0", exact: true }).waitFor();
    expect(parametersOf(page).get("at")).toBe("0");
    await place.press("End");
    const at = await eventually(() => Number(parametersOf(page).get("at")) || false, 60_000, "the last place");
    await page.getByRole("link", { name: `#${at}`, exact: true }).waitFor();
    const whole = page.getByRole("region", { name: "Whole log" });
    await whole.getByText("As a table").click();
    await whole
      .getByRole("button", { name: /^Show them/ })
      .first()
      .click();
    await page.getByRole("link", { name: "#0", exact: true }).waitFor();
    await leave(mine, "whole-log");
  });

  it("22: checks a range, downloads it and the report, and checks the file with the network off; an edited byte names its event", async () => {
    const mine = await visit(browser, `${url}/#/verify`, { acceptDownloads: true, mayMissNodes: true });
    const { page } = mine;
    await page.getByLabel("From event").fill("10");
    await page.getByLabel("to event", { exact: true }).fill("210");
    await page.getByRole("button", { name: "Check the range" }).click();
    await page.getByText(/201 events in \d+ blocks: all of it holds/).waitFor();
    const report = JSON.parse(readFileSync(await (await downloaded(page, "Download the report")).path(), "utf8"));
    expect(report).toMatchObject({
      format: "quorumlog/check/v1",
      verdict: "sound",
      first: 10,
      last: 210,
      findings: [],
    });
    expect(report.checks.leaf).toEqual({ held: 201, failed: 0, open: 0 });
    const file = await (await downloaded(page, "Download the events and blocks")).path();
    await page.context().setOffline(true);
    const check = async (path: string, words: RegExp): Promise<void> => {
      await page.getByLabel("Drop a file here, or choose one").setInputFiles(path);
      await page.getByText(words).waitFor();
    };
    await check(file, /201 events in \d+ blocks: all of it holds/);
    await drop(page, file);
    await page.getByText(/dropped.json, checked/).waitFor();
    await page.getByText(/201 events in \d+ blocks: all of it holds/).waitFor();
    const text = readFileSync(file, "utf8");
    const altered = `${file}-altered.json`;
    writeFileSync(altered, text.replace('"number":33,"user"', '"number":34,"user"'));
    expect(readFileSync(altered, "utf8")).not.toBe(text);
    await check(altered, /Something does not hold/);
    await page.getByText(/Commitment of the payload, event \d+/).waitFor();
    writeFileSync(altered, "no JSON");
    await check(altered, /It is not JSON, and line 1 is none either/);
    await leave(mine, "journey-22");
  });

  it("finds a route of the API by a word, and the shape of what it answers", async () => {
    const mine = await visit(browser, `${url}/docs`);
    const { page } = mine;
    await page.waitForURL(`${url}/#/docs`);
    await page.getByRole("searchbox").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("histogram");
    await page.getByRole("button", { name: /histogram/ }).click();
    await page.getByRole("row", { name: /buckets/ }).waitFor();
    await page.getByRole("button", { name: "Histogram", exact: true }).click();
    await page.getByRole("table", { name: "Members of Histogram" }).getByText("buckets[].count").waitFor();
    await leave(mine, "docs");
  });
});
