import { describe, expect, it } from "vitest";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { stepped } from "../storage/alert-steps.js";
import { LOG_END } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import type { IncidentFinding } from "./incident-record.js";
import { Incidents, PLACES_MAX } from "./incidents.js";

function setUp(store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)))) {
  const clock = hastyClock();
  const told: AlertRecord[] = [];
  const lines: unknown[][] = [];
  const logger = { error: (...line: unknown[]) => void lines.push(line), warn: () => undefined, info: () => undefined };
  const damage: boolean[] = [];
  const incidents = new Incidents({
    ...{ nodeId: "n2", store, clock, logger },
    onStep: (alert) => told.push(alert),
    onStored: () => undefined,
    onDamage: (isDamaged) => damage.push(isDamaged),
  });
  const note = (at: number, more: Partial<IncidentFinding> = {}): void =>
    incidents.note({
      kind: "payload_modified",
      foundBy: "watch",
      heights: [at, at],
      sequences: [[10 * at, 10 * at]],
      detail: `block ${at}`,
      ...more,
    });
  const kept = async (): Promise<AlertRecord[]> => {
    await incidents.saved();
    return store.list(100);
  };
  return { incidents, store, clock, told, damage, lines, note, kept };
}

it("makes one alert of findings that come together, and grows its ranges", async () => {
  const { note, kept, told } = setUp();
  for (const at of [7, 5, 6, 20]) note(at, { differences: [{ height: at, field: "dataPayload.a" }] });
  const [alert, ...others] = await kept();
  expect(others).toEqual([]);
  expect(alert).toMatchObject({
    ...{ kind: "payload_modified", severity: "critical", node: "n2", accused: "n2", status: "open" },
    ...{
      height: 5,
      sequence: 50,
      heights: [
        [5, 7],
        [20, 20],
      ],
      occurrences: 4,
      foundBy: "watch",
    },
    detail: "block 7 (one of 4 blocks and 4 events)",
  });
  expect(alert?.sequences).toEqual([
    [50, 50],
    [60, 60],
    [70, 70],
    [200, 200],
  ]);
  expect(alert?.differences).toHaveLength(4);
  expect(told).toHaveLength(1);
});

it("waits until what was noted by then is stored, and not for what is noted meanwhile", async () => {
  const { incidents, store, note } = setUp();
  const { save } = store;
  let saves = 0;
  store.save = async (...alert) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (saves++ < 50) note(7);
    return save.apply(store, alert);
  };
  note(7);
  await incidents.saved();
  expect(saves).toBeLessThan(4);
  incidents.note({ kind: "forged", foundBy: "watch", detail: "noted while others are stored" });
  await incidents.saved();
  expect((await store.list(100)).map(({ kind }) => kind)).toContain("forged");
  expect(saves).toBeLessThan(10);
  incidents.stop();
});

it("tells of a place that is altered later between those that it shows put together, also after a restart", async () => {
  const first = setUp();
  for (let i = 0; i < 40; i++) first.note(10 * i + 1);
  const [shown] = await first.kept();
  expect(shown?.heights).toHaveLength(32);
  const lies = (at: number): boolean => (shown?.heights ?? []).some(([from, to]) => from <= at && at <= to);
  const [between, beside] = [2, 5].map((above) =>
    Array.from({ length: 39 }, (_, i) => 10 * i + 1 + above).find(lies),
  ) as [number, number];
  first.clock.pass(60_001);
  first.note(between, { differences: [{ height: between, field: "dataPayload.later" }] });
  const later = (await first.kept()).find(({ id }) => id !== shown?.id);
  expect(later).toMatchObject({ heights: [[between, between]], differences: [{ field: "dataPayload.later" }] });
  expect(first.told.map(({ id }) => id)).toEqual([shown?.id, later?.id]);

  const second = setUp(first.store);
  await second.incidents.load();
  // What is seen again is the same incident; what was never seen is none of it.
  for (let i = 0; i < 40; i++) second.note(10 * i + 1);
  second.note(between);
  expect(second.told).toEqual([]);
  second.note(beside);
  await second.kept();
  expect(second.told.map(({ heights }) => heights)).toEqual([[[beside, beside]]]);
});

