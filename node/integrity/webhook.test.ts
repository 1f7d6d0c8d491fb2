import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Clock } from "../clock.js";
import { isOver } from "../storage/alert-steps.js";
import type { AlertRecord } from "../storage/port.js";
import { GIVEN_UP_AFTER_MS, RETRY_MS_FIRST, RETRY_MS_MAX, WAITING_MAX, Webhook } from "./webhook.js";
import { WebhookFile } from "./webhook-file.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-webhook-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A clock that stands still until it is moved: then what is due runs. */
function handClock(): Clock & { pass(ms: number): void } {
  let at = 1_700_000_000_000;
  const every: { ms: number; next: number; action: () => void }[] = [];
  return {
    now: () => at,
    wall: () => new Date(at).toISOString(),
    after: () => () => undefined,
    every(ms, action) {
      const timer = { ms, next: at + ms, action };
      every.push(timer);
      return () => void every.splice(every.indexOf(timer), 1);
    },
    breathe: () => Promise.resolve(),
    busyMs: () => 0,
    randomHex: () => "00",
    pass(ms) {
      at += ms;
      for (const timer of every) {
        if (timer.next > at) continue;
        timer.next = at + timer.ms;
        timer.action();
      }
    },
  };
}

const OPENED = { n: 0, action: "opened" as const, at: "2026-01-01T00:00:00.000Z" };

const alert = (more: Partial<AlertRecord> = {}): AlertRecord => ({
  ...{ id: "a".repeat(24), kind: "payload_modified", severity: "critical", node: "n2", accused: "n2", height: 12 },
  ...{
    sequence: 34,
    detail: 'dataPayload.name of event 34 is "eve", committed was "ada"',
    openedAt: "2026-01-01T00:00:00.000Z",
  },
  ...{ lastSeenAt: "2026-01-01T00:00:00.000Z", occurrences: 1, status: "open" as const, foundBy: "watch" as const },
  differences: [{ height: 12, sequence: 34, field: "dataPayload.name", stored: "eve", expected: "ada" }],
  history: [OPENED],
  ...more,
});

interface Setting {
  clock: ReturnType<typeof handClock>;
  /** How the receiver answers now: null takes it. */
  fault: string | null;
  readonly sent: { id: string; type: string; data: Record<string, unknown>; atMs: number }[];
  readonly givenUp: string[];
  /** What the log says beside every alert. */
  annotation: Pick<AlertRecord, "maintenance">;
  /** What the node's store has. */
  readonly stored: AlertRecord[];
  start(heartbeatMs?: number, before?: (webhook: Webhook) => Promise<void>): Promise<Webhook>;
  /** Lets so much time go by, and what is due then be done. */
  pass(ms: number): Promise<void>;
}

function setUp(): Setting {
  const logger = { error: () => undefined, warn: () => undefined, info: () => undefined };
  const setting: Setting = {
    clock: handClock(),
    fault: null,
    sent: [],
    givenUp: [],
    annotation: {},
    stored: [],
    async start(heartbeatMs = 0, before: (webhook: Webhook) => Promise<void> = async () => {}) {
      const webhook = new Webhook({
        ...{ nodeId: "n2", address: "http://n2:3000", heartbeatMs, logger, clock: setting.clock },
        target: { url: "http://receiver.example/", secret: new Uint8Array(32), allowsPrivate: false },
        file: new WebhookFile(folder),
        onGivenUp: (detail) => setting.givenUp.push(detail),
        openAlerts: async () => 3,
        annotated: (alert) => ({ ...alert, ...setting.annotation }),
        alerts: {
          list: async () => setting.stored.filter((one) => !isOver(one)),
          get: async (id) => setting.stored.find((one) => one.id === id) ?? null,
        },
        post: async (_, { id, body }, { atMs }) => {
          setting.sent.push({ id, ...JSON.parse(body), atMs });
          return setting.fault;
        },
      });
      await before(webhook);
      await webhook.start();
      running = webhook;
      await webhook.idle();
      return webhook;
    },
    async pass(ms) {
      setting.clock.pass(ms);
      // The heartbeat asks how many alerts are open.
      await Promise.resolve();
      await Promise.resolve();
      await running?.idle();
    },
  };
  let running: Webhook | null = null;
  return setting;
}

