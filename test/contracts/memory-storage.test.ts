import { describe, expect, it } from "vitest";
import type { HardState } from "../../cluster/types.js";
import { height, term } from "../../shared/ids.js";
import { MemoryDatabase } from "../doubles/memory-database.js";
import { memoryStorage } from "../doubles/memory-storage.js";
import { STATE_MAC } from "./fixtures.js";
import { storageContract } from "./storage-contract.js";

storageContract("in memory", async () => {
  const database = new MemoryDatabase("d".repeat(32));
  return {
    process: (self) => memoryStorage(database, self),
    alterState: async (change) => {
      const { state } = database;
      if (state?.hard) database.state = { ...state, hard: { ...state.hard, ...change } as HardState };
    },
    failNextWrite: (fault, skip) => database.failNextWrite(fault, skip),
    disarm: () => database.disarm(),
    pauseNextWrite: (skip) => database.pauseNextWrite(skip),
    deliverLate: async () => database.deliverLate(),
    restartServer: async () => database.restartServer(),
    quarantinedHeights: async () => [...database.quarantined.values()].map(({ block }) => block.header.height),
    dispose: async () => undefined,
  };
});

describe("a write that the database in memory refuses", () => {
  it("is certainly not stored, and the store goes on", async () => {
    const database = new MemoryDatabase("d".repeat(32));
    const { log } = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
    await log.open();
    database.failNextWrite("not_stored");
    const state = { term: term(1), votedFor: null, joinNonce: "a".repeat(32), forming: null };
    await expect(log.saveState(state)).rejects.toMatchObject({ failure: "not_stored" });
    await log.saveState(state);
    expect(await log.readBlocks(height(1), { bytesMax: 1, blocksMax: 1 })).toEqual([]);
  });
});
