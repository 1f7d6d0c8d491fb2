import type { Storage } from "../../node/storage/port.js";
import { MemoryAlertStore } from "./memory-alert-store.js";
import type { MemoryDatabase } from "./memory-database.js";
import { MemoryLogStore, type MemorySelf } from "./memory-log-store.js";
import { MemoryKeys, MemoryReader } from "./memory-reader.js";

/** The in-memory twin of `openStorage`: one process's storage on a database that outlives it. */
export function memoryStorage(database: MemoryDatabase, self: MemorySelf): Storage {
  const log = new MemoryLogStore(database, self);
  return {
    log,
    keys: new MemoryKeys(database, log),
    reader: new MemoryReader(database, log),
    alerts: new MemoryAlertStore(database),
    freeBytes: async () => null,
  };
}
