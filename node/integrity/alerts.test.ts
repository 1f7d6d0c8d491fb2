import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { expect, it } from "vitest";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { ALERTS_MAX, alertKey } from "../storage/alert-key.js";
import { Alerts, TOLD_MAX, WAITING_MAX } from "./alerts.js";

/** Alerts over `store`, and the lines of their log. */
function alertsOver(store: Pick<MemoryAlertStore, "raise">) {
  const said: string[] = [];
  const opened: string[] = [];
  const logger = pino(
    { level: "info" },
    { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const alerts = new Alerts("n1", store, logger, ({ detail }) => void opened.push(detail));
  const find = (count: number, from = 1): void => {
    for (let at = from; at < from + count; at++)
      alerts.onReplicaAlert({ alertKind: "bad_hash", accused: "n2", detail: `block ${at}`, height: at as never });
  };
  return { said, opened, find };
}

it("says once that there are more findings than it tells people of, and keeps them all", async () => {
  const store = new MemoryAlertStore(new MemoryDatabase("d".repeat(32)));
  const { said, opened, find } = alertsOver(store);
  for (let from = 1; from <= TOLD_MAX + 20; from += 20) {
    find(20, from);
    await delay(1);
  }
  await expect.poll(() => store.count()).toBeGreaterThanOrEqual(TOLD_MAX + 20);
  expect(opened).toHaveLength(TOLD_MAX);
  const further = said.filter((line) => !line.startsWith("alert: bad_hash"));
  expect(further).toEqual([expect.stringMatching(/1024 findings.*GET \/api\/v1\/alerts/)]);
});

it("says how many findings were not stored because too many waited for the database", async () => {
  const store = new MemoryAlertStore(new MemoryDatabase("d".repeat(32)));
  let answers = (): void => {};
  const asked = new Promise<void>((resolve) => {
    answers = resolve;
  });
  const raise: MemoryAlertStore["raise"] = async (finding, at) => asked.then(() => store.raise(finding, at));
  const { said, find } = alertsOver({ raise });
  find(WAITING_MAX + 7);
  answers();
  await expect.poll(() => said.at(-1)).toMatch(/^7 findings could not be stored/);
  expect(await store.count()).toBe(WAITING_MAX);
});

it("an alert that stands for others where the list is full says so", async () => {
  const store = new MemoryAlertStore(new MemoryDatabase("d".repeat(32)));
  const finding = { kind: "bad_hash", severity: "critical", node: "n1", accused: "n2" } as const;
  const at = "2026-01-01T00:00:00.000Z";
  for (let height = 1; height <= ALERTS_MAX; height++) await store.raise({ ...finding, height, detail: "d" }, at);
  await store.raise({ ...finding, height: ALERTS_MAX + 1, detail: "one" }, at);
  const shared = await store.raise({ ...finding, height: ALERTS_MAX + 2, detail: "two" }, at);
  expect(shared).toMatchObject({ id: alertKey(finding), occurrences: 2 });
  expect(shared.detail).toMatch(/^10000 alerts are open: .* only counted here.* The newest, at block 10002: two$/);
  expect(shared).not.toHaveProperty("height");
  expect((await store.raise({ ...finding, height: 5, detail: "e" }, at)).detail).toBe("e");
  expect(await store.count()).toBe(ALERTS_MAX + 1);
});

it("keeps a clock that is off as a warning: nothing that is stored is wrong", async () => {
  const store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)));
  const alerts = new Alerts("n2", store, pino({ enabled: false }));
  alerts.onReplicaAlert({ alertKind: "clock_off", accused: "n1", detail: "the clock of n1 is off" });
  alerts.onReplicaAlert({ alertKind: "fork", accused: "n3", detail: "two leaders" });
  await expect.poll(() => store.list(10)).toHaveLength(2);
  const kept = (await store.list(10)).map(({ kind, severity, accused }) => [kind, severity, accused]);
  expect(kept.sort()).toEqual([
    ["clock_off", "warning", "n1"],
    ["fork", "critical", "n3"],
  ]);
});
