import { pino } from "pino";
import { expect, it } from "vitest";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { Alerts } from "./alerts.js";

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
