import { expect, it } from "vitest";
import type { HashHex } from "../../shared/ids.js";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import type { AlertRecord } from "../storage/port.js";
import { Incidents } from "./incidents.js";
import { OwnRecords } from "./own-records.js";

const STATE = "the term is another one";
const ALERTS = "alerts in the database of this node are not what it wrote; they are written again";
const EVIDENCE = "evidence in the quarantine of this node is not what the log's records of its alerts say";

async function setUp() {
  const database = new MemoryDatabase("1".repeat(32));
  const store = new MemoryAlertStore(database);
  const logger = { error: () => undefined, warn: () => undefined, info: () => undefined };
  const incidents = new Incidents({
    ...{ nodeId: "n1", store, clock: hastyClock(), logger },
    onStep: () => undefined,
    onStored: () => undefined,
    onDamage: () => undefined,
  });
  incidents.note({ kind: "missing", foundBy: "watch", heights: [4, 4], detail: "block 4", evidence: ["a", "b"] });
  await incidents.saved();
  const [alert] = incidents.unresolved as [AlertRecord];
  const standing = {
    ...{ state: null as string | null, altered: new Set<string>(), isUnread: false },
    ...{ lastStep: 0, expected: "of a", hashes: ["of nothing", "of a", "of a and b"] },
  };
  const records = new OwnRecords({
    ...{ nodeId: "n1", incidents, logger, clock: hastyClock(), isUnread: () => standing.isUnread },
    store: { stateFault: async () => standing.state },
    alerts: { standing: async (id) => (standing.altered.has(id) ? "altered" : store.standing(id)) },
    log: {
      lastStep: () => standing.lastStep,
      placeOf: () => ({ height: 9, evidenceHash: standing.expected as HashHex }),
    },
    evidenceHashes: async () => standing.hashes as HashHex[],
  });
  const found = async (): Promise<(readonly [string, number])[]> => {
    await records.check((work) => work());
    await incidents.saved();
    return incidents.unresolved
      .filter(({ kind }) => kind === "state_altered")
      .map(({ detail, occurrences }) => [detail, occurrences] as const);
  };
  return { database, incidents, records, alert, standing, found };
}

it("says nothing of what is as this node wrote it", async () => {
  const { found } = await setUp();
  expect(await found()).toEqual([]);
});

it("tells of state that somebody changed, once", async () => {
  const { standing, found } = await setUp();
  standing.state = STATE;
  expect(await found()).toEqual([[STATE, 1]]);
  expect(await found()).toEqual([[STATE, 1]]);
});

it("tells of alerts that are gone, and has them written again", async () => {
  const { database, alert, found } = await setUp();
  database.alerts.delete(alert.id);
  expect(await found()).toEqual([[ALERTS, 1]]);
  expect(database.alerts.has(alert.id)).toBe(true);
  expect(await found()).toEqual([[ALERTS, 1]]);
  database.alerts.delete(alert.id);
  expect(await found()).toEqual([[ALERTS, 2]]);
});

it("tells of an alert that somebody changed", async () => {
  const { alert, standing, found } = await setUp();
  standing.altered.add(alert.id);
  expect(await found()).toEqual([[ALERTS, 1]]);
  expect(await found()).toEqual([[ALERTS, 1]]);
});

it("compares evidence with the log's record of its alert, which may be older than the last of it", async () => {
  const { alert, incidents, standing, found } = await setUp();
  expect(await found()).toEqual([]);
  standing.hashes = ["of nothing", "of another a", "of another a and b"];
  // A step that is not in the log yet brings another hash.
  standing.lastStep = -1;
  expect(await found()).toEqual([]);
  standing.lastStep = 0;
  expect(await found()).toEqual([[EVIDENCE, 1]]);
  expect(await found()).toEqual([[EVIDENCE, 1]]);
  expect(incidents.find(alert.id)?.status).toBe("open");
});

it("compares none of an alert that was lost here and is known from the log", async () => {
  const { alert, incidents, standing, found } = await setUp();
  incidents.change(alert.id, (one) => ({ ...one, status: "resolved" }));
  incidents.takeBack({ ...alert, id: "f".repeat(24) });
  standing.hashes = ["of what was found since"];
  expect(await found()).toEqual([]);
});

it("compares no evidence before it is known what is open, and is no silence meanwhile", async () => {
  const { incidents, records, standing } = await setUp();
  Object.assign(standing, { hashes: ["of nothing", "of another a"], isUnread: true });
  const steps = { count: 0, hasEnded: false };
  const check = records.check((work) => {
    steps.count += 1;
    return work();
  });
  void check.then(() => {
    steps.hasEnded = true;
  });
  await expect.poll(() => steps.count > 5 || steps.hasEnded).toBe(true);
  expect([steps.hasEnded, incidents.isOpen("state_altered")]).toEqual([false, false]);
  standing.isUnread = false;
  await check;
  expect(incidents.isOpen("state_altered")).toBe(true);
});