it("tells of an alert once it is opened, and of each step after it; of fields, and of no values", async () => {
  const setting = setUp();
  const webhook = await setting.start();
  webhook.onAlert(alert());
  const acknowledged = { n: 1, action: "acknowledged" as const, at: OPENED.at };
  webhook.onAlert(alert({ occurrences: 2, status: "acknowledged", history: [OPENED, acknowledged] }));
  webhook.onAlert(alert({ occurrences: 2, status: "ended" }));
  await setting.pass(0);
  expect(setting.sent.map(({ type }) => type)).toEqual(["alert.opened", "alert.changed", "alert.closed"]);
  expect(setting.sent[0]?.data).toMatchObject({
    ...{ kind: "payload_modified", node: "n2", height: 12, sequence: 34, toldBy: "n2" },
    fields: [{ height: 12, sequence: 34, field: "dataPayload.name" }],
    url: `http://n2:3000/api/v1/alerts/${"a".repeat(24)}`,
  });
  expect(JSON.stringify(setting.sent)).not.toMatch(/\\"(?:eve|ada)\\"|"(?:eve|ada)"/);
  await webhook.stop();
});

it("says beside an alert that work was announced, and tells of it as of any other", async () => {
  const setting = setUp();
  const at = OPENED.at;
  const window = { node: "n2", from: at, until: at, actor: "ada", reason: "new disk", height: 5, recordedAt: at };
  setting.annotation = { maintenance: [window] };
  const webhook = await setting.start();
  webhook.onAlert(alert());
  await setting.pass(0);
  expect(setting.sent).toMatchObject([
    { type: "alert.opened", data: { severity: "critical", status: "open", maintenance: [window] } },
  ]);
  await webhook.stop();
});

it("tells of an incident of many blocks as opened, though it had grown before it was stored", async () => {
  const setting = setUp();
  const webhook = await setting.start();
  webhook.onAlert(alert({ occurrences: 30, heights: [[12, 41]] }));
  await setting.pass(0);
  expect(setting.sent.map(({ type }) => type)).toEqual(["alert.opened"]);
  await webhook.stop();
});

it("takes no idempotency key out of the cluster", async () => {
  const setting = setUp();
  const webhook = await setting.start();
  const { differences: _, ...rest } = alert();
  const detail = 'the idempotency key "ada-4711" of "billing" stands in blocks 3, 4';
  webhook.onAlert({ ...rest, kind: "key_repeated", detail });
  await setting.pass(0);
  expect(setting.sent).toHaveLength(1);
  expect(JSON.stringify(setting.sent)).not.toContain("ada-4711");
  await webhook.stop();
});

it("tries again, later each time, over a restart, with the same id, until it is taken", async () => {
  const setting = setUp();
  setting.fault = "answered 503";
  const first = await setting.start();
  first.onAlert(alert());
  await setting.pass(0);
  await setting.pass(RETRY_MS_FIRST);
  await setting.pass(RETRY_MS_FIRST);
  expect(setting.sent).toHaveLength(2);
  expect(first.fault).toBe("answered 503");
  await first.stop();
  const second = await setting.start();
  await setting.pass(RETRY_MS_FIRST);
  expect(setting.sent).toHaveLength(3);
  setting.fault = null;
  await setting.pass(RETRY_MS_MAX);
  await setting.pass(RETRY_MS_MAX);
  expect(setting.sent).toHaveLength(4);
  expect(second.fault).toBeNull();
  expect(new Set(setting.sent.map(({ id }) => id)).size).toBe(1);
  await second.stop();
  // It was taken: nobody hears of it again.
  await (await setting.start()).stop();
  expect(setting.sent).toHaveLength(4);
});

it("keeps what an earlier process has left, though an alert comes before the start", async () => {
  const setting = setUp();
  setting.fault = "answered 503";
  const first = await setting.start();
  first.onAlert(alert({ height: 1 }));
  await setting.pass(0);
  await first.stop();
  setting.sent.length = 0;
  setting.fault = null;
  const second = await setting.start(0, (webhook) => {
    webhook.onAlert(alert({ height: 2 }));
    return webhook.idle();
  });
  await setting.pass(RETRY_MS_FIRST);
  await setting.pass(RETRY_MS_FIRST);
  expect(setting.sent.map(({ data }) => data.height).sort()).toEqual([1, 2]);
  await second.stop();
});