it("shows what differs between places that it has put together, while they are found", async () => {
  const { note, kept, told } = setUp();
  for (let i = 0; i < 40; i++) note(10 * i + 1);
  const [shown] = await kept();
  const at = (shown?.heights?.find(([from, to]) => from < to)?.[0] ?? 0) + 2;
  note(at, { differences: [{ height: at, field: "dataPayload.between" }] });
  const [alert, ...others] = await kept();
  expect(others).toEqual([]);
  expect(alert?.differences).toEqual([{ height: at, field: "dataPayload.between" }]);
  expect(told).toHaveLength(1);
});

it("is known by a bounded number of places, and one beyond is another incident", async () => {
  const { note, kept, incidents } = setUp();
  for (let i = 0; i <= PLACES_MAX; i++) note(10 * i);
  expect((await kept()).map(({ occurrences }) => occurrences).sort((a, b) => b - a)).toEqual([PLACES_MAX, 1]);
  // What touches a place needs no room.
  note(1);
  expect(incidents.unresolved).toHaveLength(2);
});

it("counts differences beyond those that it shows, and shows none twice", async () => {
  const { note, kept } = setUp();
  for (let at = 1; at <= 72; at++) note(at, { differences: [{ height: at, field: "a" }], evidence: [`e${at}`] });
  note(1, { differences: [{ height: 1, field: "a" }] });
  const [alert] = await kept();
  expect([alert?.differences?.length, alert?.furtherDifferences, alert?.evidence?.length]).toEqual([64, 8, 32]);
});

it("is damaged while an alert about a block of its own is open, also after a restart, whatever else is", async () => {
  const first = setUp();
  first.note(4, { kind: "forged" });
  first.incidents.note({ kind: "state_altered", foundBy: "watch", detail: "the term" });
  expect(first.damage).toEqual([]);
  first.note(5);
  first.note(6, { kind: "missing" });
  await first.kept();
  const { incidents, damage, note } = setUp(first.store);
  await incidents.load();
  for (const { id, kind } of incidents.unresolved)
    if (kind === "payload_modified" || kind === "missing") {
      expect(incidents.isDamaged).toBe(true);
      incidents.change(id, (one) => stepped(one, { action: "dismissed", at: one.openedAt }));
    }
  expect([incidents.isDamaged, incidents.unresolved.length]).toEqual([false, 2]);
  note(5);
  expect([first.damage, damage]).toEqual([[true], [true, false, true]]);
});

it("remembers over a restart what was dismissed: found again, it is the same alert, with that decision in its history", async () => {
  const first = setUp();
  first.note(5);
  first.incidents.note({ kind: "state_altered", foundBy: "watch", detail: "the term" });
  for (const { id } of first.incidents.unresolved)
    first.incidents.change(id, (one) =>
      stepped(one, { action: "dismissed", at: one.openedAt, actor: "ada", reason: "r" }),
    );
  await first.kept();
  const before = await first.store.list(100, "resolved");
  const second = setUp(first.store);
  await second.incidents.load();
  expect(second.incidents.unresolved).toEqual([]);
  second.note(5);
  second.incidents.note({ kind: "state_altered", foundBy: "watch", detail: "the term" });
  const after = await second.kept();
  expect(after.map(({ id }) => id).sort()).toEqual(before.map(({ id }) => id).sort());
  for (const { history = [] } of after)
    expect(history.map(({ action, actor }) => [action, actor])).toEqual([
      ["opened", undefined],
      ["dismissed", "ada"],
      ["reopened", undefined],
    ]);
});

it("names fields and no values where an erasure does not reach", async () => {
  const { note, lines, incidents } = setUp();
  const differences = [{ height: 7, sequence: 70, field: "dataPayload.name", stored: "eve", expected: "ada" }];
  note(7, { differences, detail: 'dataPayload.name of event 70 is "eve", committed was "ada"' });
  const [alert] = incidents.unresolved;
  expect([alert?.differences, alert?.detail]).toEqual([differences, expect.stringContaining("eve")]);
  expect(lines).toMatchObject([
    [
      { alert: { id: alert?.id, heights: [[7, 7]], fields: [{ field: "dataPayload.name" }] } },
      "alert: payload_modified: payload_modified on n2: block 7, event 70, dataPayload.name",
    ],
  ]);
  expect(JSON.stringify(lines)).not.toMatch(/\b(eve|ada)\b/);
});

