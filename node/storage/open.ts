import type { WriteConcern } from "mongodb";
import { MongoAlertStore } from "./mongo/alerts.js";
import { MongoLink } from "./mongo/link.js";
import { COMMAND_MS_DEFAULT, type Companion, MongoLogStore, type MongoLogStoreOptions } from "./mongo/log.js";
import { MongoProjection } from "./mongo/projection.js";
import type { OnRefused } from "./mongo/rows.js";
import type { Storage } from "./port.js";

export interface StorageOptions extends MongoLogStoreOptions {
  /** Told of an event whose native payload MongoDB refuses. */
  readonly onRefused: OnRefused;
}

/** Connections of the client that serves reads and fills the projection. */
const READ_CONNECTIONS_MAX = 10;

/**
 * One node's storage in MongoDB. Nothing is connected before `log.open()`, which opens all three; each opening has two
 * clients of its own.
 */
export function openStorage(options: StorageOptions): Storage {
  const projection = new MongoProjection(options.onRefused);
  const alerts = new MongoAlertStore();
  let link: MongoLink | null = null;

  const companion: Companion = {
    async open(durable: WriteConcern, onLost: () => void): Promise<number> {
      projection.drop();
      alerts.close();
      await link?.close();
      link = await MongoLink.connect({
        ...options,
        appName: `quorumlog-${options.nodeId}-reads`,
        commandMs: options.commandMs ?? COMMAND_MS_DEFAULT,
        isRetryingReads: true,
        connectionsMax: READ_CONNECTIONS_MAX,
        survivesBreaks: true,
      });
      link.onLost(onLost);
      alerts.open(link.db, durable);
      return projection.open(link, durable);
    },
    async close(): Promise<void> {
      await projection.close();
      alerts.close();
      await link?.close();
      link = null;
    },
  };
  return {
    log: new MongoLogStore(options, companion),
    projection,
    alerts,
    async freeBytes(): Promise<number | null> {
      if (link === null) return null;
      // Every size in bytes; a server that keeps its data elsewhere than in files says nothing of a file system.
      const { fsTotalSize, fsUsedSize } = await link.db.command({ dbStats: 1 });
      return typeof fsTotalSize === "number" && typeof fsUsedSize === "number" ? fsTotalSize - fsUsedSize : null;
    },
  };
}
