import { describe, expect, it, vi } from "vitest";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { alertVersion, stepped } from "../storage/alert-steps.js";
import { UNFIT_LOG } from "../storage/incident.js";
import { type AlertRecord, StoreError } from "../storage/port.js";
import { Incidents } from "./incidents.js";
import type { Rebuild } from "./rebuild.js";
import type { Repair } from "./repair.js";
import { type Decided, Resolutions } from "./resolutions.js";

function setUp(logged: readonly AlertRecord[] = []) {
  const store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)));
  const clock = hastyClock();
  const logger = { error: () => undefined, warn: () => undefined, info: () => undefined };
  const damage: boolean[] = [];
  const onDamage = (isDamaged: boolean): void => void damage.push(isDamaged);
  const incidents = new Incidents({
    nodeId: "n2",
    store,
    clock,
    logger,
    ...{ onStep: () => undefined, onStored: () => undefined, onDamage },
  });
  const note = (at: number): void =>
    incidents.note({ kind: "payload_modified", foundBy: "watch", heights: [at, at], detail: `block ${at}` });
  /** Of alerts whose rebuild the others were told of. */
  const wanted = new Set<string>();
  const work = {
    repair: async (_alert: AlertRecord): Promise<void> => undefined,
    rebuild: async (_id: string, _onCopied: () => Promise<void>): Promise<void> => undefined,
    refusal: async (): Promise<string | null> => null,
  };
  const resolutions = new Resolutions({
    ...{ incidents, store, clock, logger, logged: (id: string) => logged.find((alert) => alert.id === id) ?? null },
    repair: { refusalOf: () => null, run: (alert: AlertRecord) => work.repair(alert) } as unknown as Repair,
    rebuild: {
      giveUp: (id: string) => void wanted.delete(id),
      refusal: (id: string) => {
        wanted.add(id);
        return work.refusal();
      },
      run: (id: string, onCopied: () => Promise<void>) => work.rebuild(id, onCopied),
    } as unknown as Rebuild,
    onStep: () => undefined,
    onMended: () => undefined,
    isStopped: () => false,
  });
  const decide = async (action: "repair" | "rebuild" | "dismiss"): Promise<string> => {
    await incidents.saved();
    const [alert] = incidents.unresolved as [AlertRecord];
    const by = { actor: "a", reason: "r" };
    decided = await resolutions.decide({ id: alert.id, action, version: alertVersion(alert), ...by });
    return alert.id;
  };
  let decided: Decided | null = null;
  return { incidents, damage, note, work, wanted, decide, store, resolutions, decided: () => decided };
}

it("repairs what was found while it repaired, too, before it says that the alert is resolved", async () => {
  const { incidents, note, work, decide } = setUp();
  note(4);
  const repaired: AlertRecord["heights"][] = [];
  work.repair = async ({ heights }) => {
    repaired.push(heights);
    if (repaired.length === 1) note(6);
  };
  const id = await decide("repair");
  await vi.waitFor(() => expect(incidents.find(id)?.status).toBe("resolved"));
  expect(repaired).toEqual([
    [[4, 4]],
    [
      [4, 4],
      [6, 6],
    ],
  ]);
});

it("is as good as any other once the last alert about its blocks is dismissed, or repaired, whatever else is open", async () => {
  for (const action of ["dismiss", "repair"] as const) {
    const { incidents, damage, note, decide } = setUp();
    note(4);
    incidents.note({ kind: "forged", foundBy: "watch", detail: "a document" });
    const id = await decide(action);
    await vi.waitFor(() => expect(incidents.find(id)?.status).toBe("resolved"));
    expect(damage).toEqual([true, false]);
  }
});

it("does not say that a node is rebuilt whose copied log was found altered again", async () => {
  const { incidents, note, work, decide } = setUp();
  note(4);
  let isAltered = true;
  work.rebuild = async (_id, onCopied) => {
    // Of the log that goes.
    note(4);
    await onCopied();
    if (isAltered) note(6);
  };
  const id = await decide("rebuild");
  await vi.waitFor(() => expect(incidents.find(id)?.history?.at(-1)?.action).toBe("failed"));
  isAltered = false;
  await decide("rebuild");
  await vi.waitFor(() => expect(incidents.find(id)?.resolution).toBe("rebuilt"));
});

it("takes no decision about an alert that has grown while others were asked", async () => {
  const { incidents, note, work, decide, decided } = setUp();
  note(4);
  work.refusal = async () => {
    note(6);
    return null;
  };
  const id = await decide("rebuild");
  expect(decided()?.kind).toBe("stale");
  expect(incidents.find(id)?.status).toBe("open");
});

