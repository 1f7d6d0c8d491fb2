import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlertView } from "../../dashboard/api/types.js";
import { type Cluster, startCluster } from "../../scripts/cluster/cluster.js";
import { call } from "../integration/api-support.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { journeys, leave, openBrowser, visit } from "./browser.js";
import { deleteBlocks, editPayload, insertForged } from "./edits.js";
import { seed, write } from "./seed.js";

const FOUND_WITHIN_MS = 10_000;
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
    [cluster, browser] = await Promise.all([startCluster(), openBrowser()]);
    await eventually(async () => (await call(`${urlOf("n1")}/readyz`)).status === 200, 30_000, "n1 is ready");
    await seed(urlOf("n1"), 30);
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  /** Blocks of one event each, on all nodes, with room before them: what was altered earlier is out of view. */
  async function written(asked: Id, count = 1): Promise<Written[]> {
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

  const chainRow = (page: Page, node: string) => page.getByRole("row", { name: new RegExp(`^${node}`) });
  const alertRow = (page: Page, words: string) => page.getByRole("row", { name: new RegExp(words) }).first();
  const see = (asked: Id, path: string) => visit(browser, `${urlOf(asked)}/#${path}`);

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
      const row = alertRow(alerts.page, `payload_modified ${altered} event ${sequence}`);
      await Promise.all([
        chainRow(chain.page, altered).getByText("! altered").waitFor(inTime),
        events.page.locator(`[data-sequence="${sequence}"]`).getByText(`✗ ${altered} differs`).waitFor(inTime),
        row.waitFor(inTime),
      ]);
      for (const id of IDS.filter((one) => one !== altered))
        expect(await chainRow(chain.page, id).getByText("! altered").count()).toBe(0);
      await chain.page.getByRole("link", { name: /open the alert/ }).waitFor();
      await leave(chain, `journey-10-chain-${role}`);
      await leave(events, `journey-10-events-${role}`);
      await row.getByRole("link", { name: "payload_modified" }).click();
      const changed = alerts.page.getByRole("row", { name: /dataPayload\.by\.name ◄ the only change/ });
      await changed.waitFor();
      expect(await changed.textContent()).toMatch(/"ada".*"eve"/);
      await alerts.page.getByRole("row", { name: /recomputed in this browser .*holds .*does not hold/ }).waitFor();
      await eventually(async () => /^\(\d+\) Alert/.test(await alerts.page.title()), 30_000, "the count in the title");
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
    await row.waitFor({ timeout: FOUND_WITHIN_MS });
    await row.getByRole("link", { name: "hash_rewritten" }).click();
    await mine.page.getByRole("row", { name: /dataPayload\.by\.name/ }).waitFor();
    await mine.page.getByText(/changed so that they agree with each other/).waitFor();
    await leave(mine, "journey-11");
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
        timeout: FOUND_WITHIN_MS,
      });
    await leave(alerts, "journey-14-alerts");
    const sound = await see(asked, `/events?event=${place.sequence}&tab=nodes`);
    await sound.page.getByText(/^verified in this browser/).waitFor();
    for (const id of altered) expect(await alertRow(sound.page, `^${id} .*not seen`).count()).toBe(1);
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
    const [place] = (await written(asked)) as [Written];
    const mine = await visit(browser, `${urlOf(asked)}/#/alerts`, { mayMissNodes: true });
    await cluster.kill(altered);
    await mine.page.getByText(`${altered} did not tell`, { exact: false }).waitFor();
    await editPayload(uriOf(altered), place.height, { from: '"ada"', to: '"eve"' });
    await cluster.start(altered);
    await eventually(
      async () => {
        const isReady = (await call(`${urlOf(altered)}/readyz`)).status === 200;
        const { alerts } = (await call(`${urlOf(asked)}/api/v1/alerts?limit=500`)).body as { alerts: AlertView[] };
        const isFound = alerts.some(
          ({ accused, sequences = [] }) =>
            accused === altered && sequences.some(([low, high]) => low <= place.sequence && place.sequence <= high),
        );
        if (isReady) expect(isFound).toBe(true);
        return isFound;
      },
      60_000,
      "the alert",
    );
    await alertRow(mine.page, `payload_modified ${altered} `).waitFor();
    await leave(mine, "journey-13");
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
    await deleteBlocks(uriOf(altered), [middle.height]);
    await alertRow(alerts.page, `missing ${altered}`).waitFor({ timeout: FOUND_WITHIN_MS });
    await chainRow(chain.page, altered).getByText("! altered").first().waitFor();
    await leave(chain, "journey-12-chain");
    await insertForged(uriOf(altered), heights[0] as number, "evil");
    await alertRow(alerts.page, `forged ${altered}`).waitFor({ timeout: FOUND_WITHIN_MS });
    await deleteBlocks(uriOf(altered), heights.slice(-3));
    await alertRow(alerts.page, `truncated_tail ${altered}`).waitFor({ timeout: FOUND_WITHIN_MS });
    await leave(alerts, "journey-12-alerts");
  });
});
