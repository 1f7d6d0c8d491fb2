import type { Storage } from "../../node/storage/port.js";
import { MemoryAlertStore } from "./memory-alert-store.js";
import type { MemoryDatabase } from "./memory-database.js";
import { MemoryLogStore, type MemorySelf } from "./memory-log-store.js";
import { MemoryProjection } from "./memory-projection.js";

/** The in-memory twin of `openStorage`: one process's storage on a database that outlives it. */
export function memoryStorage(database: MemoryDatabase, self: MemorySelf): Storage {
  return {
    log: new MemoryLogStore(database, self),
    projection: new MemoryProjection(database),
    alerts: new MemoryAlertStore(database),
    freeBytes: async () => null,
  };
}
