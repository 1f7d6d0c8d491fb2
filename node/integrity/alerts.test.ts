import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { toHex } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { height } from "../../shared/ids.js";
import { TestLog } from "../../test/contracts/fixtures.js";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { systemClock } from "../clock.js";
import { ALERTS_MAX, alertKey } from "../storage/alert-key.js";
import type { IntegrityStore } from "../storage/integrity-port.js";
import type { AlertRecord } from "../storage/port.js";
import { Alerts, TOLD_MAX, WAITING_MAX } from "./alerts.js";

/** Alerts over `store`, and the lines of their log. */
function alertsOver(store: Pick<MemoryAlertStore, "raise">) {
  const said: string[] = [];
  const opened: string[] = [];
  const logger = pino(
    { level: "info" },
    { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const evidence = new MemoryIntegrity([]);
  const onOpened = ({ detail }: AlertRecord): void => void opened.push(detail);
  const alerts = new Alerts({ nodeId: "n1", store, evidence, logger, onOpened, clock: systemClock });
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
    await sleep(1);
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
  const evidence = new MemoryIntegrity([]);
  const alerts = new Alerts({ nodeId: "n2", store, evidence, logger: pino({ enabled: false }), clock: systemClock });
  alerts.onReplicaAlert({ alertKind: "clock_off", accused: "n1", detail: "the clock of n1 is off" });
  alerts.onReplicaAlert({ alertKind: "fork", accused: "n3", detail: "two leaders" });
  await expect.poll(() => store.list(10)).toHaveLength(2);
  const kept = (await store.list(10)).map(({ kind, severity, accused }) => [kind, severity, accused]);
  expect(kept.sort()).toEqual([
    ["clock_off", "warning", "n1"],
    ["fork", "critical", "n3"],
  ]);
});

describe("the two signed headers of a fork", () => {
  const { blocks } = TestLog.grow(2);
  const headers = blocks
    .slice(1)
    .map(({ stored: { block } }) => ({ header: block.header, signature: block.signature }));
  const fork = { alertKind: "fork", accused: "n3", detail: "two blocks", height: height(2), headers } as const;
  const setUp = (keepHeaders: IntegrityStore["keepHeaders"]) => {
    const store = new MemoryAlertStore(new MemoryDatabase("d".repeat(32)));
    const alerts = new Alerts({
      nodeId: "n2",
      store,
      evidence: { keepHeaders },
      logger: pino({ enabled: false }),
      clock: systemClock,
    });
    return { store, alerts };
  };

  it("are kept as evidence before the alert is stored, once, however often it comes again", async () => {
    const evidence = new MemoryIntegrity([]);
    const { store, alerts } = setUp((kept) => evidence.keepHeaders(kept));
    for (let i = 0; i < 3; i++) alerts.onReplicaAlert(fork);
    await vi.waitFor(async () => expect((await store.list(2))[0]?.occurrences).toBe(3));
    const [alert] = await store.list(2);
    expect(alert?.evidence).toEqual([evidence.quarantine[0]?.id]);
    expect(evidence.quarantine).toHaveLength(1);
    const { document } = evidence.quarantine[0]?.document ?? {};
    expect(document).toEqual({
      headers: headers.map(({ header, signature }) => ({ header: canonicalText(header), signature: toHex(signature) })),
    });
  });

  it("are left out where they are too large", async () => {
    const evidence = new MemoryIntegrity([]);
    const { store, alerts } = setUp((kept) => evidence.keepHeaders(kept));
    const large = headers.map(({ header, signature }) => ({ header: { ...header, x: "x".repeat(70_000) }, signature }));
    alerts.onReplicaAlert({ ...fork, headers: large });
    await vi.waitFor(async () =>
      expect((await store.list(2)).map(({ evidence: names }) => names)).toEqual([undefined]),
    );
    expect(evidence.quarantine).toEqual([]);
  });

  it("keep no alert from being stored where the database takes none", { timeout: 20_000 }, async () => {
    const { store, alerts } = setUp(() => Promise.reject(new Error("refused")));
    alerts.onReplicaAlert(fork);
    await vi.waitFor(async () => expect((await store.list(2))[0]?.detail).toContain("could not be kept"), 15_000);
  });
});
