import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Door, get, openDoor, post } from "../../../test/doubles/door.js";
import { MemoryLogService } from "../../../test/doubles/log-service.js";

let door: Door;
beforeEach(async () => {
  door = await openDoor();
  door.log.store();
});
afterEach(() => door.close());

describe("reads that ask every node", () => {
  it.each(["/api/v1/events/0/nodes", "/api/v1/alerts", "/api/v1/elections"])(
    "ask for few clients at once, however many there are: %s",
    async (path) => {
      let asking = 0;
      let most = 0;
      const ask = async <T>(answer: T): Promise<T> => {
        most = Math.max(most, ++asking);
        await sleep(10);
        asking--;
        return answer;
      };
      door.log.copies = () => ask([]);
      door.log.alerts.alerts = () => ask({ alerts: [], more: 0, unreachable: [] });
      door.log.elections = () => ask({ elections: [], messages: [], unreachable: [] });
      const clients = Array.from({ length: 700 }, () => door.open().send(get(path)));
      await expect.poll(() => clients.every(({ statuses }) => statuses.length === 1)).toBe(true);
      const refused = clients.filter(({ statuses }) => statuses[0] !== 200);
      expect(most).toBeLessThanOrEqual(4);
      expect(refused.length).toBeLessThan(clients.length - 400);
      for (const { answer, problem } of refused) {
        expect(problem).toMatchObject({ status: 503, code: "overloaded" });
        expect(answer).toContain("Retry-After: 1");
      }
    },
  );
});

const ALERT = `/api/v1/alerts/${"0".repeat(24)}`;
const SOON = new Date(Date.now() + 3_600_000).toISOString();
const BY = '{"actor":"a","reason":"r"}';
const SEEN = `If-Match: "${"a".repeat(64)}"\r\n`;

describe("what persons have done", () => {
  it.each([
    ["/api/v1/cluster/admit", BY.replace("{", '{"node":"n2",'), ""],
    ["/api/v1/cluster/step-down", BY, ""],
    ["/api/v1/cluster/maintenance", BY.replace("{", `{"node":"n2","until":"${SOON}",`), ""],
    [`${ALERT}/repair`, BY, SEEN],
    ["/api/v1/webhook/test", "{}", ""],
    ["/api/v1/chaos", '{"action":"kill","node":"n2"}', ""],
  ])(
    "is begun for few at once, and of the others it is said that nothing was done: %s",
    async (path, body, headers) => {
      let doing = 0;
      let most = 0;
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const act = async (): Promise<never> => {
        most = Math.max(most, ++doing);
        await released;
        doing--;
        return { kind: "taken", alert: {}, nodes: [], record: [] } as never;
      };
      const desk = await openDoor({ chaos: { state: act, strike: act } });
      Object.assign(desk.log, { admit: act, stepDown: act });
      Object.assign(desk.log.alerts, { decide: act, testWebhook: act });
      Object.assign(desk.log.maintenance, { record: act });
      // More than have a place and than may wait for one.
      const clients = Array.from({ length: 80 }, () => desk.open().send(post(body, headers, path)));
      const answered = (): number => clients.filter(({ statuses }) => statuses.length === 1).length;
      await expect.poll(answered, { timeout: 30_000 }).toBeGreaterThanOrEqual(clients.length - 68);
      release();
      await expect.poll(answered, { timeout: 30_000 }).toBe(clients.length);
      const refused = clients.filter(({ statuses }) => statuses[0] !== 200 && statuses[0] !== 201);
      expect(most).toBe(4);
      expect(refused.length).toBeGreaterThanOrEqual(clients.length - 68);
      for (const { answer, problem } of refused) {
        expect(problem).toMatchObject({ status: 503, code: "overloaded" });
        expect(problem.detail).toContain("Nothing was done for this one");
        expect(answer).toContain("Retry-After: 1");
      }
      await desk.close();
    },
  );
});

