import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { journeys, LIVE, leave, openBrowser, rowsIn, scrollThrough, type Visit, visit } from "./browser.js";
import { openPrefixProxy } from "./prefix-proxy.js";
import { event, seed, write } from "./seed.js";

/** One second where nothing else runs: how long it took is told. */
const SHOWN_WITHIN_MS = 30_000;
const SHOWN_TRIES = 5;
/** Pictures that move do so every second. */
const LOOK_EVERY_MS = 1_200;
const LOOKS = 3;
const CHAIN = ["The chain, node by node"];
const PICTURES = [
  // The rate is drawn every ten seconds: at most once in the time that is looked at.
  { path: "/", regions: ["Events a second"], changesMax: 1 },
  { path: "/chain", regions: CHAIN, changesMax: 0 },
  { path: "/chain?zoom=bar", regions: CHAIN, changesMax: 0 },
  { path: "/chain?zoom=map", regions: CHAIN, changesMax: 0 },
  { path: "/cluster", regions: ["Topology", "Who led when"], changesMax: 0 },
];

journeys("a person with a browser", () => {
  let cluster: Cluster;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    [cluster, browser] = await Promise.all([startSteadyCluster({ env: { INDEX_PAYLOAD: "user" } }), openBrowser()]);
    url = cluster.nodes[0]?.url as string;
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  const seen = async (page: Page, sequences: readonly number[], withinMs: number): Promise<void> => {
    const first = sequences[0] as number;
    const rows = await eventually(
      async () => {
        const found = (await rowsIn(page)).filter((sequence) => sequence >= first);
        return found.length >= sequences.length && found;
      },
      withinMs,
      `the rows ${sequences.join(", ")}`,
    );
    expect(rows).toEqual([...sequences].reverse());
  };

  it("1, 2: sees a sound and empty cluster, copies the line, and sees its event live and verified", async () => {
    const other = await visit(browser, `${url}/#/events`, { permissions: ["clipboard-read", "clipboard-write"] });
    const { page } = other;
    await page.getByText("3/3 all nodes").waitFor();
    await page.getByText("The log has no events yet").waitFor();
    await page.getByRole("button", { name: "Copy the line" }).click();
    await page.getByRole("status").getByText("Copied").waitFor({ state: "attached" });
    const line = (await page.evaluate("navigator.clipboard.readText()")) as string;
    await page.locator(LIVE).waitFor();
    expect(
      spawnSync("sh", ["-c", line], { encoding: "utf8", env: { ...process.env, no_proxy: "*" } }).stdout,
    ).toContain('"sequence":0');
    await page.locator('[data-sequence="0"]').waitFor();
    await page.locator('[data-sequence="0"]').getByText("✓ this browser").waitFor();
    const tookMs: number[] = [];
    for (let i = 0; i < SHOWN_TRIES; i++) {
      const sequence = await write(url);
      const answeredAt = performance.now();
      await page.locator(`[data-sequence="${sequence}"]`).waitFor();
      tookMs.push(performance.now() - answeredAt);
    }
    const medianMs = tookMs.sort((a, b) => a - b)[SHOWN_TRIES >> 1] as number;
    process.stdout.write(`an event is shown ${Math.round(medianMs)} ms after its answer\n`);
    expect(medianMs).toBeLessThan(SHOWN_WITHIN_MS);
    await page.locator('[data-sequence="0"]').click();
    await page.getByText(/verified in this browser/).waitFor();
    await page.getByRole("tab", { name: "Hash" }).click();
    await page.getByText("Equal on 3 of 3 nodes").waitFor();
    await page.getByText(/Signed by n[123] \(Ed25519\)/).waitFor();
    await leave(other, "journey-02");
  });

  it("3: filters, and the copied URL shows the same rows elsewhere", async () => {
    await seed(url, 40, "filtered");
    const mine = await visit(browser, `${url}/#/events`);
    await mine.page.locator(LIVE).waitFor();
    await mine.page.keyboard.press("/");
    await mine.page.keyboard.type("type:invoice.* source:filtered payload.user:ada");
    await mine.page.keyboard.press("Enter");
    await mine.page.getByRole("list", { name: "Conditions" }).getByText("invoice.*").waitFor();
    await mine.page.locator("[data-sequence]").first().waitFor();
    // As many as there are: the list is drawn in more than one step.
    const due = Array.from({ length: 40 }, (_, i) => event(i, "filtered")).filter(
      ({ eventType, dataPayload }) => eventType.startsWith("invoice.") && dataPayload.user === "ada",
    );
    const rows = await eventually(
      async () => {
        const found = await rowsIn(mine.page);
        return found.length === due.length && found;
      },
      30_000,
      `${due.length} rows`,
    );
    const theirs = await visit(browser, mine.page.url().replace(url, cluster.nodes[2]?.url as string));
    const theyShow = (sequences: readonly number[]): Promise<unknown> =>
      eventually(
        async () => String(await rowsIn(theirs.page)) === String(sequences),
        30_000,
        `the rows ${sequences.join(", ")} elsewhere`,
      );
    await theyShow(rows);
    // What does not match does not come live; what matches does.
    await write(url, { sourceAppId: "filtered", eventType: "user.login" });
    const next = await write(url, { sourceAppId: "filtered", eventType: "invoice.late", dataPayload: { user: "ada" } });
    await theyShow([next, ...rows]);
    await leave(theirs, "journey-03-elsewhere");
    await mine.page.getByRole("button", { name: "invoice.*" }).click();
    await mine.page.getByRole("button", { name: /filtered/ }).click();
    await mine.page.getByPlaceholder(/type:/).fill("colour:red");
    await mine.page.keyboard.press("Enter");
    await mine.page
      .getByRole("status")
      .getByText(/is no condition/)
      .waitFor();
    await leave(mine, "journey-03");
  });

  it("says what to clear where nothing matches, and clears it", async () => {
    const mine = await visit(browser, `${url}/#/events?eventType=nobody.wrote.this`);
    await mine.page.getByText("No events match").waitFor();
    await mine.page.getByRole("button", { name: "Clear type:nobody.wrote.this" }).click();
    await mine.page.locator("[data-sequence]").first().waitFor();
    await leave(mine, "no-match");
  });

  it("4: pauses at 200 events a second, reads how many came, and goes on without a gap or a repeat", async () => {
    const mine = await visit(browser, `${url}/#/events?sourceAppId=fast`);
    await mine.page.locator(LIVE).waitFor();
    const first = await write(url, { sourceAppId: "fast" });
    await mine.page.locator(`[data-sequence="${first}"]`).waitFor();
    await mine.page.getByRole("button", { name: "Pause" }).click();
    for (let second = 0; second < 3; second++) await Promise.all([seed(url, 200, "fast"), sleep(1_000)]);
    await mine.page.getByRole("button", { name: "Resume (+600)" }).waitFor();
    expect(await rowsIn(mine.page)).toEqual([first]);
    await mine.page.getByRole("button", { name: "Resume" }).click();
    await mine.page.locator(`[data-sequence="${first + 600}"]`).waitFor();
    const due = Array.from({ length: 601 }, (_, i) => first + 600 - i);
    const areAll = async (): Promise<boolean> => String((await scrollThrough(mine.page)).seen) === String(due);
    await eventually(areAll, 30_000, "each of 601 rows once, in order");
    await leave(mine, "journey-04");
  });

  it("5: sees all of a burst of 500 events", async () => {
    const mine = await visit(browser, `${url}/#/events?sourceAppId=burst`);
    await mine.page.getByText("No events match").waitFor();
    await mine.page.locator(LIVE).waitFor();
    await seed(url, 500, "burst");
    await mine.page.locator("[data-sequence]").first().waitFor();
    const all = await eventually(
      async () => {
        const { seen: found } = await scrollThrough(mine.page);
        return found.length === 500 && found;
      },
      60_000,
      "500 rows",
    );
    expect(new Set(all).size).toBe(500);
    await leave(mine, "journey-05");
  });

  it("stops: what comes is neither shown nor counted, and Live goes on without a gap", async () => {
    const first = await write(url, { sourceAppId: "stopped" });
    const mine = await visit(browser, `${url}/#/events?sourceAppId=stopped`);
    const { page } = mine;
    await page.locator(LIVE).waitFor();
    await seen(page, [first], 60_000);
    await page.getByRole("button", { name: "■ Stop" }).click();
    await page.waitForURL(/paused=stop/);
    const live = page.getByRole("button", { name: "▶ Live" });
    await live.waitFor();
    const other = await visit(browser, `${url}/#/events?sourceAppId=stopped`);
    await other.page.locator(LIVE).waitFor();
    const later = [await write(url, { sourceAppId: "stopped" }), await write(url, { sourceAppId: "stopped" })];
    await seen(other.page, [first, ...later], 60_000);
    expect(await rowsIn(page)).toEqual([first]);
    expect(await live.textContent()).toBe("▶ Live");
    await live.click();
    await seen(page, [first, ...later], 60_000);
    await leave(other, "stop-other");
    await leave(mine, "stop");
  });

  it("clears the list, sees only what comes then, and brings the earlier rows back", async () => {
    const mine = await visit(browser, `${url}/#/events?sourceAppId=fast`);
    await mine.page.locator("[data-sequence]").first().waitFor();
    // A row that was drawn before a choice does not take it back.
    await mine.page.getByRole("button", { name: "Pause" }).click();
    await mine.page.locator("[data-sequence]").first().click();
    await mine.page.waitForURL(/paused=1&event=\d+/);
    await mine.page.keyboard.press("Escape");
    await mine.page.getByRole("button", { name: "Resume" }).click();
    await mine.page.getByRole("button", { name: "Clear", exact: true }).click();
    await mine.page.getByText("The list is cleared").waitFor();
    // Its link shows another person the same.
    await mine.page.waitForURL(/cleared=\d+/);
    await mine.page.reload();
    await mine.page.getByText("The list is cleared").waitFor();
    await mine.page.locator(LIVE).waitFor();
    const next = await write(url, { sourceAppId: "fast" });
    await seen(mine.page, [next], 60_000);
    await mine.page.getByRole("button", { name: "Show earlier" }).click();
    await eventually(async () => (await rowsIn(mine.page)).length > 5, 60_000, "the earlier rows");
    await leave(mine, "clear");
  });

  it("9: opens an event by its link; Esc gives the focus back to its row", async () => {
    const newest = await write(url);
    const name = `Event ${newest.toLocaleString("en")}`;
    const mine = await visit(browser, `${url}/#/events?event=${newest}&tab=json`);
    await mine.page.getByRole("complementary", { name }).waitFor();
    await mine.page.getByRole("textbox", { name: "The event as JSON" }).waitFor();
    // In the list it is drawn: where it is not, the list itself gets the focus.
    await mine.page.locator(`[data-sequence="${newest}"]`).waitFor();
    const isHeaded = `document.activeElement.textContent === '${name}'`;
    await eventually(() => mine.page.evaluate<boolean>(isHeaded), 30_000, "the event has the focus");
    await mine.page.keyboard.press("Escape");
    await mine.page.getByRole("complementary").waitFor({ state: "detached" });
    const isFocused = `document.activeElement.dataset.sequence === '${newest}'`;
    await eventually(() => mine.page.evaluate<boolean>(isFocused), 60_000, "its row has the focus");
    await leave(mine, "journey-09");
  });

  /** Where the cells of a row begin. */
  const leftsOf = (page: Page, sequence: number): Promise<number[]> =>
    page.evaluate<number[]>(`[...document.querySelector('[data-sequence="${sequence}"]').children]
      .map((cell) => Math.round(cell.getBoundingClientRect().left))`);

  /** Where words of a row's payload are drawn. */
  const leftsOfWords = (page: Page, sequence: number, words: readonly string[]): Promise<number[]> =>
    page.evaluate<number[]>(`(() => {
      const text = document.querySelector('[data-sequence="${sequence}"]').children[4].firstChild;
      return ${JSON.stringify(words)}.map((word) => {
        const range = document.createRange();
        range.setStart(text, text.data.indexOf(word));
        range.setEnd(text, text.data.indexOf(word) + word.length);
        return Math.round(range.getBoundingClientRect().left);
      });
    })()`);

  it("25: hostile texts are only texts, and the layout holds", async () => {
    const markup = "<img src=x onerror=\"document.title='taken'\">";
    const first = await write(url, { eventType: markup, sourceAppId: "hostile", dataPayload: { html: markup } });
    const turned = await write(url, {
      ...{ eventType: "حدث\u202e", sourceAppId: "hostile" },
      dataPayload: { نص: "مرحبا \u202e بالعالم", amount: 125, a: "\u202e" },
    });
    const last = await write(url, {
      eventType: "t".repeat(256),
      sourceAppId: "hostile",
      dataPayload: { x: "y".repeat(200_000) },
    });
    for (const width of [320, 1280]) {
      const mine = await visit(browser, `${url}/#/events?sourceAppId=hostile`, { viewport: { width, height: 800 } });
      await seen(mine.page, [first, turned, last], 60_000);
      if (width > 1_000) {
        expect(await leftsOf(mine.page, turned)).toEqual(await leftsOf(mine.page, first));
        const words = ["amount", "125", "نص", "مرحبا"];
        const places = await leftsOfWords(mine.page, turned, words);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      }
      for (const sequence of [first, turned, last]) {
        await mine.page.locator(`[data-sequence="${sequence}"]`).click();
        await mine.page.getByText(/verified in this browser/).waitFor();
        expect(await mine.page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
        expect(await mine.page.evaluate("document.images.length")).toBe(0);
        if (sequence === turned) await mine.page.getByText("مرحبا \\u202e بالعالم", { exact: true }).waitFor();
        // The bar never leaves, however narrow the page is and however far it is scrolled.
        await mine.page.mouse.wheel(0, 2_000);
        expect(await mine.page.evaluate("document.elementFromPoint(4, 4).closest('header') !== null")).toBe(true);
        await mine.page.keyboard.press("Escape");
      }
      expect(await mine.page.title()).toContain("Quorumlog");
      await leave(mine, `journey-25-${width}`);
    }
  });

  it("27: nothing moves for who wants no motion; what came is shown when it is asked for", async () => {
    const mine = await visit(browser, `${url}/#/events?sourceAppId=still`, { reducedMotion: "reduce" });
    await mine.page.getByText("No events match").waitFor();
    await mine.page.locator(LIVE).waitFor();
    await seed(url, 20, "still");
    await mine.page.getByRole("button", { name: "Resume (+20)" }).waitFor();
    expect(await rowsIn(mine.page)).toEqual([]);
    expect(await mine.page.evaluate("document.getAnimations().length")).toBe(0);
    await mine.page.getByRole("button", { name: "Resume" }).click();
    await mine.page.locator("[data-sequence]").first().waitFor();
    await leave(mine, "journey-27");
  });

  it("27: pictures stay as they are for who wants no motion, and move for everybody else", async () => {
    const [still, moving] = [
      await visit(browser, url, { reducedMotion: "reduce" }),
      await visit(browser, url, { reducedMotion: "no-preference" }),
    ];
    const markup = async ({ page }: Visit, regions: readonly string[]): Promise<string> =>
      String(await Promise.all(regions.map((name) => page.getByRole("region", { name }).innerHTML())));
    for (const { path, regions, changesMax } of PICTURES) {
      const both = [still, moving];
      await Promise.all(both.map(({ page }) => page.goto(`${url}/#${path}`)));
      for (const { page } of both) {
        await page.locator(LIVE).waitFor();
        for (const name of regions) await page.getByRole("region", { name }).waitFor();
      }
      // What is asked for when a page opens has come.
      await sleep(LOOK_EVERY_MS);
      const looks: string[][] = [];
      for (let i = 0; i <= LOOKS; i++) {
        looks.push(await Promise.all(both.map((one) => markup(one, regions))));
        await Promise.all([write(url), sleep(LOOK_EVERY_MS)]);
      }
      const changesOf = (who: number): number =>
        looks.filter((look, i) => i > 0 && look[who] !== looks[i - 1]?.[who]).length;
      expect.soft(changesOf(0), path).toBeLessThanOrEqual(changesMax);
      expect.soft(changesOf(1), path).toBeGreaterThan(changesMax);
      expect(await still.page.evaluate("document.getAnimations().length")).toBe(0);
    }
    await leave(still, "journey-27-still");
    await leave(moving, "journey-27-moving");
  });

  it("shows all times in UTC or where its reader is, by one switch", async () => {
    const mine = await visit(browser, `${url}/#/events?sourceAppId=fast`, { timezoneId: "Asia/Tokyo" });
    const { page } = mine;
    const cell = page.locator("[data-sequence]").first().getByRole("gridcell").nth(1);
    const shownAt = async (): Promise<number> => Date.parse(`${((await cell.textContent()) ?? "").replace(" ", "T")}Z`);
    await page.getByRole("columnheader", { name: "Time (UTC)" }).waitFor();
    const utc = await shownAt();
    await page.getByRole("button", { name: "Times are in UTC: show local time" }).click();
    await page.getByRole("columnheader", { name: "Time (local)" }).waitFor();
    expect((await shownAt()) - utc).toBe(9 * 3_600_000);
    await leave(mine, "zone");
  });

  it("works under a path prefix, as behind a proxy: pages, links and the stream", async () => {
    const proxy = await openPrefixProxy(url, "/log");
    const mine = await visit(browser, `${proxy.url}#/events?sourceAppId=prefixed`);
    const { page } = mine;
    await page.locator(LIVE).waitFor();
    const sequence = await write(url, { sourceAppId: "prefixed" });
    await page.locator(`[data-sequence="${sequence}"]`).click();
    await page.getByText(/verified in this browser/).waitFor();
    await page.getByRole("tab", { name: "curl" }).click();
    await page.getByText(`curl ${proxy.url}api/v1/events/${sequence}`, { exact: true }).waitFor();
    await page.getByRole("link", { name: "Verify" }).click();
    await page.getByRole("button", { name: "Check the range" }).click();
    await page.getByText(/all of it holds/).waitFor();
    await page.goto(`${proxy.url}docs`);
    await page.getByRole("searchbox").waitFor();
    expect(proxy.missed).toEqual([]);
    await leave(mine, "prefix");
    await proxy.close();
  });

  it("exports what meets the conditions: as many as there are, and what is written verifies without a node", async () => {
    await seed(url, 700, "exported");
    const mine = await visit(browser, `${url}/#/events?sourceAppId=exported`, { acceptDownloads: true });
    const { page } = mine;
    const exported = async (format: RegExp): Promise<string> => {
      await page.getByRole("button", { name: "Export …" }).click();
      await page.getByRole("radio", { name: format }).check();
      const button = page.getByRole("button", { name: "Export", exact: true });
      const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
      await page.getByText("700 events written.").waitFor();
      const path = await download.path();
      await page.getByRole("button", { name: "Close" }).click();
      return path;
    };
    await page.locator("[data-sequence]").first().waitFor();
    const rows = readFileSync(await exported(/^CSV/), "utf8")
      .trimEnd()
      .split("\r\n");
    expect(rows).toHaveLength(701);
    const file = await exported(/^NDJSON/);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { sourceAppId: string }).sourceAppId)).toEqual(
      Array(700).fill("exported"),
    );
    await page.getByRole("link", { name: "Verify" }).click();
    const input = page.getByLabel("Drop a file here, or choose one");
    await input.setInputFiles(file);
    await page.getByText(/700 events in 0 blocks: all that could be told holds/).waitFor();
    const altered = `${file}-altered.ndjson`;
    const at = lines.findIndex((line) => line.includes('"number":33,'));
    const { sequence } = JSON.parse(lines[at] as string) as { sequence: number };
    writeFileSync(altered, lines.with(at, (lines[at] as string).replace('"number":33,', '"number":34,')).join("\n"));
    await input.setInputFiles(altered);
    await page.getByText("Something does not hold").waitFor();
    await page.getByText(`Commitment of the payload, event ${sequence.toLocaleString("en")}`).waitFor();
    await leave(mine, "export");
  });
});