it("tells of what an earlier process has stored, and died before its message was: once, and to its end", async () => {
  const setting = setUp();
  const [one, other] = [alert({ id: "1".repeat(24) }), alert({ id: "2".repeat(24) })];
  setting.stored.push(one, alert({ id: "3".repeat(24), status: "resolved" }));
  const first = await setting.start();
  await setting.pass(0);
  expect(setting.sent.map(({ type, data }) => [type, data.id])).toEqual([["alert.opened", one.id]]);
  await first.stop();
  // It was told of, and two more steps were not.
  const acknowledged = { n: 1, action: "acknowledged" as const, at: OPENED.at };
  setting.stored.splice(0, 1, alert({ id: one.id, status: "acknowledged", history: [OPENED, acknowledged] }), other);
  const second = await setting.start();
  await setting.pass(0);
  expect(setting.sent.slice(1).map(({ type, data }) => [type, data.id])).toEqual([
    ["alert.opened", other.id],
    ["alert.changed", one.id],
  ]);
  await second.stop();
  setting.stored.splice(0, 1, alert({ id: one.id, status: "resolved" }));
  const third = await setting.start();
  await setting.pass(0);
  expect(setting.sent.slice(3).map(({ type, data }) => [type, data.id])).toEqual([["alert.closed", one.id]]);
  await third.stop();
  const fourth = await setting.start();
  await setting.pass(0);
  expect(setting.sent).toHaveLength(4);
  await fourth.stop();
});

it("what an earlier process has left and cannot be read is told as left out, not passed over", async () => {
  for (const text of ["{", '{"version":1,"waiting":[{"id":7}]}']) {
    writeFileSync(join(folder, "webhook.json"), text);
    const setting = setUp();
    const webhook = await setting.start();
    expect(setting.givenUp).toMatchObject([expect.stringMatching(/could not be read, and is left out/)]);
    webhook.onAlert(alert());
    await setting.pass(0);
    expect(setting.sent).toHaveLength(1);
    await webhook.stop();
  }
});

it("gives up after a day, and says so; of that it tells nobody by the webhook", async () => {
  const setting = setUp();
  setting.fault = "no answer in time";
  const webhook = await setting.start();
  webhook.onAlert(alert());
  for (let ms = 0; ms < GIVEN_UP_AFTER_MS; ms += RETRY_MS_MAX) {
    expect(setting.givenUp).toEqual([]);
    await setting.pass(RETRY_MS_MAX);
  }
  expect(setting.givenUp).toMatchObject([expect.stringMatching(/alert\.opened.*for a day.*no answer in time/)]);
  const { length } = setting.sent;
  webhook.onAlert(alert({ kind: "webhook_failed" }));
  await setting.pass(RETRY_MS_MAX);
  expect(setting.sent).toHaveLength(length);
  await webhook.stop();
});

it("keeps a bounded number of messages, and says when it leaves one out", async () => {
  const setting = setUp();
  setting.fault = "answered 500";
  const webhook = await setting.start();
  for (let i = 0; i < WAITING_MAX + 1; i++) webhook.onAlert(alert());
  await setting.pass(0);
  expect(setting.givenUp).toMatchObject([expect.stringContaining("oldest is left out")]);
  await webhook.stop();
  expect((await new WebhookFile(folder).read()).waiting).toHaveLength(WAITING_MAX);
});

it("says that it is there, and how many alerts are open; of heartbeats only the newest waits", async () => {
  const setting = setUp();
  setting.fault = "answered 500";
  const webhook = await setting.start(60_000);
  for (let i = 0; i < 3; i++) await setting.pass(60_000);
  setting.fault = null;
  setting.sent.length = 0;
  await setting.pass(RETRY_MS_FIRST);
  await setting.pass(RETRY_MS_FIRST);
  expect(setting.sent).toMatchObject([{ type: "heartbeat", data: { node: "n2", openAlerts: 3 } }]);
  await webhook.stop();
});

it("sends a test at once, and says why it was not taken", async () => {
  const setting = setUp();
  const webhook = await setting.start();
  expect(await webhook.test()).toBeNull();
  setting.fault = "answered 401";
  expect(await webhook.test()).toBe("answered 401");
  expect(setting.sent.map(({ type }) => type)).toEqual(["test", "test"]);
  await webhook.stop();
});