it("keeps kinds apart, and what is found a minute later elsewhere", async () => {
  const { note, kept, clock } = setUp();
  note(5);
  note(6, { kind: "record_modified" });
  clock.pass(60_001);
  note(5);
  note(9);
  expect((await kept()).map(({ kind, heights, occurrences }) => [kind, heights, occurrences]).sort()).toEqual([
    ["payload_modified", [[5, 5]], 2],
    ["payload_modified", [[9, 9]], 1],
    ["record_modified", [[6, 6]], 1],
  ]);
});

it("takes a tail that was cut off, and is seen again below new blocks, for no other incident until it is resolved", async () => {
  const { incidents, note, kept } = setUp();
  const kinds = async () => (await kept()).map(({ kind, heights }) => [kind, heights]).sort();
  note(7, { kind: "truncated_tail", heights: [7, 9] });
  for (const at of [7, 8, 9]) note(at, { kind: "missing" });
  expect(await kinds()).toEqual([["truncated_tail", [[7, 9]]]]);
  note(3, { kind: "missing" });
  expect(await kinds()).toEqual([
    ["missing", [[3, 3]]],
    ["truncated_tail", [[7, 9]]],
  ]);
  const [tail] = (await kept()).filter(({ kind }) => kind === "truncated_tail");
  incidents.change(tail?.id as string, (alert) => ({ ...alert, status: "resolved" }));
  note(8, { kind: "missing" });
  expect((await kinds()).filter(([kind]) => kind === "missing")).toEqual([
    [
      "missing",
      [
        [3, 3],
        [8, 8],
      ],
    ],
  ]);
});

it("tells what has no place in the log apart by what is said of it", async () => {
  const { incidents, kept } = setUp();
  const note = (detail: string): void => incidents.note({ kind: "state_altered", foundBy: "watch", detail });
  note("a vote");
  note("evidence");
  note("a vote");
  expect((await kept()).map(({ detail, occurrences }) => [detail, occurrences]).sort()).toEqual([
    ["a vote", 2],
    ["evidence", 1],
  ]);
});

it("goes on with those of an earlier run, and tells of them no second time", async () => {
  const first = setUp();
  first.note(5);
  await first.kept();
  const second = setUp(first.store);
  await second.incidents.load();
  second.note(5);
  second.note(6);
  expect((await second.kept()).map(({ heights, occurrences }) => [heights, occurrences]).sort()).toEqual([
    [[[5, 5]], 2],
    [[[6, 6]], 1],
  ]);
  expect(second.told.map(({ height }) => height)).toEqual([6]);
});

it("ends only what says that a watch is down", async () => {
  const { incidents, store, note, kept, told } = setUp();
  note(5);
  incidents.note({ kind: "watch_down", foundBy: "watch", detail: "broken" });
  incidents.end("watch_down");
  expect((await kept()).map(({ kind }) => kind)).toEqual(["payload_modified"]);
  const all = await Promise.all(told.map(({ id }) => store.get(id)));
  expect(all.map((one) => [one?.kind, one?.status, one?.severity]).sort()).toEqual([
    ["payload_modified", "open", "critical"],
    ["watch_down", "ended", "warning"],
  ]);
  incidents.note({ kind: "watch_down", foundBy: "watch", detail: "broken" });
  expect((await kept()).filter(({ kind, status }) => kind === "watch_down" && status === "open")).toHaveLength(1);
  expect(incidents.unresolved.length).toBe(2);
});

it("stores again what a store did not take, and what somebody has deleted", async () => {
  const database = new MemoryDatabase("1".repeat(32));
  const store = new MemoryAlertStore(database);
  let failures = 2;
  const flaky = Object.assign(Object.create(store), {
    save: async (alert: AlertRecord) => {
      if (failures-- > 0) throw new Error("no");
      return store.save(alert);
    },
  }) as MemoryAlertStore;
  const { incidents, note, kept, told } = setUp(flaky);
  note(5);
  expect(await kept()).toHaveLength(1);
  database.alerts.clear();
  incidents.saveAgain();
  expect(await kept()).toHaveLength(1);
  expect(told).toHaveLength(1);
});