it.each(["/api/v1/events/0", ALERT, `${ALERT}/evidence`, "/api/v1/chain"])(
  "large answers that are no lists have a place until their clients have taken them: %s",
  { timeout: 60_000 },
  async (path) => {
    // More than the buffers of the system take in.
    const text = "x".repeat(8_500_000);
    door.log.stored[0] = { ...door.log.store(), sequence: 0, dataPayload: { text } };
    const large = async (): Promise<never> => ({ text }) as never;
    Object.assign(door.log, { chain: large });
    Object.assign(door.log.alerts, { evidence: large, alert: large });
    let refusals = 0;
    door.server.prependListener("request", (_req, res) => {
      res.once("finish", () => {
        refusals += res.statusCode === 503 ? 1 : 0;
      });
    });
    const clients = Array.from({ length: 12 }, () => door.open());
    for (const client of clients) {
      client.socket.pause();
      client.send(get(path));
    }
    // What is small goes past them.
    const small = door.open().send(get("/api/v1/events/1"));
    await expect.poll(() => small.statuses).toEqual([200]);
    await expect.poll(() => refusals).toBe(clients.length - 1);
    const elsewhere = door.open("127.0.0.2").send(get(path));
    await expect.poll(() => elsewhere.statuses).toEqual([200]);
    for (const { socket } of clients) socket.resume();
    await expect.poll(() => clients.every(({ statuses }) => statuses.length === 1)).toBe(true);
    const refused = clients.filter(({ statuses }) => statuses[0] === 503);
    expect(refused).toHaveLength(clients.length - 1);
    expect(refused[0]?.problem).toMatchObject({ code: "overloaded", retryable: true });
  },
);

describe("lists that one address asks for and does not take", () => {
  it.each([
    ["/api/v1/events?limit=500", 10],
    ["/api/event-logs?limit=1000", 20],
    ["/events?limit=1000", 20],
  ])("keep no other address from its own: %s", async (path, placesOfOne) => {
    await door.close();
    // Nobody is cut meanwhile.
    door = await openDoor({ unreadMs: 3_600_000 });
    // More than the buffers of the system take in.
    for (let i = 0; i < 9; i++)
      door.log.stored[i] = { ...door.log.store(), sequence: i, dataPayload: { text: "x".repeat(1_000_000) } };
    const page = door.log.page.bind(door.log);
    let pages = 0;
    door.log.page = (request) => {
      pages++;
      return page(request);
    };
    const clients = Array.from({ length: 600 }, () => {
      const client = door.open();
      client.socket.pause();
      return client.send(get(path));
    });
    // The page of our own API ends at its size, the others end with the log: one part each.
    await expect.poll(() => pages).toBe(placesOfOne);
    for (let i = 0; i < 3; i++) {
      const other = door.open("127.0.0.2").send(get(path));
      await expect.poll(() => other.statuses).toEqual([200]);
      other.socket.destroy();
    }
    expect(pages).toBe(placesOfOne + 3);
    expect(clients.every(({ statuses }) => statuses.length === 0)).toBe(true);
  });
});

it("evidence that its client does not take keeps nobody from a large event", async () => {
  const text = "x".repeat(8_500_000);
  door.log.stored[0] = { ...door.log.store(), sequence: 0, dataPayload: { text } };
  let made = 0;
  door.log.alerts.evidence = async (): Promise<never> => {
    made++;
    return { text } as never;
  };
  const slow = door.open();
  slow.socket.pause();
  slow.send(get(`${ALERT}/evidence`));
  await expect.poll(() => made, { timeout: 5_000 }).toBe(1);
  const large = door.open().send(get("/api/v1/events/0"));
  await expect.poll(() => large.statuses, { timeout: 15_000 }).toEqual([200]);
  expect(slow.statuses).toEqual([]);
});

it("an event that was found does not hold its block while a client takes its time", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  door.log.stored[0] = { ...door.log.store(), sequence: 0, dataPayload: { text: "x".repeat(8_500_000) } };
  let found: WeakRef<object> | null = null;
  door.log.get = async (sequence) => {
    const one = await MemoryLogService.prototype.get.call(door.log, sequence);
    found = one === null ? null : new WeakRef(one.event);
    return one;
  };
  const client = door.open();
  client.socket.pause();
  client.send(get("/api/v1/events/0"));
  const isHeld = (): boolean => {
    collect();
    return found === null || found.deref() !== undefined;
  };
  await expect.poll(isHeld).toBe(false);
  expect(client.statuses).toEqual([]);
  client.socket.resume();
  await expect.poll(() => client.statuses).toEqual([200]);
});

it("what is no sequence is said to be none, and nothing of a log that no leader was asked about", async () => {
  for (const path of ["/api/v1/events/x", "/api/v1/events/-1/nodes", "/api/v1/events/01"]) {
    const client = door.open().send(get(path));
    await expect.poll(() => client.statuses).toEqual([404]);
    expect(client.problem.detail).toMatch(/^There is no event "\S+": a sequence is a whole number/);
  }
});
