import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { createVerifier } from "../host/signer.js";
import { alertVersion, stepped } from "../storage/alert-steps.js";
import type { AlertAction, FieldDifference, IncidentHashes } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import type { IncidentFinding } from "./incident-record.js";
import { Incidents } from "./incidents.js";
import { Inspector } from "./inspector.js";
import type { Places } from "./place-file.js";
import { Scrub } from "./scrub.js";

function setUp(store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)))) {
  const clock = hastyClock();
  const told: AlertRecord[] = [];
  const logger = { error: () => undefined, warn: () => undefined, info: () => undefined };
  const incidents = new Incidents({
    ...{ nodeId: "n2", store, clock, logger },
    onStep: (alert) => told.push(alert),
    onStored: () => undefined,
    onDamage: () => undefined,
  });
  const note = (at: number, differences: readonly FieldDifference[], more: Partial<IncidentFinding> = {}): void =>
    incidents.note({
      kind: "payload_modified",
      foundBy: "scrub",
      heights: [at, at],
      sequences: [[10 * at, 10 * at]],
      detail: `block ${at}: ${differences.map(({ field, stored }) => `${field} is ${stored}`).join()}`,
      differences,
      ...more,
    });
  const alerts = async (): Promise<AlertRecord[]> => {
    await incidents.saved();
    return store.list(100, "all");
  };
  const only = async (): Promise<AlertRecord> => {
    const [alert, ...others] = await alerts();
    expect(others).toEqual([]);
    return alert as AlertRecord;
  };
  const decide = (action: AlertAction): void => {
    clock.pass(1_000);
    for (const { id } of incidents.unresolved)
      incidents.change(id, (one) => stepped(one, { action, at: clock.wall(), actor: "ada", reason: "a test" }));
    clock.pass(1_000);
  };
  return { incidents, store, clock, told, note, alerts, only, decide };
}

const differs = (at: number, field: string, stored: string): FieldDifference => ({
  ...{ height: at, sequence: 10 * at, field: `dataPayload.${field}`, stored, expected: "ada" },
});
const hashesOf = (at: number, stored: string): { hashes: IncidentHashes } => ({
  hashes: {
    block: { height: at, stored: "b", recomputed: "b".repeat(64), expected: "b".repeat(64) },
    body: { recomputed: stored.padStart(64, "0"), expected: "c".repeat(64) },
  },
});
/** As it is said where no peer has given a sound copy. */
const vague = (at: number): FieldDifference => ({
  ...{ height: at, sequence: 10 * at, field: "record or dataPayload", stored: "which field cannot be said" },
});

it("says of what is altered again after a repair what is altered now, and of nothing else", async () => {
  const { note, only, decide, told, clock } = setUp();
  const before = { agreeing: ["n1"], changedAt: clock.wall(), evidence: ["7-altered-1"], ...hashesOf(7, "1") };
  for (let at = 7; at <= 1_006; at++) note(at, [differs(at, "to", "eve")], at === 7 ? before : {});
  const first = await only();
  decide("repaired");
  const changedAt = clock.wall();
  const again = { agreeing: ["n1", "n3"], changedAt, evidence: ["500-altered-2"], ...hashesOf(500, "2") };
  note(500, [differs(500, "to", "bob")], again);
  const alert = await only();
  expect(alert).toMatchObject({
    ...{ id: first.id, openedAt: first.openedAt, status: "open", occurrences: 1_001, ...again },
    ...{ height: 500, heights: [[500, 500]], sequence: 5_000, sequences: [[5_000, 5_000]] },
    differences: [differs(500, "to", "bob")],
    detail: "block 500: dataPayload.to is bob",
    // What was kept before stays within reach.
    evidence: ["7-altered-1", "500-altered-2"],
  });
  expect(alert.furtherDifferences).toBeUndefined();
  expect(alert.history?.map(({ action }) => action)).toEqual(["opened", "repaired", "reopened"]);
  // What others and the log are told is what is so now.
  expect(told.at(-1)).toEqual(alert);
});

it("names what is kept of each time that it is found, however much was kept before", async () => {
  const { note, only, decide } = setUp();
  for (let at = 1; at <= 40; at++) note(at, [differs(at, "to", "eve")], { evidence: [`${at}-altered-1`] });
  decide("repaired");
  for (let at = 1; at <= 9; at++) note(at, [differs(at, "to", "bob")], { evidence: [`${at}-altered-2`] });
  const { evidence } = await only();
  expect(evidence?.slice(16)).toEqual(Array.from({ length: 9 }, (_, i) => `${i + 1}-altered-2`));
});