it("tells of what a database refuses to store, and stores what comes after it", async () => {
  const store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)));
  const refused = new Set(["payload_modified"]);
  const picky = Object.assign(Object.create(store), {
    save: async (alert: AlertRecord) => {
      if (refused.has(alert.kind)) throw new Error("Document failed validation");
      return store.save(alert);
    },
  }) as MemoryAlertStore;
  const { note, kept, told } = setUp(picky);
  note(5);
  note(6, { kind: "record_modified" });
  // It waits for neither for ever: whoever watches has to go on.
  expect((await kept()).map(({ kind }) => kind)).toEqual(["record_modified"]);
  expect(told.map(({ kind }) => kind)).toEqual(["record_modified", "payload_modified"]);
  refused.clear();
  await expect.poll(async () => (await store.list(100)).length).toBe(2);
  expect(told).toHaveLength(2);
});

it("keeps an alert whatever somebody has written into the database, and those that come after it", async () => {
  const { note, kept } = setUp();
  const odd = [Number.NaN, "\ud83d", { $ref: 1 }] as never[];
  for (const [i, stored] of odd.entries())
    note(i + 1, {
      kind: "header_modified",
      detail: `half of ${"x".repeat(79)}\ud83d`,
      differences: [{ height: i + 1, field: `header.${"y".repeat(20_000_000)}`, stored }],
    });
  note(9, { kind: "signature_invalid" });
  const found = await kept();
  expect(found.map(({ kind }) => kind).sort()).toEqual(["header_modified", "signature_invalid"]);
  expect(JSON.stringify(found).length).toBeLessThan(100_000);
});

describe("what a start joined anew for", () => {
  const cut: IncidentFinding = {
    kind: "truncated_tail",
    foundBy: "start",
    heights: [6, 9],
    differences: [{ height: 6, field: LOG_END, stored: 5, expected: 9 }],
    detail: "blocks 6 to 9 are missing",
  };
  const FOUND_AT = "2026-01-01T00:00:00.000Z";

  it("is one alert, however often it is told of, and damages nothing, as the log was copied anew", async () => {
    const first = setUp();
    const id = first.incidents.noteOnce(cut, FOUND_AT);
    expect(first.incidents.isStored(id)).toBe(false);
    const [alert, ...others] = await first.kept();
    expect(others).toEqual([]);
    expect(alert).toMatchObject({
      id,
      kind: "truncated_tail",
      openedAt: FOUND_AT,
      heights: [[6, 9]],
      foundBy: "start",
    });
    expect(first.incidents.isStored(id)).toBe(true);
    expect([first.incidents.isDamaged, first.damage]).toEqual([false, []]);

    // The process died before it could say that it is kept; and perhaps a person was faster.
    const second = setUp(first.store);
    await second.incidents.load();
    second.incidents.change(id, (one) =>
      stepped(one, { action: "dismissed", at: FOUND_AT, actor: "ada", reason: "a test" }),
    );
    expect(second.incidents.noteOnce(cut, FOUND_AT)).toBe(id);
    expect(await second.kept()).toEqual([]);
    // The same once more, later, is another time.
    second.incidents.noteOnce(cut, "2026-01-02T00:00:00.000Z");
    expect(await second.kept()).toMatchObject([{ id, status: "open", occurrences: 2 }]);
    expect(second.incidents.isDamaged).toBe(false);
  });

  it("draws nothing into itself that is done to the present copy", async () => {
    const { incidents, kept, note } = setUp();
    incidents.noteOnce(cut, FOUND_AT);
    note(7, { kind: "truncated_tail", detail: "block 7 is missing" });
    expect((await kept()).map(({ heights }) => heights)).toEqual(expect.arrayContaining([[[6, 9]], [[7, 7]]]));
    expect(incidents.isDamaged).toBe(true);
  });

  it("is not called stored by a database that refuses it", async () => {
    const { incidents, store, told } = setUp();
    store.save = () => Promise.reject(new Error("refused"));
    const id = incidents.noteOnce(cut, FOUND_AT);
    await incidents.saved();
    expect(told).toHaveLength(1);
    expect(incidents.isStored(id)).toBe(false);
    incidents.stop();
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    expect(incidents.isStored(id)).toBe(false);
  });
});
