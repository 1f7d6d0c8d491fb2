import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, expect, it, vi } from "vitest";
import { height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { type Clock, systemClock } from "../clock.js";
import { createVerifier } from "../host/signer.js";
import { alertVersion } from "../storage/alert-steps.js";
import type { AlertRecord } from "../storage/port.js";
import { Integrity } from "./integrity.js";
import type { IntegrityParts } from "./parts.js";
import { PassSchedule } from "./pass-schedule.js";
import { PlaceFile } from "./place-file.js";
import type { AlertDecision } from "./resolutions.js";

const HELD = 4;
const VERIFIER = createVerifier();
/** What takes seconds takes hundredths of them. */
const clock: Clock = { ...systemClock, after: (ms, action) => systemClock.after(ms / 50, action) };
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const noAlerts = (): MemoryAlertStore => new MemoryAlertStore(new MemoryDatabase("1".repeat(32)));

async function setUp(alerts = noAlerts(), timers = clock) {
  const folder = await mkdtemp(join(tmpdir(), "quorumlog-integrity-"));
  const { blocks } = TestLog.grow(HELD - 1);
  const store = new MemoryIntegrity(blocks);
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const told: AlertRecord[] = [];
  const calls = { healed: 0, puts: 0, altered: 0 };
  const parts = {
    ...{ nodeId: "n1", isOff: false, isUnwatched: false },
    openPlaces: (storeId: string) => PlaceFile.open(folder, storeId),
    schedule: (begin: () => void) => new PassSchedule("0 3 * * *", begin, pino({ level: "silent" })),
    identity: { identity: { found: [] }, update: async () => undefined },
    storage: {
      ...{ integrity: store, alerts, log: { readMembershipBlocks: async () => [of(1).stored] } },
      repairs: {
        async putBlocks() {
          calls.puts += 1;
        },
      },
    },
    driver: {
      ...{ heldThrough: height(HELD), heldBlock: () => null, view: () => null, submit: async () => undefined },
      log: {
        committedAt: async (at: number) => ({ blockHash: of(at).stored.block.blockHash, previousHash: "" }),
        committedHash: async (at: number) => of(at).stored.block.blockHash,
        blocks: { read: async () => [] },
        index: { isWhole: false, indexedPaths: null },
      },
      inOrder: (work: () => Promise<void>) => work(),
    },
    desk: { others: [], handle: () => undefined, askAll: async () => [] },
    ...{ clock: timers, logger: pino({ level: "silent" }), verifyBlock: blockVerifier(VERIFIER), verifier: VERIFIER },
    onStep: (alert: AlertRecord) => told.push(alert),
    onHealed() {
      calls.healed += 1;
    },
    onAltered() {
      calls.altered += 1;
    },
    ...{ onHeard: () => undefined, onPending: () => undefined },
  } as unknown as IntegrityParts;
  const integrity = new Integrity(parts);
  stops.push(
    () => integrity.stop(),
    () => rm(folder, { recursive: true }),
  );
  const alter = (at: number): void =>
    store.change(at, (one) => ({ ...one, block: { ...one.block, payloads: new Uint8Array(3) } }));
  return { integrity, store, alerts, alter, told, calls };
}

const decisionOf = (id: string, version: string): AlertDecision => ({
  ...{ id, action: "repair", version, actor: "a", reason: "r" },
});

it("finds what is altered though it never comes to know what is open, and is not ready, and carries out nothing", async () => {
  const { integrity, alerts, alter, told, calls } = await setUp();
  const { list } = alerts;
  alerts.list = async () => {
    throw new Error("a document cannot be read");
  };
  await integrity.start("s");
  alter(3);
  integrity.suspect(height(3));
  await vi.waitFor(() => expect(told.map(({ kind, height: at }) => [kind, at])).toEqual([["payload_modified", 3]]));
  expect([integrity.status.watch, integrity.isPending, calls.healed]).toEqual(["starting", true, 0]);
  expect([integrity.status.isDamaged, integrity.status.isUnread]).toEqual([true, true]);
  const alert = told[0] as AlertRecord;
  const decision = decisionOf(alert.id, alertVersion(alert));
  await expect(integrity.decide(decision)).rejects.toMatchObject({ code: "not_ready" });
  expect(calls.puts).toBe(0);
  alerts.list = list;
  await vi.waitFor(() => expect(integrity.isPending).toBe(false));
  expect(integrity.status.isUnread).toBeUndefined();
  expect((await integrity.decide(decision)).kind).toBe("taken");
});

it("looks at the signature of a block that a read showed to nobody", async () => {
  const { integrity, store, told } = await setUp();
  await integrity.start("s");
  store.change(3, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  integrity.suspect(height(3));
  await vi.waitFor(() => expect(told).toMatchObject([{ kind: "signature_invalid", height: 3, foundBy: "read" }]));
});

it("carries nothing out before it has begun", async () => {
  const { integrity } = await setUp();
  await expect(integrity.decide(decisionOf("a".repeat(24), "v"))).rejects.toMatchObject({ code: "not_ready" });
});

it("judges evidence that was reduced before it knew what is open once it knows, and counts no pass until then", async () => {
  const first = await setUp();
  await first.integrity.start("s");
  first.alter(3);
  first.integrity.suspect(height(3));
  await vi.waitFor(() => expect(first.told).toHaveLength(1));
  const [evidence] = (first.told[0] as AlertRecord).evidence as [string];
  const { integrity, store, alerts } = await setUp(first.alerts);
  const { list } = alerts;
  alerts.list = async () => {
    throw new Error("no connection");
  };
  store.quarantine.push({ id: evidence, height: 3, keptAt: clock.wall(), isWhole: false, document: {} });
  const fields = ["hasBody", "payloads"];
  for (const id of [evidence, "old"])
    store.stream.push({ operation: "update", collection: "quarantine", id, fields, at: clock.wall() });
  await integrity.start("s");
  await vi.waitFor(() => expect(integrity.status.passHeight).toBe(HELD));
  await vi.waitFor(() => expect(store.stream).toEqual([]));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect([integrity.status.lastPassAt, await list.call(alerts, 9)]).toEqual([null, [expect.anything()]]);
  alerts.list = list;
  await vi.waitFor(() => expect(integrity.status.lastPassAt).not.toBeNull());
  await vi.waitFor(async () => {
    const details = (await list.call(alerts, 9)).map(({ detail }) => detail);
    expect(details).toContain("evidence was altered in the quarantine of this node");
  });
});

it("stops though it never came to know what is open", async () => {
  const { integrity, store, alerts } = await setUp();
  alerts.list = async () => {
    throw new Error("no connection");
  };
  store.stream.push({ operation: "update", collection: "quarantine", id: "a", fields: ["hasBody"], at: clock.wall() });
  await integrity.start("s");
  await vi.waitFor(() => expect(integrity.status.passHeight).toBe(HELD));
  await integrity.stop();
  expect(integrity.status.lastPassAt).toBeNull();
});

it("stores as it stops what it held back, as it did not know what is open, and stops where nothing can be stored", async () => {
  // What is held back is not told in time.
  const after: Clock["after"] = (ms, action) => (ms === 5_000 ? () => undefined : clock.after(ms, action));
  for (const isRefused of [false, true]) {
    const { integrity, alerts, alter, told, calls } = await setUp(noAlerts(), { ...clock, after });
    const { list } = alerts;
    alerts.list = async () => {
      throw new Error("no connection");
    };
    if (isRefused)
      alerts.save = async () => {
        throw new Error("no connection");
      };
    await integrity.start("s");
    alter(3);
    integrity.suspect(height(3));
    await vi.waitFor(() => expect(calls.altered).toBe(1));
    expect(told).toEqual([]);
    await integrity.stop();
    const kept = (await list.call(alerts, 9)).map(({ kind }) => kind);
    expect(kept).toEqual(isRefused ? [] : ["payload_modified"]);
  }
});
