import { type Db, MongoNetworkError, type WriteConcern } from "mongodb";
import type { IntegrityStore } from "./integrity-port.js";
import { MongoAlertStore } from "./mongo/alerts.js";
import { createIndexes } from "./mongo/index-work.js";
import { MongoIntegrity } from "./mongo/integrity.js";
import { MongoLogStore } from "./mongo/log.js";
import {
  COMMAND_MS_DEFAULT,
  type Companion,
  INTEGRITY_CONNECTIONS_MAX,
  KEY_CONNECTIONS_MAX,
  type MongoLogStoreOptions,
  READ_CONNECTIONS_MAX,
} from "./mongo/options.js";
import { ReadLink } from "./mongo/read-link.js";
import { MongoKeys, MongoReader } from "./mongo/reader.js";
import { type Storage, StoreError } from "./port.js";
import type { RepairStore } from "./repair-port.js";

export type StorageOptions = MongoLogStoreOptions;

export interface NodeStorage extends Storage {
  readonly repairs: RepairStore;
  readonly integrity: IntegrityStore;
}

/**
 * One node's storage in MongoDB. Nothing is connected before `log.open()`, which opens all of it. Reads and look-ups have
 * a client each, which stays when the log is opened again on the same server.
 */
export function openStorage(options: StorageOptions): NodeStorage {
  const linkOf = (name: string, connectionsMax: number): ReadLink =>
    new ReadLink({
      ...options,
      appName: `quorumlog-${options.nodeId}-${name}`,
      commandMs: options.commandMs ?? COMMAND_MS_DEFAULT,
      connectionsMax,
    });
  const reads = linkOf("reads", READ_CONNECTIONS_MAX);
  const keys = linkOf("keys", KEY_CONNECTIONS_MAX);
  const integrity = linkOf("integrity", INTEGRITY_CONNECTIONS_MAX);
  const alerts = new MongoAlertStore(options.stateMac);
  let db: Db | null = null;

  const companion: Companion = {
    async open(processId: string, durable: WriteConcern, onLost: () => void): Promise<void> {
      await keys.open(processId, onLost);
      await integrity.open(processId, onLost);
      db = await reads.open(processId, onLost);
      alerts.open(db, durable);
    },
    async ensureIndexes(): Promise<boolean> {
      if (db === null) throw new StoreError("not_stored", "The store is not open.");
      try {
        await createIndexes(db);
        return true;
      } catch (error) {
        // It took longer than a command may, and goes on in the server.
        if (error instanceof MongoNetworkError) return false;
        throw error;
      }
    },
    async close(): Promise<void> {
      alerts.close();
      db = null;
      await Promise.all([keys.close(), reads.close(), integrity.close()]);
    },
  };
  const log = new MongoLogStore(options, companion);
  return {
    log,
    repairs: log,
    keys: new MongoKeys(keys),
    reader: new MongoReader(reads),
    integrity: new MongoIntegrity(integrity, options.stateMac),
    alerts,
    async freeBytes(): Promise<number | null> {
      if (db === null) return null;
      // Every size in bytes; a server that keeps its data elsewhere than in files says nothing of a file system.
      const { fsTotalSize, fsUsedSize } = await db.command({ dbStats: 1 });
      return typeof fsTotalSize === "number" && typeof fsUsedSize === "number" ? fsTotalSize - fsUsedSize : null;
    },
  };
}
