import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../cluster/limits.js";
import type { Effect } from "../../cluster/types.js";
import { utf8 } from "../../shared/bytes.js";
import { height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import { type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import { STATE_MAC } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { eventually } from "../../test/support/eventually.js";
import { systemClock } from "../clock.js";
import { createVerifier, deriveSigner } from "../host/signer.js";
import { WriteTracker } from "../service/write-tracker.js";
import { IdentityFile } from "../storage/identity.js";
import { type Storage, StoreError } from "../storage/port.js";
import { Driver } from "./driver.js";

const silent = pino({ level: "silent" });
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function event(n: number, idempotencyKey?: string): PreparedEvent {
  const payload = utf8("{}");
  const payloadSalt = new Uint8Array(16).fill(n);
  return {
    id: n.toString(16).padStart(24, "0"),
    eventType: "t",
    timestamp: "2026-01-01T00:00:00.000Z",
    sourceAppId: "a",
    payload,
    payloadSalt,
    payloadHash: payloadCommitment(payloadSalt, payload),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

interface Fixture {
  readonly driver: Driver;
  readonly tracker: WriteTracker;
  readonly recoveries: number[];
  readonly fatal: Error[];
  stop(): Promise<void>;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "quorumlog-driver-"));
  folders.push(folder);
  return folder;
}

async function make(
  database: MemoryDatabase,
  folder: string,
  { members = ["n1"], wrap = (storage: Storage): Storage => storage, keepsMark = true } = {},
): Promise<Fixture> {
  const identity = await IdentityFile.open(folder, "n1");
  if (!keepsMark) await identity.update({ mark: null });
  const storage = wrap(
    memoryStorage(database, { nodeId: "n1", bootId: randomBytes(8).toString("hex"), stateMac: STATE_MAC }),
  );
  const recoveries: number[] = [];
  const fatal: Error[] = [];
  const onEffect = (effect: Effect): void => tracker.onEffect(effect);
  const driver: Driver = new Driver({
    config: {
      self: { id: "n1", address: "http://127.0.0.1:1", priority: 1 },
      configured: members.map((id, i) => ({ id, priority: i + 1 })),
      heartbeatMs: 20,
      electionTimeoutMs: 100,
      requestTimeoutMs: 2_000,
      takeoverCooldownMs: 5_000,
      admitsNewKeys: false,
      limits: DEFAULT_LIMITS,
    },
    storage,
    identity,
    signer: deriveSigner(identity.seed),
    verifyBlock: blockVerifier(createVerifier()),
    logger: silent,
    clock: systemClock,
    send: () => undefined,
    events: {
      onEffect,
      onAlert: () => undefined,
      onReplicaLost: () => tracker.onReplicaLost(),
      onRecovered: (commitHeight) => {
        recoveries.push(commitHeight);
        tracker.onRecovered(commitHeight);
      },
      onInvalidBlock: () => undefined,
      onIndexFinding: (finding) => {
        throw new Error(finding.detail);
      },
      onIndexChange: () => undefined,
      onFatal: (error) => fatal.push(error),
    },
    log: { memory: { keyFilterBytes: 1_024 } },
  });
  const tracker = new WriteTracker(driver, silent, systemClock);
  const stop = async (): Promise<void> => {
    await driver.stop();
    await identity.close();
    await storage.log.close();
  };
  return { driver, tracker, recoveries, fatal, stop };
}

/** A one-node log of `count` events, cleanly stopped. */
async function fill(database: MemoryDatabase, folder: string, count: number): Promise<void> {
  const { driver, tracker, stop } = await make(database, folder);
  await driver.start();
  await eventually(() => driver.view()?.role === "leader", 5_000, "it leads");
  for (let n = 1; n <= count; n++) {
    const result = await tracker.propose({
      events: [event(n)],
      deadline: performance.now() + 60_000,
      sinceHeight: height(0),
    });
    expect(result.kind).toBe("committed");
  }
  expect(driver.log.committed.size).toBe(count);
  await stop();
}

/** Blocks are read once the gate is open. */
function gated(gate: { hold: Promise<void> | null }) {
  return (storage: Storage): Storage => {
    const readBlocks = storage.log.readBlocks.bind(storage.log);
    storage.log.readBlocks = async (from, limit) => {
      await gate.hold;
      return readBlocks(from, limit);
    };
    return storage;
  };
}

function closedGate(): { hold: Promise<void> | null; open: () => void } {
  let open = (): void => undefined;
  const hold = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { hold, open };
}

it("recovers anew when the server restarts again while a recovery reads the log", async () => {
  const database = new MemoryDatabase("a".repeat(32));
  const folder = newFolder();
  await fill(database, folder, 5);
  const gate: { hold: Promise<void> | null } = { hold: null };
  const { driver, recoveries, stop } = await make(database, folder, { wrap: gated(gate) });
  await driver.start();
  const closed = closedGate();
  gate.hold = closed.hold;
  database.restartServer();
  await eventually(() => driver.view() === null, 2_000, "the replica is given up");
  database.restartServer();
  gate.hold = null;
  closed.open();
  await eventually(() => driver.view()?.role === "leader", 10_000, "it leads again");
  expect(recoveries).toHaveLength(2);
  expect(driver.log.committed.size).toBe(5);
  await stop();
});

it("has no replica while something is done beside it, nor a write under way, and recovers from what is there then", async () => {
  const database = new MemoryDatabase("a".repeat(32));
  const folder = newFolder();
  await fill(database, folder, 5);
  const { driver, recoveries, tracker, stop } = await make(database, folder);
  await driver.start();
  await eventually(() => driver.view()?.role === "leader", 10_000, "it leads");
  const durable = driver.view()?.durableHeight;
  const written = tracker.propose({ events: [event(6)], deadline: performance.now() + 5_000, sinceHeight: height(0) });
  const seen: unknown[] = [];
  const aside = driver.aside("a test", async (held) => {
    const { writes } = database;
    seen.push(driver.view(), held);
    await Promise.resolve();
    expect(database.writes).toBe(writes);
    throw new Error("refused");
  });
  await expect(driver.aside("once more", async () => undefined)).rejects.toMatchObject({ failure: "not_stored" });
  await expect(aside).rejects.toThrow("refused");
  expect(seen).toEqual([null, durable]);
  // Whatever became of it, it is answered.
  await written;
  await eventually(() => driver.view()?.role === "leader", 10_000, "it leads again");
  expect(recoveries).toHaveLength(2);
  await stop();
});

it("begins once when the server is lost during the first recovery, and the start is tried again", async () => {
  const database = new MemoryDatabase("a".repeat(32));
  const folder = newFolder();
  await fill(database, folder, 5);
  const closed = closedGate();
  const gate: { hold: Promise<void> | null } = { hold: closed.hold };
  const { driver, recoveries, stop } = await make(database, folder, { wrap: gated(gate) });
  const before = database.writes;
  const first = driver.start();
  first.catch(() => undefined);
  await eventually(() => database.writes > before, 2_000, "the store is open");
  database.restartServer();
  gate.hold = null;
  closed.open();
  await expect(first).rejects.toThrow(StoreError);
  expect(recoveries).toHaveLength(0);
  await driver.start();
  await eventually(() => driver.view()?.role === "leader", 5_000, "it leads");
  expect(recoveries).toHaveLength(1);
  await stop();
});

it("recovers only in its start until that has succeeded, also when the server is lost between two attempts", async () => {
  const database = new MemoryDatabase("a".repeat(32));
  const folder = newFolder();
  await fill(database, folder, 5);
  let openings = 0;
  let readsToFail = 1;
  const failingOnce = (storage: Storage): Storage => {
    const { log } = storage;
    const [open, readBlocks] = [log.open.bind(log), log.readBlocks.bind(log)];
    log.open = (known) => {
      openings += 1;
      return open(known);
    };
    log.readBlocks = async (from, limit) => {
      if (readsToFail-- > 0) throw new StoreError("not_stored", "The read failed.");
      return readBlocks(from, limit);
    };
    return storage;
  };
  const { driver, recoveries, stop } = await make(database, folder, { wrap: failingOnce });
  await expect(driver.start()).rejects.toThrow("The read failed.");
  // Told of now, while the caller waits to try again.
  database.restartServer();
  expect(openings).toBe(1);
  await driver.start();
  await eventually(() => driver.view()?.role === "leader", 5_000, "it leads");
  expect(recoveries).toHaveLength(1);
  expect(openings).toBe(2);
  await stop();
});

it("does not take itself for amnesiac when a truncation is finished by the next opening", async () => {
  const database = new MemoryDatabase("a".repeat(32));
  const folder = newFolder();
  await fill(database, folder, 5);
  const { driver, recoveries, stop } = await make(database, folder, { keepsMark: false });
  await driver.start();
  const tail = driver.view()?.durableHeight ?? 0;
  expect(driver.view()?.isLearner).toBe(false);
  // What the core gives out when a new leader replaces an uncommitted tail; the answer to the mark's swap is lost.
  database.failNextWrite("reply_lost", 1);
  const { perform } = driver as unknown as { perform(effect: object): void };
  perform.call(driver, { kind: "truncate", opId: 1, from: tail, term: 9, leaderId: "n2" });
  await eventually(() => recoveries.length === 2, 10_000, "it is recovered");
  expect(driver.view()?.isLearner).toBe(false);
  await stop();
});

it("says nothing of a repeated write whose first one is sealed when the store fails", async () => {
  const proposed: { proposalId: number }[] = [];
  const driver = {
    propose: (some: { proposalId: number }[]) => proposed.push(...some) > 0,
    log: { soundBlock: async () => null },
  };
  const tracker = new WriteTracker(driver as unknown as Driver, silent, systemClock);
  const write = (n: number) =>
    tracker.propose({ events: [event(n, "key")], deadline: performance.now() + 100, sinceHeight: height(0) });
  const results = [write(1), write(2)];
  const [first, second] = proposed.map(({ proposalId }) => proposalId) as [number, number];
  tracker.onEffect({ kind: "in_progress", proposalId: second, of: first });
  tracker.onEffect({ kind: "sealed", proposalId: first, height: 5, blockHash: "x", events: [], term: 1 } as never);
  tracker.onReplicaLost();
  expect((await results[1])?.kind).not.toBe("not_written");
  expect((await results[0])?.kind).toBe("unknown");
});

it("lets a write take the place of one under its key that was refused after its client had been told so", async () => {
  const proposed: { proposalId: number }[] = [];
  const driver = {
    propose: (some: { proposalId: number }[]) => proposed.push(...some) > 0,
    log: { soundBlock: async () => null },
  };
  const tracker = new WriteTracker(driver as unknown as Driver, silent, systemClock);
  const write = (n: number, ms: number) =>
    tracker.propose({ events: [event(n, "key")], deadline: performance.now() + ms, sinceHeight: height(0) });
  const first = write(1, 1);
  expect(await first).toMatchObject({ kind: "not_written", reason: "expired" });
  const second = write(2, 60_000);
  const [{ proposalId: of }, { proposalId }] = proposed as [{ proposalId: number }, { proposalId: number }];
  // The core looks at its deadlines with its next tick: until then it has the first one.
  tracker.onEffect({ kind: "in_progress", proposalId, of });
  tracker.onEffect({ kind: "refused", proposalId: of, reason: "expired" });
  expect(proposed.map((one) => one.proposalId)).toEqual([of, proposalId, proposalId]);
  tracker.onReplicaLost();
  expect((await second).kind).toBe("not_written");
});

it("joins anew once after its database was exchanged, not at every later start", async () => {
  const folder = newFolder();
  const identity = await IdentityFile.open(folder, "n1");
  await identity.update({ bootCounter: 5, storeId: "b".repeat(32), votedTerm: 1 });
  const database = new MemoryDatabase("a".repeat(32));
  const joins: string[] = [];
  for (let start = 1; start <= 3; start++) {
    const { driver, stop } = await make(database, folder, { members: ["n1", "n2", "n3"] });
    await driver.start();
    joins.push(database.state?.hard?.joinNonce ?? "");
    await stop();
  }
  expect(joins[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(joins).size).toBe(1);
});

it("finds a database that went back by one start at the next start too, if the first one does not get further", async () => {
  const folder = newFolder();
  const database = new MemoryDatabase("a".repeat(32));
  await fill(database, folder, 1);
  const backup = database.state;
  const between = await make(database, folder);
  await between.driver.start();
  await between.stop();
  database.state = backup;
  const members = ["n1", "n2", "n3"];
  const first = await make(database, folder, { members });
  // The write after the opening's own: the new join is not saved.
  database.failNextWrite("not_stored", 1);
  await expect(first.driver.start()).rejects.toThrow(StoreError);
  const { driver, stop } = await make(database, folder, { members });
  await driver.start();
  expect(driver.view()?.isLearner).toBe(true);
  await stop();
});

it("ends its process when a step of its replica fails: half of the step may be done", async () => {
  const { driver, fatal, stop } = await make(new MemoryDatabase("a".repeat(32)), newFolder());
  await driver.start();
  await eventually(() => driver.view()?.role === "leader", 5_000, "it leads");
  const inside = driver as unknown as { replica: { step(): never } };
  inside.replica.step = () => {
    throw new Error("a bug");
  };
  expect(() => driver.submit({ kind: "gone", now: 0, peer: "n2" })).toThrow("a bug");
  expect(fatal.map(({ message }) => message)).toEqual(["a bug"]);
  expect(driver.view()).toBeNull();
  await stop();
});
