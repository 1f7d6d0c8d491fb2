import { expect, it } from "vitest";
import { height, term } from "../shared/ids.js";
import { EMPTY_CHAIN } from "../shared/log/chain.js";
import type { AlertRecords } from "../shared/log/control.js";
import type { Core } from "./core.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { Replica } from "./replica.js";
import type { BootState, Ports, ReplicaConfig } from "./types.js";

/** A node alone, which leads at once and stores its genesis. */
function alone(): { replica: Replica; core: Core; opId: () => number } {
  const keys = { block: "k", log: "k", cosign: "k" };
  const config: ReplicaConfig = {
    self: { id: "n1", address: "http://n1.test", priority: 1, storeId: "a".repeat(32), keys },
    configured: [{ id: "n1", priority: 1 }],
    ...{ heartbeatMs: 100, electionTimeoutMs: 1_000, requestTimeoutMs: 5_000, takeoverCooldownMs: 5_000 },
    ...{ admitsNewKeys: true, formedClusterId: null, limits: DEFAULT_LIMITS, seed: 1 },
    admissionReasons: { knownKeys: "", newKeys: "" },
    ...{ genesisNonce: "b".repeat(32), nextJoinNonce: "c".repeat(32) },
  };
  const boot: BootState = {
    hardState: { term: term(0), votedFor: null, joinNonce: "d".repeat(32), forming: null },
    base: EMPTY_CHAIN,
    ...{ tail: [], commitHeight: height(0), ids: [], idsFrom: height(1), campaignsLate: false },
  };
  const ports = { signer: { sign: () => new Uint8Array(64) } } as unknown as Ports;
  const replica = new Replica(config, boot, ports);
  let last = 0;
  for (let now = 1; now <= 3_000 && last < 3; now += 100) {
    const effects = replica.step({ kind: "tick", now, wall: "2030-01-01T00:00:00.000Z" });
    for (const queue = [...effects]; queue.length > 0; ) {
      const effect = queue.shift();
      if (effect === undefined || !("opId" in effect)) continue;
      last = effect.opId;
      if (effect.kind === "store_block") break;
      queue.push(...replica.step({ kind: "stored", now, wall: "2030-01-01T00:00:00.000Z", opId: effect.opId }));
    }
  }
  return { replica, core: (replica as unknown as { core: Core }).core, opId: () => last };
}

const stored = (opId: number) => ({ kind: "stored", now: 9_000, wall: "2030-01-01T00:01:00.000Z", opId }) as const;

it("ends when its storage answers another operation than the oldest", () => {
  const { replica, opId } = alone();
  expect(() => replica.step(stored(opId() + 1))).toThrow("out of order");
});

it("ends when a block becomes durable that does not follow the last one", () => {
  const { replica, core, opId } = alone();
  expect(core.log.tail.height).toBe(1);
  core.log.durableHeight = height(7);
  expect(() => replica.step(stored(opId()))).toThrow("block 1 became durable out of order");
});

it("seals no records of alerts that followers would have to refuse: too large for a header, or signed by a key that changes", () => {
  const { replica, core, opId } = alone();
  replica.step(stored(opId()));
  expect(core.log.commitHeight).toBe(1);
  const note = {
    id: "a".repeat(24),
    n: 0,
    action: "opened",
    alertKind: "k",
    severity: "warning",
    accused: "n1",
  } as const;
  const records = (at: string): AlertRecords => ({
    ...{ kind: "alert_records", node: "n1", signature: "0".repeat(128) },
    notes: [{ ...note, at }],
  });
  const logged = (at: string): string[] =>
    replica
      .step({ kind: "log_alerts", now: 9_001, wall: "2030-01-01T00:01:00.000Z", records: records(at) })
      .map(({ kind }) => kind);
  expect(logged(`2030-01-01T00:00:00.${"0".repeat(70_000)}Z`)).not.toContain("store_block");
  const admission = { joinNonce: "e".repeat(32), storeId: "f".repeat(32), actor: "a", reason: "r" };
  const { keys } = core.config.self;
  core.leader?.controls.push({ kind: "node_admitted", node: "n1", ...admission, keys: { ...keys, block: "other" } });
  logged("2030-01-01T00:00:00.000Z");
  expect(core.leader?.controls.map(({ kind }) => kind)).toEqual(["node_admitted"]);
  core.leader?.controls.pop();
  expect(logged("2030-01-01T00:00:00.000Z")).toContain("store_block");
});
