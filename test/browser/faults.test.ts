import { setTimeout as delay } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Cluster, startCluster } from "../../scripts/cluster/cluster.js";
import { call, postJson } from "../integration/api-support.js";
import { eventually } from "../support/eventually.js";
import { alterPayloads } from "../support/stored-blocks.js";
import { journeys, LIVE, leave, openBrowser, rowsIn, scrollThrough, visit } from "./browser.js";
import { event, seed, write } from "./seed.js";

const FOUND_WITHIN_MS = 10_000;
/** The banner takes some room from the list. */
const ROWS_COMPARED = 8;

journeys("a person whose cluster is in trouble", () => {
  let cluster: Cluster;
  let browser: Browser;
  const urlOf = (id: string): string => cluster.node(id).url;
  beforeAll(async () => {
    [cluster, browser] = await Promise.all([startCluster(), openBrowser()]);
    await seed(urlOf("n1"), 30);
  });
  afterEach(async () => {
    await cluster.startAll();
    await cluster.leader();
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  it("16: the leader is killed during writes: the page tells of the election, and no acknowledged event is missing", async () => {
    const mine = await visit(browser, `${urlOf("n1")}/#/events?sourceAppId=ongoing`, { mayMissNodes: true });
    await mine.page.locator(LIVE).waitFor();
    const acknowledged: number[] = [];
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        const { status, body } = await postJson(`${urlOf("n1")}/api/v1/events`, event(0, "ongoing"));
        if (status === 201) acknowledged.push((body as { sequence: number }).sequence);
        await delay(20);
      }
    })();
    await eventually(() => acknowledged.length > 20, 20_000, "writes");
    const { node: leader } = await cluster.leader();
    await cluster.kill(leader.id);
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 20, 30_000, "writes after the election");
    isOver = true;
    await writing;
    const last = acknowledged.at(-1) as number;
    await mine.page.locator(`[data-sequence="${last}"]`).waitFor();
    const shown = new Set((await scrollThrough(mine.page)).seen);
    expect(acknowledged.filter((sequence) => !shown.has(sequence))).toEqual([]);
    await mine.page.getByText("2/3 majority").waitFor();
    await mine.page.getByRole("link", { name: "Cluster" }).click();
    await mine.page.getByRole("row", { name: /^2 .*no leader was heard/ }).waitFor();
    await leave(mine, "journey-16");
  });

  it("17: the serving node is killed: the page says how old it is, and goes on at another with its filters kept", async () => {
    const mine = await visit(browser, `${urlOf("n1")}/#/events?sourceAppId=seed`, { mayMissNodes: true });
    await mine.page.locator(LIVE).waitFor();
    await mine.page.locator("[data-sequence]").first().waitFor();
    const rows = (await rowsIn(mine.page)).slice(0, ROWS_COMPARED);
    const topRows = async (): Promise<number[]> => (await rowsIn(mine.page)).slice(0, ROWS_COMPARED);
    await cluster.kill("n1");
    const banner = mine.page.getByRole("alert");
    await banner.getByText(/n1 does not answer. What is shown is \d+ s old/).waitFor();
    await mine.page.locator('[data-stream="lost"]').waitFor();
    expect(await topRows()).toEqual(rows);
    await banner.getByRole("link", { name: "n2" }).click();
    await mine.page.waitForURL(`${urlOf("n2")}/#/events?sourceAppId=seed`);
    await mine.page.locator("[data-sequence]").first().waitFor();
    expect(await topRows()).toEqual(rows);
    await leave(mine, "journey-17");
  });

  it("18: two of three are down: the page says that and why nothing is written, and marks what it shows", async () => {
    const mine = await visit(browser, `${urlOf("n1")}/#/cluster`, { mayMissNodes: true });
    await mine.page.getByText("3/3 all nodes").waitFor();
    await Promise.all([cluster.kill("n2"), cluster.kill("n3")]);
    await mine.page.getByText("1/3 no majority").waitFor();
    await mine.page.getByText(/Nothing is written until they do/).waitFor();
    await mine.page.getByRole("link", { name: "Events" }).click();
    await mine.page.getByText(/No leader stands behind this list/).waitFor();
    await mine.page.locator("[data-sequence]").first().waitFor();
    await leave(mine, "journey-18");
  });

  it("26: an error, a missing answer and a slow one are told apart, with what to do", async () => {
    const failing = await visit(browser, `${urlOf("n2")}/#/events?sourceAppId=seed&event=0`, {
      ...{ mayMissNodes: true, viewport: { width: 1280, height: 1_600 } },
    });
    const { page } = failing;
    await page.getByText(/verified in this browser/).waitFor();
    const problem = {
      title: "It broke",
      detail: "Nothing is known of it.",
      code: "internal",
      status: 500,
      requestId: "request-0815",
    };
    await page.route("**/api/v1/events/1**", (route) =>
      route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(problem) }),
    );
    await page.locator('[data-sequence="1"]').click();
    await page.getByRole("heading", { name: "It broke" }).waitFor();
    await page.getByText("500 internal · request request-0815").waitFor();
    await page.unroute("**/api/v1/events/1**");
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByText(/verified in this browser/).waitFor();
    await page.route("**/api/v1/events/2**", (route) => route.abort());
    await page.locator('[data-sequence="2"]').click();
    await page.getByRole("heading", { name: "This node does not answer" }).waitFor();
    await page.route("**/api/v1/events/3**", async (route) => {
      await delay(1_500);
      await route.continue();
    });
    await page.locator('[data-sequence="3"]').click();
    await page.getByText("Asking this node for event 3 …").waitFor();
    await page.getByText(/verified in this browser/).waitFor();
    await leave(failing, "journey-26");
  });

  it.each(["follower", "leader"] as const)(
    "10, in part: an event is altered in the %s's own MongoDB: the chain breaks in its row only, and the alert names it",
    async (role) => {
      const { node: leader } = await cluster.leader();
      const altered = role === "leader" ? leader.id : (["n1", "n2", "n3"].find((id) => id !== leader.id) as string);
      const asked = ["n1", "n2", "n3"].find((id) => id !== altered) as string;
      // So that an event that was altered before is not in view.
      await seed(urlOf(asked), 40, "between");
      const sequence = await write(urlOf(asked), { sourceAppId: `altered-on-${role}` });
      const { height } = (await call(`${urlOf(asked)}/api/v1/events/${sequence}`)).body as { height: number };
      const mine = await visit(browser, `${urlOf(asked)}/#/chain?at=${sequence}`);
      await mine.page.getByText(/All nodes hold the same hashes/).waitFor();
      await alterPayloads(cluster.node(altered).mongodbUri, height);
      await mine.page
        .getByRole("row", { name: new RegExp(`^${altered}`) })
        .getByText("! altered")
        .waitFor({ timeout: FOUND_WITHIN_MS });
      expect(await mine.page.getByText("! altered", { exact: true }).count()).toBeLessThanOrEqual(2);
      await mine.page.getByText(`1 event on ${altered}`, { exact: false }).waitFor();
      await leave(mine, `journey-10-chain-${role}`);
      const alerts = await visit(browser, `${urlOf(asked)}/#/alerts`);
      const row = alerts.page.getByRole("row", {
        name: new RegExp(`payload_modified ${altered} .*block ${height} of ${altered} `),
      });
      await row.waitFor();
      await eventually(async () => /^\(\d+\) Alerts/.test(await alerts.page.title()), 30_000, "the count in the title");
      await alerts.page.getByRole("link", { name: "Overview" }).click();
      await alerts.page.getByText(/No: \d+ critical alerts?/).waitFor();
      await leave(alerts, `journey-10-overview-${role}`);
    },
  );
});