it("knows since when what was dismissed is altered, while it still stands so", async () => {
  const { note, only, decide, clock } = setUp();
  const changedAt = clock.wall();
  const good = { lastKnownGoodAt: "2025-12-31T00:00:00.000Z" };
  note(7, [differs(7, "to", "eve")], { ...hashesOf(7, "1"), ...good, changedAt });
  decide("dismissed");
  note(7, [differs(7, "to", "eve")], { ...hashesOf(7, "1"), lastKnownGoodAt: changedAt });
  expect(await only()).toMatchObject({ status: "open", changedAt, ...good });
  decide("dismissed");
  note(7, [differs(7, "to", "bob")], { ...hashesOf(7, "2"), lastKnownGoodAt: changedAt });
  const alert = await only();
  expect(alert).toMatchObject({ differences: [differs(7, "to", "bob")], ...good });
  expect(alert.changedAt).toBeUndefined();
});

it("is silent about what a pass finds again as it was, and names what was altered since, also after a restart", async () => {
  const first = setUp();
  first.note(7, [differs(7, "to", "eve")], hashesOf(7, "1"));
  const opened = await first.only();
  first.note(7, [differs(7, "to", "eve")], hashesOf(7, "1"));
  expect(alertVersion(await first.only())).toBe(alertVersion(opened));

  const second = setUp(first.store);
  await second.incidents.load();
  second.note(7, [differs(7, "to", "eve")], hashesOf(7, "1"));
  const same = await second.only();
  expect([alertVersion(same), same.occurrences]).toEqual([alertVersion(opened), 3]);
  const both = [differs(7, "amount", "999"), differs(7, "to", "eve")];
  second.note(7, both, hashesOf(7, "2"));
  const more = await second.only();
  expect(more).toMatchObject({
    differences: both,
    detail: "block 7: dataPayload.amount is 999,dataPayload.to is eve",
    ...hashesOf(7, "2"),
  });
  expect(alertVersion(more)).not.toBe(alertVersion(opened));
  second.note(7, both, hashesOf(7, "2"));
  expect(alertVersion(await second.only())).toBe(alertVersion(more));
  // Streams, the webhook and the log hear of steps: this is none.
  expect([first.told.length, second.told.length]).toEqual([1, 0]);
});

it("names the field as soon as a sound copy can be had, and keeps it when none can be had any more", async () => {
  const { note, only } = setUp();
  note(7, [vague(7)], { agreeing: [], ...hashesOf(7, "1") });
  note(7, [differs(7, "to", "eve")], { agreeing: ["n1"], ...hashesOf(7, "1") });
  const named = await only();
  expect(named).toMatchObject({
    ...{ differences: [differs(7, "to", "eve")], agreeing: ["n1"], detail: "block 7: dataPayload.to is eve" },
  });
  note(7, [vague(7)], { agreeing: [], ...hashesOf(7, "1") });
  // Written, and put back: nothing can be compared.
  note(7, []);
  expect(alertVersion(await only())).toBe(alertVersion(named));
  // It was altered once more meanwhile.
  note(7, [vague(7)], { agreeing: [], ...hashesOf(7, "2") });
  expect((await only()).differences).toEqual([differs(7, "to", "eve")]);
  note(7, [differs(7, "to", "bob")], { agreeing: ["n1"], ...hashesOf(7, "2") });
  expect((await only()).differences).toEqual([differs(7, "to", "bob")]);
});

it("replaces what it says of one block and nothing that it says of others", async () => {
  const { note, only } = setUp();
  for (const at of [7, 8, 9]) note(at, [differs(at, "to", "eve")], hashesOf(at, "1"));
  note(8, [differs(8, "to", "bob")], { agreeing: ["n1"], ...hashesOf(8, "2") });
  const alert = await only();
  expect(alert).toMatchObject({
    detail: "block 7: dataPayload.to is eve (one of 3 blocks and 3 events)",
    heights: [[7, 9]],
  });
  expect(alert.differences).toHaveLength(3);
  expect(alert.differences).toEqual(
    expect.arrayContaining([differs(7, "to", "eve"), differs(8, "to", "bob"), differs(9, "to", "eve")]),
  );
  expect(alert).toMatchObject(hashesOf(7, "1"));
});

it("counts what it does not show once, however often a pass finds it", async () => {
  const { note, only } = setUp();
  const fields = Array.from({ length: 100 }, (_, i) => differs(7, `f${i}`, "eve"));
  note(7, fields, hashesOf(7, "1"));
  note(7, fields, hashesOf(7, "1"));
  const opened = await only();
  expect([opened.differences?.length, opened.furtherDifferences]).toEqual([64, 36]);
  // What is altered now is not among those that are shown.
  note(7, [...fields, differs(7, "last", "eve")], hashesOf(7, "2"));
  const grown = await only();
  expect([grown.differences?.length, grown.furtherDifferences]).toEqual([64, 37]);
  expect(alertVersion(grown)).not.toBe(alertVersion(opened));
  for (let at = 8; at <= 100; at++) note(at, [differs(at, "to", "eve")]);
  const many = await only();
  for (let at = 7; at <= 100; at++)
    note(at, at === 7 ? [...fields, differs(7, "last", "eve")] : [differs(at, "to", "eve")]);
  expect(alertVersion(await only())).toBe(alertVersion(many));
  expect((many.differences?.length ?? 0) + (many.furtherDifferences ?? 0)).toBe(101 + 93);
});

