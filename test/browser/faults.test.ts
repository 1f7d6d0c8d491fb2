import { setTimeout as sleep } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { freePorts } from "../../scripts/lib/processes.js";
import { Chaos } from "../../scripts/start/chaos/chaos.js";
import { demoEvents } from "../../scripts/start/demo.js";
import { call, postJson } from "../integration/api-support.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import {
  expectSound,
  journeys,
  LIVE,
  leave,
  openBrowser,
  rowsIn,
  scrollThrough,
  violationsOf,
  visit,
} from "./browser.js";
import { event, seed, write } from "./seed.js";

const IDS = ["n1", "n2", "n3"];
/** A node that was ended has to start, catch up and take the lead back. */
const PATIENCE_MS = 120_000;
/** The banner takes some room from the list. */
const ROWS_COMPARED = 8;

journeys("a person whose cluster is in trouble", () => {
  let cluster: Cluster;
  let browser: Browser;
  let chaos: Chaos;
  /** Of the events that these journeys look at one by one. */
  let first = 0;
  const urlOf = (id: string): string => cluster.node(id).url;
  const otherThan = (...ids: string[]): string => IDS.find((id) => !ids.includes(id)) as string;
  beforeAll(async () => {
    const ports = await freePorts(IDS.length);
    chaos = await Chaos.open(IDS, ports, () => undefined);
    const started = startSteadyCluster({
      ports,
      nodeEnv: (id) => chaos.environmentOf(id),
      onEvent: (event) => chaos.onEvent(event),
    });
    [cluster, browser] = await Promise.all([started, openBrowser()]);
    chaos.attach(cluster);
    const demo = await postJson(`${urlOf("n1")}/api/v1/events:batch`, { events: demoEvents(Date.now()) });
    expect(demo.status).toBe(201);
  });
  // A fresh start has no events but the demonstration's.
  beforeEach(async ({ task }) => {
    if (first > 0 || task.name.startsWith("1:")) return;
    await seed(urlOf("n1"), 30);
    const { body } = await call(`${urlOf("n1")}/api/v1/events?sourceAppId=seed&limit=1`);
    first = body.events[0].sequence;
  });
  afterEach(async () => {
    chaos.heal();
    await cluster.startAll();
    await cluster.leader();
  });
  afterAll(async () => {
    await browser?.close();
    chaos?.heal();
    await cluster?.stop();
    await chaos?.close();
  });

  it("1: a fresh start with events of a demonstration: they are shown, and all nodes are there", async () => {
    const mine = await visit(browser, urlOf("n1"));
    const { page } = mine;
    await page.getByText("3/3 all nodes").waitFor();
    await page.getByText("Yes: nothing differs on 3 of 3 nodes").waitFor();
    await page.getByRole("link", { name: "Events", exact: true }).click();
    const first = page.getByRole("grid").locator("[data-sequence]").first();
    await first.getByText("✓ this browser").waitFor();
    await page.goto(`${urlOf("n1")}/#/events?sourceAppId=billing`);
    await first.getByText(/^invoice\./).waitFor();
    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByRole("heading", { name: "Getting started" }).waitFor();
    // Whatever its source is, it is the person's own.
    await write(urlOf("n1"), { sourceAppId: "shop" });
    await page.getByRole("heading", { name: "Try it" }).waitFor();
    expect(await page.getByRole("heading", { name: "Getting started" }).count()).toBe(0);
    await leave(mine, "journey-01");
  });

  it("16: the leader is killed during writes: the page tells of the election, and no acknowledged event is missing", async () => {
    const { node: leader } = await cluster.leader();
    const asked = otherThan(leader.id);
    const mine = await visit(browser, `${urlOf(asked)}/#/events?sourceAppId=ongoing`, { mayMissNodes: true });
    await mine.page.locator(LIVE).waitFor();
    const acknowledged: number[] = [];
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        const { status, body } = await postJson(`${urlOf(asked)}/api/v1/events`, event(0, "ongoing"));
        if (status === 201) acknowledged.push((body as { sequence: number }).sequence);
        await sleep(20);
      }
    })();
    await eventually(() => acknowledged.length > 20, 20_000, "writes");
    await cluster.kill(leader.id);
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 20, PATIENCE_MS, "writes after the election");
    isOver = true;
    await writing;
    const last = acknowledged.at(-1) as number;
    await mine.page.locator(`[data-sequence="${last}"]`).waitFor();
    const areShown = async (): Promise<boolean> => {
      const shown = new Set((await scrollThrough(mine.page)).seen);
      return acknowledged.every((sequence) => shown.has(sequence));
    };
    await eventually(areShown, 30_000, "every acknowledged event is shown");
    await mine.page.getByText("2/3 majority").waitFor();
    await mine.page.getByRole("link", { name: "Cluster" }).click();
    await mine.page
      .getByRole("row", { name: new RegExp(`no leader was heard ${leader.id} `) })
      .first()
      .waitFor();
    await leave(mine, "journey-16");
  });

  it("17: the serving node is killed: the page says how old it is, and goes on at another with its filters kept", async () => {
    const mine = await visit(browser, `${urlOf("n1")}/#/events?sourceAppId=seed`, { mayMissNodes: true });
    await mine.page.locator(LIVE).waitFor();
    const topRows = async (): Promise<number[]> => (await rowsIn(mine.page)).slice(0, ROWS_COMPARED);
    const rows = await eventually(
      async () => {
        const found = await topRows();
        return found.length === ROWS_COMPARED && found;
      },
      30_000,
      `${ROWS_COMPARED} rows`,
    );
    // How old that is can be said only of what was shown.
    await mine.page.getByText("3/3 all nodes").waitFor();
    await cluster.kill("n1");
    const banner = mine.page.getByRole("status").filter({ hasText: /n1 does not answer. What is shown is \d+ s old/ });
    await banner.waitFor();
    await mine.page.locator('[data-stream="lost"]').waitFor();
    expect(await topRows()).toEqual(rows);
    await mine.page.getByText(/Nothing has come live for \d+ s/).waitFor();
    await expectSound(mine.page, "a node that does not answer");
    await banner.getByRole("link", { name: "n2" }).click();
    await mine.page.waitForURL(`${urlOf("n2")}/#/events?sourceAppId=seed`);
    await eventually(async () => String(await topRows()) === String(rows), 30_000, "the same rows");
    await leave(mine, "journey-17");
  });

  it("18: two of three are down: the page says that and why nothing is written, and marks what it shows", async () => {
    const mine = await visit(browser, `${urlOf("n1")}/#/cluster`, { mayMissNodes: true });
    await mine.page.getByText("3/3 all nodes").waitFor();
    await mine.page.getByRole("img", { name: /runs in \d+ (?:ms|s) if it hears no leader/ }).waitFor();
    await Promise.all([cluster.kill("n2"), cluster.kill("n3")]);
    await mine.page.getByText("1/3 no majority").waitFor();
    await mine.page.getByText(/Nothing is written until they do/).waitFor();
    await expectSound(mine.page, "no majority");
    await mine.page.getByRole("link", { name: "Events" }).click();
    await mine.page.getByText(/No leader stands behind this list, read (?:just now|\d+ m?s ago)/).waitFor();
    await mine.page.locator("[data-sequence]").first().waitFor();
    await leave(mine, "journey-18");
  });

  it("26: an error, a missing answer and a slow one are told apart, with what to do", async () => {
    const failing = await visit(browser, `${urlOf("n2")}/#/events?sourceAppId=seed&event=${first}`, {
      ...{ mayMissNodes: true, viewport: { width: 1280, height: 1_600 } },
    });
    const { page } = failing;
    const row = (i: number) => page.locator(`[data-sequence="${first + i}"]`);
    await page.getByText(/verified in this browser/).waitFor();
    const problem = {
      title: "It broke",
      detail: "Nothing is known of it.",
      code: "internal",
      status: 500,
      requestId: "request-0815",
    };
    await page.route(`**/api/v1/events/${first + 1}**`, (route) =>
      route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(problem) }),
    );
    await row(1).click();
    await page.getByRole("heading", { name: "It broke" }).waitFor();
    await page.getByText("500 internal · request request-0815").waitFor();
    await page.unroute(`**/api/v1/events/${first + 1}**`);
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByText(/verified in this browser/).waitFor();
    const refusals = [
      { title: "Who are you?", detail: "Send a key.", code: "unauthorized", status: 401 },
      { title: "Too many requests", detail: "Wait for 3 s.", code: "rate_limited", status: 429 },
    ];
    for (const [i, refusal] of refusals.entries()) {
      const answer = { ...problem, ...refusal };
      await page.route(`**/api/v1/events/${first + 4 + i}**`, (route) =>
        route.fulfill({
          status: refusal.status,
          contentType: "application/problem+json",
          body: JSON.stringify(answer),
        }),
      );
      await row(4 + i).click();
      await page.getByRole("heading", { name: refusal.title }).waitFor();
      await page.getByText(`${refusal.status} ${refusal.code} · request request-0815`).waitFor();
      await page.unroute(`**/api/v1/events/${first + 4 + i}**`);
      await page.getByRole("button", { name: "Retry" }).click();
      await page.getByText(/verified in this browser/).waitFor();
    }
    // What was verified once does not stay so in green where it could not be verified again.
    await page.route(`**/api/v1/events/${first + 5}**`, (route) =>
      route.fulfill({ status: 409, contentType: "application/problem+json", body: JSON.stringify(problem) }),
    );
    await page.getByText(/was verified in this browser, not again since/).waitFor();
    await page.getByText(/did not tell it again \(Nothing is known of it\)/).waitFor();
    await page.unroute(`**/api/v1/events/${first + 5}**`);
    await page.getByText(/^✓verified in this browser/).waitFor();
    await page.route(`**/api/v1/events/${first + 2}**`, (route) => route.abort());
    await row(2).click();
    await page.getByRole("heading", { name: "This node does not answer" }).waitFor();
    let release = (): void => undefined;
    const isSeen = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route(`**/api/v1/events/${first + 3}**`, async (route) => {
      await isSeen;
      await route.continue();
    });
    await row(3).click();
    await page.getByText(`Asking this node for event ${first + 3} …`).waitFor();
    await page.getByText(/It takes long: the bar on top leads to the other nodes/).waitFor();
    release();
    await page.getByText(/verified in this browser/).waitFor();
    await leave(failing, "journey-26");
  });

  it("26: a proxy answers in the place of the node: what is shown is marked as old, and nothing says yes", async () => {
    const mine = await visit(browser, `${urlOf("n2")}/`, { mayMissNodes: true });
    const { page } = mine;
    await page.getByText("3/3 all nodes").waitFor();
    await page.getByText("Yes: nothing differs on 3 of 3 nodes").waitFor();
    await page.route("**/api/v1/cluster", (route) => route.fulfill({ status: 502, body: "Bad gateway" }));
    const banner = page.getByRole("status").filter({ hasText: /n2 does not say how the cluster stands: HTTP 502/ });
    await banner.filter({ hasText: /What is shown is \d+ s old/ }).waitFor();
    await banner.getByRole("link", { name: "n1" }).waitFor();
    await page.getByText("?3/3 all nodes").waitFor();
    await page.getByText(/Not known now: the cluster answered last/).waitFor();
    await page.unroute("**/api/v1/cluster");
    await page.getByText("Yes: nothing differs on 3 of 3 nodes").waitFor();
    await page.route("**/api/v1/alerts?*", (route) => route.fulfill({ status: 503, body: "{}" }));
    await page.getByText(/Not known now: alerts were told last \d+ s ago/).waitFor();
    await page.getByRole("link", { name: "Cluster", exact: true }).click();
    const checks = page.getByRole("region", { name: "What each node checks of its own database" });
    await checks.getByText(/the column of differences is what it said \d+ s ago/).waitFor();
    expect(await checks.getByText("none then").count()).toBe(3);
    await page.getByRole("link", { name: "Overview", exact: true }).click();
    await page.unroute("**/api/v1/alerts?*");
    await page.getByText("Yes: nothing differs on 3 of 3 nodes").waitFor();
    await leave(mine, "journey-26-proxy");
  });

  it("26: a part of the page that cannot be loaded takes only its page with it, and is loaded on request", async () => {
    const mine = await visit(browser, `${urlOf("n2")}/#/events`, { mayMissNodes: true });
    const { page } = mine;
    await page.locator(LIVE).waitFor();
    await page.route("**/assets/report-page*", (route) => route.abort());
    await page.getByRole("link", { name: "Report" }).click();
    await page.getByRole("heading", { name: "This page is not shown" }).waitFor();
    await page.getByText("3/3 all nodes").waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByRole("link", { name: "Events" }).click();
    await page.locator("[data-sequence]").first().waitFor();
    await page.getByRole("link", { name: "Report" }).click();
    await page.unroute("**/assets/report-page*");
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByRole("button", { name: "Print" }).waitFor();
    await leave(mine, "journey-26-part");
  });

  it("faults on demand: kills, pauses and cuts off nodes, and the lanes show it", async () => {
    const { node: leader } = await cluster.leader();
    const asked = otherThan(leader.id);
    const paused = otherThan(leader.id, asked);
    const mine = await visit(browser, `${urlOf(asked)}/#/cluster?span=5min`, {
      ...{ mayMissNodes: true, viewport: { width: 1280, height: 2_200 } },
    });
    const { page } = mine;
    const rowOf = (id: string) =>
      page.getByRole("region", { name: "Faults on demand" }).getByRole("row", { name: new RegExp(`^${id}`) });
    const press = (what: string, id: string) => page.getByRole("button", { name: `${what}: ${id}` }).click();
    await page.getByText("3/3 all nodes").waitFor();
    await press("Kill", leader.id);
    await rowOf(leader.id).getByText("down").waitFor();
    await page.getByText("2/3 majority").waitFor();
    await page
      .getByRole("row", { name: new RegExp(`no leader was heard ${leader.id} `) })
      .first()
      .waitFor();
    await press("Start", leader.id);
    await rowOf(leader.id).getByText("runs").waitFor({ timeout: PATIENCE_MS });
    await page.getByText("3/3 all nodes").waitFor({ timeout: PATIENCE_MS });
    await press("Pause", paused);
    await rowOf(paused).getByText("paused").waitFor();
    await page.getByText("2/3 majority").waitFor();
    await press("Resume", paused);
    await page.getByText("3/3 all nodes").waitFor({ timeout: PATIENCE_MS });
    const { pid } = cluster.node(paused);
    await press("Restart", paused);
    await page.getByText(`Started ${paused}.`).waitFor();
    const isAnother = (): boolean => ![undefined, pid].includes(cluster.node(paused).pid);
    await eventually(isAnother, PATIENCE_MS, "it runs again");
    await rowOf(paused).getByText("runs").waitFor({ timeout: PATIENCE_MS });
    await page.getByText("3/3 all nodes").waitFor({ timeout: PATIENCE_MS });
    await page.getByText("What happened to the nodes").click();
    await page
      .getByRole("row", { name: new RegExp(`${paused} restart`) })
      .first()
      .waitFor();
    const lanes = page.getByRole("img", { name: /Elections of n3, n2, n1/ });
    await lanes.getByText("killed", { exact: false }).first().waitFor({ state: "attached" });
    await lanes.getByText("follower", { exact: false }).first().waitFor({ state: "attached" });
    expect(await violationsOf(page)).toEqual([]);
    await leave(mine, "chaos-panel");
  });

  it("19: the leader is cut off: no page ever shows two leaders, and the page of the one that is cut off says so", async () => {
    const { node: leader } = await cluster.leader();
    const asked = otherThan(leader.id);
    const [mine, cut] = await Promise.all(
      [asked, leader.id].map((id) => visit(browser, `${urlOf(id)}/#/cluster`, { mayMissNodes: true })),
    );
    if (mine === undefined || cut === undefined) throw new Error("no pages");
    const leadersOn = ({ page }: typeof mine): Promise<number> =>
      page
        .getByRole("region", { name: "Nodes" })
        .getByRole("row", { name: / leader .*sound/ })
        .count();
    await Promise.all([mine, cut].map(({ page }) => page.getByText("3/3 all nodes").waitFor()));
    await mine.page.getByRole("button", { name: `Cut off: ${leader.id}` }).click();
    const seen: number[] = [];
    await eventually(
      async () => {
        seen.push(await leadersOn(mine), await leadersOn(cut));
        const isElected = await mine.page.getByText("2/3 majority").isVisible();
        return isElected && (await cut.page.getByText("1/3 no majority").isVisible());
      },
      PATIENCE_MS,
      "both sides say how they stand",
    );
    expect(Math.max(...seen)).toBeLessThanOrEqual(1);
    await cut.page.getByText(/Nothing is written until they do/).waitFor();
    await leave(cut, "journey-19-cut");
    await mine.page.getByRole("button", { name: `Reconnect: ${leader.id}` }).click();
    await mine.page.getByText("3/3 all nodes").waitFor();
    await leave(mine, "journey-19");
  });

  it("getting started: an event is altered from there, and the rate stands still for whoever has its link", async () => {
    const mine = await visit(browser, `${urlOf("n1")}/`, { mayMissNodes: true });
    const { page } = mine;
    await page.getByRole("heading", { name: "Try it" }).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForURL(/paused=1/);
    await page.reload();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    const button = page.getByRole("button", { name: /^Alter an event on n\d$/ });
    const victim = ((await button.textContent()) ?? "").slice(-2);
    await button.click();
    await page.getByText(`Altered the newest event in the database of ${victim}.`).waitFor();
    await page.getByText(`No: 1 critical alert on ${victim}`).waitFor({ timeout: PATIENCE_MS });
    await page.getByRole("link", { name: "chain", exact: true }).click();
    await page
      .getByRole("row", { name: new RegExp(`^${victim}`) })
      .getByText("✎ payload")
      .waitFor();
    await leave(mine, "getting-started");
  });
});
