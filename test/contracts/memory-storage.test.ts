import { describe, expect, it } from "vitest";
import type { HardState } from "../../cluster/types.js";
import type { IndexEntry } from "../../node/storage/port.js";
import { height, term } from "../../shared/ids.js";
import type { Run } from "../../shared/log/index.js";
import { MemoryDatabase } from "../doubles/memory-database.js";
import { memoryStorage } from "../doubles/memory-storage.js";
import { STATE_MAC } from "./fixtures.js";
import { storageContract } from "./storage-contract.js";

const other = ({ terms, places }: Run, at: 0 | -1): Run => ({
  terms: terms.with(at, new Uint8Array(8).fill(5)),
  places,
});
const named = (entry: IndexEntry): IndexEntry => ({
  ...entry,
  index: { ...entry.index, names: other(entry.index.names, 0) },
});

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
    quarantinedEntries: async () => [...database.quarantinedEntries.values()].map((entry) => entry.height),
    dropIndex: async (what) => {
      if (what === "entries") database.dropIndex();
      else if (what === "marker") database.marker = null;
      else database.hasTermsIndex = false;
    },
    removeBlock: async (at) => void database.blocks.delete(height(at)),
    alterEntry: async (at, what) => {
      const there = database.entries.get(height(at));
      if (there?.stored.entry == null) throw new Error("there is no such entry");
      database.entries.delete(height(at));
      if (what === "removed") return;
      const { entry } = there.stored;
      const altered = what === "shape" ? null : what === "own" ? { ...entry, own: other(entry.own, -1) } : named(entry);
      database.entries.set(height(at), { ...there, stored: { ...there.stored, entry: altered } });
    },
    alterAnchors: async (page) => {
      const found = database.anchors.get(page);
      if (found !== undefined) found.hashes = found.hashes.map((byte, i) => (i === 7 ? byte ^ 1 : byte));
    },
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