it("keeps an alert that was lost here known as one that the log has told of", async () => {
  const { incidents, note, only } = setUp();
  const lost: AlertRecord = {
    ...{ id: "a".repeat(24), kind: "payload_modified", severity: "critical", node: "n2", accused: "n2", height: 7 },
    ...{ detail: "as the log has it", openedAt: "2026-01-01T00:00:00.000Z", lastSeenAt: "2026-01-01T00:00:00.000Z" },
    ...{ occurrences: 1, status: "open", heights: [[7, 7]], differences: [{ height: 7, field: "dataPayload.to" }] },
    history: [{ n: 0, action: "opened", at: "2026-01-01T00:00:00.000Z" }],
  };
  incidents.takeBack(lost);
  const { detail } = await only();
  note(7, [differs(7, "to", "eve")], hashesOf(7, "1"));
  note(7, [differs(7, "to", "bob")], hashesOf(7, "2"));
  expect(await only()).toMatchObject({ detail, differences: [differs(7, "to", "bob")] });
});

it("says when its place was last good by what opened it, and not by what is found later", async () => {
  const { note, only } = setUp();
  note(7, [differs(7, "to", "eve")]);
  note(8, [differs(8, "to", "eve")], { lastKnownGoodAt: "2026-01-01T00:00:00.000Z" });
  expect((await only()).lastKnownGoodAt).toBeUndefined();
});

it("says nothing of when a place was good that is later than its change", async () => {
  const { note, only } = setUp();
  const changedAt = "2026-01-01T00:00:00.000Z";
  note(7, [differs(7, "to", "eve")], { lastKnownGoodAt: "2026-01-01T00:00:00.001Z", changedAt });
  expect(await only()).toMatchObject({ changedAt });
  expect((await only()).lastKnownGoodAt).toBeUndefined();
});

it("calls no place good at a time at which an alert of another kind says that it was altered", async () => {
  const { note, alerts, clock } = setUp();
  note(7, [differs(7, "to", "eve")], { lastKnownGoodAt: "2025-12-31T00:00:00.000Z" });
  note(7, [differs(7, "id", "eve")], { kind: "record_modified", lastKnownGoodAt: clock.wall() });
  expect((await alerts()).map(({ lastKnownGoodAt }) => lastKnownGoodAt)).toEqual([
    "2025-12-31T00:00:00.000Z",
    "2025-12-31T00:00:00.000Z",
  ]);
});

const { blocks } = TestLog.grow(19);
const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;

/** A scrub whose findings become alerts. */
function scrubbed() {
  const { incidents, clock, only, decide } = setUp();
  const store = new MemoryIntegrity(blocks);
  const kept = {
    places: { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null } as Places,
    set: (change: Partial<Places>): void => void Object.assign(kept, { places: { ...kept.places, ...change } }),
  };
  const common = {
    ...{ store, clock, heldThrough: () => height(20), note: incidents.note.bind(incidents) },
    committedAt: async (at: number) => ({
      blockHash: of(at).stored.block.blockHash,
      previousBlockHash: of(at).stored.block.header.previousBlockHash,
      previousHash: at === 1 ? ("" as const) : of(at - 1).next.headHash,
    }),
  };
  const inspector = new Inspector({
    ...{ ...common, nodeId: "n2" },
    peers: { copies: async (at) => ({ agreeing: ["n1"], block: of(at).stored.block }) },
    verifiedAt: (at) => scrub.verifiedAt(at),
    sealOf: async () => true,
    onAltered: () => undefined,
    onForgotten: () => undefined,
    logger: { warn: () => undefined },
  });
  const scrub: Scrub = new Scrub({
    ...{ ...common, places: kept, verifyBlock: blockVerifier(createVerifier()) },
    stateAt: async () => null,
    inspect: inspector.suspectAll.bind(inspector),
    paths: () => [],
    compareEntries: async () => undefined,
    keeping: { plantedAt: async () => [] },
    checkOwnRecords: async () => undefined,
    isAlone: () => false,
    isSeen: () => true,
  });
  inspector.start();
  const edit = (at: number): void =>
    store.change(at, (one) => {
      const payloads = one.block.payloads.slice();
      payloads[payloads.length - 2] = (payloads.at(-2) ?? 0) ^ 1;
      return { ...one, block: { ...one.block, payloads } };
    });
  const pass = async (): Promise<string> => {
    clock.pass(60_000);
    const startedAt = clock.wall();
    await scrub.pass();
    return startedAt;
  };
  const read = async (at: number): Promise<void> => {
    clock.pass(60_000);
    await inspector.suspectAll(height(at), height(at), { foundBy: "read" });
  };
  return { clock, edit, pass, read, decide, only };
}