describe("a rebuild that comes to nothing, of an alert that stands in the store alone", () => {
  async function asked() {
    const { store, resolutions, wanted, work } = setUp();
    const finding = {
      kind: "learner_divergent",
      severity: "critical",
      node: "n2",
      accused: "n2",
      detail: "d",
    } as const;
    const raised = await store.raise(finding, AT);
    const get = store.get.bind(store);
    let gets = 0;
    const failing = { from: Number.POSITIVE_INFINITY, through: Number.POSITIVE_INFINITY };
    store.get = async (id) => {
      gets += 1;
      if (gets >= failing.from && gets <= failing.through) throw new StoreError("unknown", "cut");
      return get(id);
    };
    const by = { actor: "a", reason: "r" };
    const decision = { id: raised.id, action: "rebuild" as const, version: alertVersion(raised), ...by };
    return { decide: () => resolutions.decide(decision), wanted, work, failing, store };
  }

  it("is given up where the alert cannot be read once the others were asked", async () => {
    const { decide, wanted, failing } = await asked();
    Object.assign(failing, { from: 2, through: 2 });
    await expect(decide()).rejects.toThrow("cut");
    expect([...wanted]).toEqual([]);
  });

  it("is given up where the store answers no more as it begins", async () => {
    const { decide, wanted, failing } = await asked();
    // Read as it is decided, once more, as the step is saved; then no more.
    failing.from = 4;
    await decide().catch(() => undefined);
    await vi.waitFor(() => expect([...wanted]).toEqual([]));
  });
});

it("goes on at a start with what was begun about an alert that is no incident", async () => {
  const { store, resolutions, work } = setUp();
  const finding = { kind: "learner_divergent", severity: "critical", node: "n2", accused: "n2", detail: "d" } as const;
  const raised = await store.raise(finding, "2026-01-01T00:00:00.000Z");
  await store.save(stepped(raised, { action: "rebuild_begun", at: "2026-01-01T00:00:01.000Z" }));
  const rebuilt: string[] = [];
  work.rebuild = async (id) => void rebuilt.push(id);
  const list = store.list.bind(store);
  store.list = async () => {
    store.list = list;
    throw new Error("no connection");
  };
  await resolutions.resume();
  await vi.waitFor(async () => expect((await store.get(raised.id))?.resolution).toBe("rebuilt"));
  expect(rebuilt).toEqual([raised.id]);
});

/** As the log has it, of a store that the node lost since. */
const lostHere = (field?: string): AlertRecord => ({
  ...{ id: "a".repeat(24), kind: "payload_modified", severity: "critical", node: "n2", accused: "n2", height: 4 },
  ...{ detail: "n2 has recorded it in the log", openedAt: AT, lastSeenAt: AT, occurrences: 1, status: "open" },
  heights: [[4, 4]],
  ...(field === undefined ? {} : { differences: [{ height: 4, field }] }),
  history: [{ n: 0, action: "opened", at: AT }],
  isFromLogOnly: true,
});
const AT = "2026-01-01T00:00:00.000Z";

it("has a person dismiss what the log alone tells of, as that is about a copy that is gone", async () => {
  const alert = lostHere();
  const { resolutions, incidents, damage, store } = setUp([alert]);
  const decision = { id: alert.id, version: alertVersion(alert), actor: "ada", reason: "its data were moved away" };
  for (const action of ["repair", "rebuild", "acknowledge"] as const)
    await expect(resolutions.decide({ ...decision, action })).rejects.toMatchObject({ code: "alert_conflict" });
  expect(incidents.find(alert.id)).toBeNull();
  const { kind, alert: after } = await resolutions.decide({ ...decision, action: "dismiss" });
  expect([kind, after]).toMatchObject(["taken", { status: "resolved", resolution: "dismissed" }]);
  expect(after.history?.map(({ n, action }) => [n, action])).toEqual([
    [0, "opened"],
    [1, "dismissed"],
  ]);
  expect(damage).toEqual([]);
  expect((await store.get(alert.id))?.isFromLogOnly).toBeUndefined();
});

it("has a person acknowledge it where it says so of itself, and is not damaged by it", async () => {
  const alert = lostHere(UNFIT_LOG);
  const { resolutions, damage } = setUp([alert]);
  const decision = { id: alert.id, version: alertVersion(alert), actor: "ada", reason: "I see to it" };
  const { alert: after } = await resolutions.decide({ ...decision, action: "acknowledge" });
  expect([after.status, damage]).toEqual(["acknowledged", []]);
});
