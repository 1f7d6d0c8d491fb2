import { readFileSync } from "node:fs";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertView } from "../../dashboard/api/types.js";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { call } from "../integration/api-support.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import {
  expectSound,
  journeys,
  leave,
  openBrowser,
  openByKeys,
  picture,
  tabTo,
  type Visit,
  violationsOf,
  visit,
} from "./browser.js";
import { deleteBlocks, editPayload, insertForged } from "./edits.js";
import { seed, write } from "./seed.js";

/** Ten seconds where nothing else runs: how long it took is told. */
const FOUND_WITHIN_MS = 120_000;
const REPAIR = { actor: "journey", reason: "the next journey begins with sound nodes" };
/** A decision has to be recorded in the log. */
const PATIENCE_MS = 120_000;
const IDS = ["n1", "n2", "n3"] as const;
type Id = (typeof IDS)[number];

interface Written {
  readonly sequence: number;
  readonly height: number;
}

journeys("a person whose databases somebody edits", () => {
  let cluster: Cluster;
  let browser: Browser;
  const urlOf = (id: string): string => cluster.node(id).url;
  const uriOf = (id: string): string => cluster.node(id).mongodbUri;
  const otherThan = (...ids: string[]): Id => IDS.find((id) => !ids.includes(id)) as Id;
  beforeAll(async () => {
    [cluster, browser] = await Promise.all([startSteadyCluster(), openBrowser()]);
    await eventually(async () => (await call(`${urlOf("n1")}/readyz`)).status === 200, 30_000, "n1 is ready");
    await seed(urlOf("n1"), 30);
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  const openAlerts = async (asked: string): Promise<AlertView[]> =>
    ((await call(`${urlOf(asked)}/api/v1/alerts?limit=500`)).body as { alerts: AlertView[] }).alerts;

  /** An incident takes in what is found shortly after: so what was altered earlier is put right first. */
  async function repairAll(): Promise<void> {
    const repairOnce = async (): Promise<boolean> => {
      const alerts = await openAlerts("n2");
      for (const { id } of alerts.filter(({ status }) => status === "open")) {
        const path = `${urlOf("n2")}/api/v1/alerts/${id}`;
        const version = (await call(path)).headers.get("ETag") ?? "";
        const headers = { "Content-Type": "application/json", "If-Match": version };
        await fetch(`${path}/repair`, { method: "POST", headers, body: JSON.stringify(REPAIR) });
      }
      return alerts.length === 0;
    };
    await eventually(repairOnce, PATIENCE_MS, "all is repaired");
  }

  const covers = ({ sequences = [] }: AlertView, { sequence }: Written): boolean =>
    sequences.some(([low, high]) => low <= sequence && sequence <= high);

  /** Blocks of one event each, on all nodes, with room before them: what was altered earlier is out of view. */
  async function written(asked: Id, count = 1): Promise<Written[]> {
    await repairAll();
    await seed(urlOf(asked), 40, "between");
    const places: Written[] = [];
    for (let i = 0; i < count; i++) {
      const sequence = await write(urlOf(asked), { dataPayload: { amount: 125_000, by: { name: "ada" } } });
      const { height } = (await call(`${urlOf(asked)}/api/v1/events/${sequence}`)).body as { height: number };
      places.push({ sequence, height });
    }
    await levelHead(cluster.nodes);
    return places;
  }

  const shown = (sequence: number): string => sequence.toLocaleString("en");
  const chainRow = (page: Page, node: string) => page.getByRole("row", { name: new RegExp(`^${node}`) });
  const alertRow = (page: Page, words: string) => page.getByRole("row", { name: new RegExp(words) }).first();
  const see = (asked: Id, path: string) => visit(browser, `${urlOf(asked)}/#${path}`);

  /** A tab that has not heard of what others did, until it says something itself. */
  async function holdAlert(page: Page): Promise<void> {
    let isHeld = true;
    let first: { body: Buffer; headers: Record<string, string> } | undefined;
    page.on("response", (response) => {
      if (response.request().method() === "POST") isHeld = false;
    });
    await page.route(/\/api\/v1\/alerts\/[0-9a-f]+$/, async (route) => {
      const answer = isHeld && first !== undefined ? first : await fetched(route);
      first ??= answer;
      await route.fulfill({ status: 200, ...answer });
    });
  }

  async function fetched(route: Route): Promise<{ body: Buffer; headers: Record<string, string> }> {
    const response = await route.fetch();
    return { body: await response.body(), headers: response.headers() };
  }

  /** Edits an event on a follower, and waits until the alert's page can be opened. */
  async function openedAlert(): Promise<{ altered: Id; asked: Id; place: Written; page: Visit }> {
    const { node: leader } = await cluster.leader();
    const altered = otherThan(leader.id);
    const asked = otherThan(altered);
    const [place] = (await written(asked)) as [Written];
    await editPayload(uriOf(altered), place.height, { from: '"ada"', to: '"eve"' });
    const page = await see(asked, "/alerts");
    await alertRow(page.page, `payload_modified ${altered} event ${place.sequence}`).waitFor({
      timeout: PATIENCE_MS,
    });
    return { altered, asked, place, page };
  }

  it.each(["follower", "leader"] as const)(
    "10: an event is edited in the %s's own MongoDB: red on that node's row, and named to the field",
    async (role) => {
      const { node: leader } = await cluster.leader();
      const altered = (role === "leader" ? leader.id : otherThan(leader.id)) as Id;
      const asked = otherThan(altered);
      const [place] = (await written(asked)) as [Written];
      const { sequence, height } = place;
      const [chain, events, alerts] = await Promise.all([
        see(asked, `/chain?at=${sequence}`),
        see(asked, "/events?sourceAppId=journey"),
        see(asked, "/alerts"),
      ]);
      await chain.page.getByText(/All nodes hold the same hashes/).waitFor();
      await events.page.locator(`[data-sequence="${sequence}"]`).waitFor();
      await editPayload(uriOf(altered), height, { from: '"ada"', to: '"eve"' });
      const inTime = { timeout: FOUND_WITHIN_MS };
      const editedAt = performance.now();
      const row = alertRow(alerts.page, `payload_modified ${altered} event ${sequence}`);
      await Promise.all([
        chainRow(chain.page, altered).getByText("✎ payload").waitFor(inTime),
        events.page.locator(`[data-sequence="${sequence}"]`).getByText(`✗ ${altered} differs`).waitFor(inTime),
        row.waitFor(inTime),
        chain.page.getByRole("banner").getByRole("alert").getByText("integrity alert").waitFor(inTime),
      ]);
      const found = (await openAlerts(asked)).find((alert) => alert.accused === altered && covers(alert, place));
      const foundMs = Date.parse(found?.openedAt ?? "") - Date.parse(found?.changedAt ?? "");
      const shownMs = Math.round(performance.now() - editedAt);
      process.stdout.write(`found ${foundMs} ms and shown ${shownMs} ms after the edit on the ${role}\n`);
      expect(foundMs).toBeLessThan(FOUND_WITHIN_MS);
      for (const id of IDS.filter((one) => one !== altered))
        expect(
          await chainRow(chain.page, id)
            .getByText(/payload|altered/)
            .count(),
        ).toBe(0);
      await chain.page.getByRole("link", { name: /open the alert/ }).waitFor();
      for (const { page } of [chain, events, alerts]) await expectSound(page, page.url());
      const picture = chain.page.getByRole("img", {
        name: new RegExp(`${altered} altered at ${shown(sequence)} .payload_modified`),
      });
      for (const zoom of ["bar", "map"]) {
        await chain.page.getByRole("button", { name: zoom, exact: true }).click();
        await picture.waitFor();
      }
      await leave(chain, `journey-10-chain-${role}`);
      await leave(events, `journey-10-events-${role}`);
      await row.getByRole("link", { name: "payload_modified" }).click();
      const changed = alerts.page.getByRole("row", { name: /dataPayload\.by\.name ◄ the only change/ });
      await changed.waitFor();
      expect(await changed.textContent()).toMatch(/"ada".*"eve"/);
      await alerts.page.getByText(/The committed event stands in block \d+, sealed by n[123]\./).waitFor();
      await alerts.page.getByRole("row", { name: /recomputed in this browser .*holds .*does not hold/ }).waitFor();
      await eventually(async () => /^\(\d+\) Alert/.test(await alerts.page.title()), 60_000, "the count in the title");
      await expectSound(alerts.page, "the alert");
      await leave(alerts, `journey-10-alert-${role}`);
    },
  );

  it("11: the same with the hashes made anew: it is found all the same, and said to be rewritten", async () => {
    const { node: leader } = await cluster.leader();
    const altered = otherThan(leader.id);
    const asked = otherThan(altered);
    const [place] = (await written(asked)) as [Written];
    const mine = await see(asked, "/alerts");
    await mine.page.getByRole("heading", { name: "Alerts" }).waitFor();
    await editPayload(uriOf(altered), place.height, { from: '"ada"', to: '"eve"', isRehashed: true });
    const row = alertRow(mine.page, `hash_rewritten ${altered}`);
    await row.waitFor({ timeout: PATIENCE_MS });
    await row.getByRole("link", { name: "hash_rewritten" }).click();
    await mine.page.getByRole("row", { name: /dataPayload\.by\.name/ }).waitFor();
    await mine.page.getByText(/changed so that they agree with each other/).waitFor();
    const chain = await see(asked, `/chain?at=${place.sequence}`);
    await chainRow(chain.page, altered).getByText("⇄ hashes").waitFor();
    await expectSound(chain.page, "a chain with rewritten hashes");
    await leave(chain, "journey-11-chain");
    await leave(mine, "journey-11");
    const others = await see(asked, "/");
    for (const [path, shown] of [
      ["/", others.page.getByText(/No: \d+ critical alert/)],
      ["/cluster", others.page.getByRole("region", { name: "Nodes" })],
      ["/report", others.page.getByRole("region", { name: /^\d+ alerts?$/ })],
    ] as const) {
      await others.page.goto(`${urlOf(asked)}/#${path}`);
      await others.page.getByRole("banner").getByRole("alert").getByText("integrity alert").waitFor();
      await shown.first().waitFor();
      await expectSound(others.page, path);
    }
    await leave(others, "journey-11-others");
  });

  it("15: refused without a reason; with one it is repaired, recorded, and kept; a stale tab is told who did it", async () => {
    const { altered, asked, place, page: mine } = await openedAlert();
    const { page } = mine;
    await alertRow(page, `event ${place.sequence}`).getByRole("link", { name: "payload_modified" }).click();
    await page.getByRole("heading", { name: "Decide" }).waitFor();
    const stale = await visit(browser, page.url(), { mayMissNodes: true, before: holdAlert });
    await stale.page.getByRole("heading", { name: "Decide" }).waitFor();
    await page.getByLabel("Your name").fill("ada");
    await page.getByRole("button", { name: "Repair", exact: true }).click();
    expect(await page.locator("input:invalid").count()).toBe(1);
    await page.getByLabel("Reason").fill("restored from the others");
    await page.getByRole("button", { name: "Repair", exact: true }).click();
    await page.getByRole("row", { name: /repaired/ }).waitFor({ timeout: PATIENCE_MS });
    await page.getByRole("row", { name: /ada restored from the others/ }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download the evidence" }).click(),
    ]);
    expect(JSON.parse(readFileSync(await download.path(), "utf8"))).toMatchObject({ format: "quorumlog/evidence/v1" });
    await leave(mine, "journey-15");
    await stale.page.getByLabel("Dismiss").check();
    await stale.page.getByLabel("Your name").fill("grace");
    await stale.page.getByLabel("Reason").fill("I did not know");
    await stale.page.getByRole("button", { name: "Dismiss" }).click();
    await stale.page
      .getByRole("status")
      .getByText(/ada was quicker: repair/)
      .waitFor();
    await leave(stale, "journey-15-stale");
    const resolved = await see(otherThan(asked, altered), "/alerts?show=resolved");
    await alertRow(resolved.page, `event ${place.sequence} .*repaired by ada`).waitFor();
    await resolved.page.goto(`${urlOf(asked)}/#/chain?at=${place.sequence}`);
    await resolved.page.getByText(/All nodes hold the same hashes/).waitFor();
    await resolved.page.goto(`${urlOf(asked)}/#/report`);
    const decisions = resolved.page.getByRole("region", { name: "Decisions" });
    await decisions.getByRole("row", { name: /ada repair begun payload_modified restored from the others/ }).waitFor();
    await resolved.page.getByRole("region", { name: /^\d+ alerts?$/ }).waitFor();
    await resolved.page.emulateMedia({ media: "print" });
    expect(await resolved.page.getByRole("banner").isVisible()).toBe(false);
    await leave(resolved, "journey-15-resolved");
  });

  it("15: acknowledged, dismissed and found again, and the node is rebuilt: each by the page, with who and why", async () => {
    const { altered, asked, place, page: mine } = await openedAlert();
    const { page } = mine;
    const open = (): Promise<void> =>
      alertRow(page, `event ${place.sequence}`).getByRole("link", { name: "payload_modified" }).click();
    const decide = async (choice: string, reason: string): Promise<void> => {
      await page.getByLabel(choice, { exact: true }).check();
      await page.getByLabel("Your name").fill("ada");
      await page.getByLabel("Reason").fill(reason);
      await page.getByRole("button", { name: choice, exact: true }).click();
    };
    const inTime = { timeout: PATIENCE_MS };
    await open();
    await decide("Acknowledge", "I look into it");
    await page.getByRole("row", { name: "acknowledged ada I look into it" }).waitFor(inTime);
    await expectSound(page, "an alert that is acknowledged");
    await picture(page, "alert-acknowledged");
    await page.getByRole("link", { name: "All alerts" }).click();
    await page.getByRole("button", { name: "Acknowledged 1" }).click();
    await alertRow(page, `event ${place.sequence} .*acknowledged by ada`).waitFor();
    await expectSound(page, "acknowledged alerts");
    await picture(page, "alerts-acknowledged");
    await open();
    await decide("Dismiss", "an exercise");
    await page.getByRole("row", { name: "dismissed ada an exercise" }).waitFor(inTime);
    // Its block is still altered: the next pass opens the alert again.
    await page.getByRole("row", { name: "found again" }).waitFor(inTime);
    await page.getByRole("heading", { name: "Decide" }).waitFor(inTime);
    await decide("Rebuild the node", "its disk is doubted");
    await page.getByRole("row", { name: "rebuild begun ada its disk is doubted" }).waitFor(inTime);
    await page.getByRole("row", { name: "rebuilt" }).waitFor(inTime);
    await page.getByRole("heading", { name: "Decide" }).waitFor({ state: "detached" });
    await expectSound(page, "an alert that is resolved");
    await leave(mine, "alert-resolved");
    const chain = await see(asked, `/chain?at=${place.sequence}`);
    await chain.page.getByText(/All nodes hold the same hashes/).waitFor(inTime);
    await chain.page.getByText("3/3 all nodes").waitFor(inTime);
    expect(
      await chainRow(chain.page, altered)
        .getByText(/payload|altered/)
        .count(),
    ).toBe(0);
    await leave(chain, "alert-resolved-chain");
  });

  it("23: by keyboard only: the search, a row, its event, the alert, and the decision", async () => {
    const { altered, place, page: mine } = await openedAlert();
    const { page } = mine;
    await openByKeys(page, "e", page.locator("[data-sequence]").first());
    await page.keyboard.press("/");
    await page.keyboard.type("source:journey");
    await page.keyboard.press("Enter");
    await page.locator(`[data-sequence="${place.sequence}"]`).getByText(`✗ ${altered} differs`).waitFor();
    await tabTo(page, `[data-sequence="${place.sequence}"]`);
    await page.keyboard.press("Enter");
    await page.getByText(/verified in this browser/).waitFor();
    await tabTo(page, 'a[href^="#/alerts?alert="]');
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Decide" }).waitFor();
    await tabTo(page, 'input[name="decision"]');
    await page.keyboard.press("Tab");
    await page.keyboard.type("ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type("an exercise");
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /repair begun ada an exercise/ }).waitFor({ timeout: PATIENCE_MS });
    await leave(mine, "journey-23");
  });

  it("14: edited alike on two of three nodes: the edited copy is never called true for being the more frequent one", async () => {
    const { node: leader } = await cluster.leader();
    const asked = leader.id as Id;
    const altered = IDS.filter((id) => id !== asked);
    const [place] = (await written(asked)) as [Written];
    const alerts = await see(asked, "/alerts");
    await Promise.all(altered.map((id) => editPayload(uriOf(id), place.height, { from: '"ada"', to: '"eve"' })));
    for (const id of altered)
      await alertRow(alerts.page, `payload_modified ${id} .*event ${place.sequence}`).waitFor({
        timeout: PATIENCE_MS,
      });
    await leave(alerts, "journey-14-alerts");
    const sound = await see(asked, `/events?event=${place.sequence}&tab=nodes`);
    await sound.page.getByText(/verified in this browser/).waitFor();
    for (const id of altered) await alertRow(sound.page, `^${id} .*not seen`).waitFor();
    await sound.page.getByRole("tab", { name: "Fields" }).click();
    await sound.page.getByText("ada", { exact: true }).waitFor();
    await leave(sound, "journey-14");
    // The page of a node that was edited shows the committed event, or says why it shows none.
    const edited = await visit(browser, `${urlOf(altered[0] as string)}/#/events?event=${place.sequence}`, {
      mayMissNodes: true,
    });
    const drawer = edited.page.getByRole("complementary");
    await drawer
      .getByText("ada", { exact: true })
      .or(drawer.getByText("The stored event was altered"))
      .first()
      .waitFor();
    expect(await edited.page.getByText("eve", { exact: true }).count()).toBe(0);
    await leave(edited, "journey-14-edited");
  });

  it("13: edited while the node is stopped: it is found before the node is ready", async () => {
    const { node: leader } = await cluster.leader();
    const altered = otherThan(leader.id);
    const asked = otherThan(altered);
    // A node whose newest block is another one does not start at all.
    const [place] = (await written(asked, 2)) as [Written, Written];
    const mine = await visit(browser, `${urlOf(asked)}/#/alerts`, { mayMissNodes: true });
    await cluster.kill(altered);
    await mine.page.getByText(`${altered} did not tell`, { exact: false }).waitFor();
    await editPayload(uriOf(altered), place.height, { from: '"ada"', to: '"eve"' });
    await cluster.start(altered);
    let wasReadyBefore = false;
    await eventually(
      async () => {
        const isReady = (await call(`${urlOf(altered)}/readyz`)).status === 200;
        // Asked of that node itself, and after it was ready: others may not reach it yet.
        const isFound = (await openAlerts(altered)).some((alert) => alert.accused === altered && covers(alert, place));
        wasReadyBefore ||= isReady && !isFound;
        return isFound;
      },
      60_000,
      "the alert",
    );
    expect(wasReadyBefore).toBe(false);
    await alertRow(mine.page, `payload_modified ${altered} `).waitFor();
    await leave(mine, "journey-13");
    // Nothing of it is in that node's memory: it shows another node's copy, and says whose that is and why.
    const edited = await visit(browser, `${urlOf(altered)}/#/events?event=${place.sequence}`, { mayMissNodes: true });
    const drawer = edited.page.getByRole("complementary");
    await drawer.getByText("ada", { exact: true }).waitFor();
    const note = drawer.getByText(
      new RegExp(`This event came from n[123], proved by the hashes that ${altered} noted`),
    );
    await note.getByRole("link", { name: "payload_modified: open the alert" }).waitFor();
    await drawer.getByText(/verified in this browser, \d steps? open/).waitFor();
    expect(await edited.page.getByText("eve", { exact: true }).count()).toBe(0);
    expect(await violationsOf(edited.page)).toEqual([]);
    await leave(edited, "journey-13-edited");
  });

  it("12: a block in the middle is deleted, one is forged, the newest three are deleted", async () => {
    const { node: leader } = await cluster.leader();
    const altered = otherThan(leader.id);
    const asked = otherThan(altered);
    const places = await written(asked, 5);
    const heights = places.map(({ height }) => height);
    const middle = places[1] as Written;
    const chain = await see(asked, `/chain?at=${middle.sequence}`);
    const alerts = await see(asked, "/alerts");
    await chain.page.getByText(/All nodes hold the same hashes/).waitFor();
    await deleteBlocks(uriOf(altered), middle.height, middle.height);
    await alertRow(alerts.page, `missing ${altered}`).waitFor({ timeout: PATIENCE_MS });
    await chainRow(chain.page, altered).getByText("∅ deleted").first().waitFor();
    await leave(chain, "journey-12-chain");
    await insertForged(uriOf(altered), heights[0] as number, "evil");
    await alertRow(alerts.page, `forged ${altered}`).waitFor({ timeout: PATIENCE_MS });
    await deleteBlocks(uriOf(altered), heights.at(-3) as number);
    // A block that comes just then makes a hole of what was the end.
    const isOfTail = (alert: AlertView): boolean =>
      /^(?:truncated_tail|missing)$/.test(alert.kind) && covers(alert, places.at(-1) as Written);
    const isShown = async (): Promise<boolean> => {
      const alert = (await openAlerts(asked)).find(isOfTail);
      if (alert === undefined) return false;
      const rows = alerts.page.getByRole("row", { name: new RegExp(`${alert.kind} ${altered} `) });
      const link = alerts.page.locator(`a[href$="?alert=${alert.id}"]`);
      return rows.filter({ has: link }).first().isVisible();
    };
    await eventually(isShown, PATIENCE_MS, "the page shows the lost tail");
    await leave(alerts, "journey-12-alerts");
  });
});