it("calls a place good at no time at which a pass has found it altered", async () => {
  const { edit, pass, read, only } = scrubbed();
  edit(7);
  await pass();
  await pass();
  await read(7);
  const alert = await only();
  expect(alert.occurrences).toBe(3);
  expect(alert.lastKnownGoodAt).toBeUndefined();
});

it("says when a pass had verified a place that is altered since, also when it is altered again after a repair", async () => {
  const { edit, pass, read, decide, only } = scrubbed();
  const goodAt = await pass();
  edit(7);
  await pass();
  await pass();
  expect((await only()).lastKnownGoodAt).toBe(goodAt);
  // Put back, and altered once more, before a pass has verified it.
  edit(7);
  decide("repaired");
  const repairedAt = (await only()).history?.at(-1)?.at;
  edit(7);
  await read(7);
  expect((await only()).lastKnownGoodAt).toBe(repairedAt);
});

it("says nothing new of a place whose document it could not name: what it says is shown by its evidence", async () => {
  const { note, only } = setUp();
  for (let at = 1; at <= 40; at++)
    note(at, [differs(at, "to", "eve")], { evidence: [`${at}-altered-1`], ...hashesOf(at, "1") });
  const full = await only();
  note(7, [differs(7, "amount", "9")], { evidence: ["7-altered-2"], ...hashesOf(7, "2") });
  expect(alertVersion(await only())).toBe(alertVersion(full));

  const second = setUp();
  second.note(7, [differs(7, "to", "eve")], { evidence: ["7-altered-1"], ...hashesOf(7, "1") });
  const kept = await second.only();
  second.note(7, [differs(7, "amount", "9")], hashesOf(7, "2"));
  expect(alertVersion(await second.only())).toBe(alertVersion(kept));
});

it("gives up nothing that it knows by a sound copy for less that is said without one", async () => {
  const { note, only } = setUp();
  const link = { height: 7, field: "header.previousBlockHash", stored: "d", expected: "e" };
  const more = { ...hashesOf(7, "1"), evidence: ["7-altered-1"] };
  note(7, [link, differs(7, "to", "eve")], { kind: "link_broken", agreeing: ["n1"], ...more });
  const named = await only();
  note(7, [link], { kind: "link_broken", agreeing: [], ...more });
  expect(alertVersion(await only())).toBe(alertVersion(named));
});

it("takes all places of what was dismissed for one incident, however long a pass takes between them", async () => {
  const { note, only, alerts, decide, clock } = setUp();
  for (const at of [7, 500, 900]) note(at, [differs(at, "to", "eve")]);
  decide("dismissed");
  note(500, [differs(500, "to", "eve")]);
  expect(await only()).toMatchObject({ detail: "block 500: dataPayload.to is eve", heights: [[500, 500]] });
  // Also where it is dismissed once more before all of it was found again.
  decide("dismissed");
  clock.pass(90_000);
  for (const at of [7, 900]) {
    note(at, [differs(at, "to", "eve")]);
    clock.pass(90_000);
  }
  expect(await only()).toMatchObject({
    status: "open",
    heights: [
      [7, 7],
      [900, 900],
    ],
    differences: [7, 900].map((at) => differs(at, "to", "eve")),
  });
  decide("repaired");
  // Whatever stands there now came after the repair.
  note(500, [differs(500, "to", "bob")]);
  clock.pass(90_000);
  note(7, [differs(7, "to", "bob")]);
  expect(await alerts()).toHaveLength(2);
});

it("says that nothing stands any more in a place whose document it names, and what is compared later beyond its evidence", async () => {
  const { note, only } = setUp();
  const more = { kind: "index_differs" as const };
  note(7, [{ height: 7, field: "entry.terms", stored: "1", expected: "2" }], { ...more, evidence: ["7-entry-1"] });
  const gone = [{ height: 7, field: "entry", expected: "3 terms" }];
  note(7, gone, more);
  expect((await only()).differences).toEqual(gone);

  const second = setUp();
  for (let at = 1; at <= 40; at++) second.note(at, [vague(at)], { evidence: [`${at}-altered-1`], agreeing: [] });
  second.note(40, [differs(40, "to", "eve")], { evidence: ["40-altered-1"], agreeing: ["n1"] });
  expect((await second.only()).differences).toContainEqual(differs(40, "to", "eve"));
});
