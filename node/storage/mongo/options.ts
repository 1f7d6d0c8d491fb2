import type { WriteConcern } from "mongodb";
import type { NodeId } from "../../../shared/ids.js";
import type { StateMac } from "../state-mac.js";

export const COMMAND_MS_DEFAULT = 5_000;
/** Connections of the client that serves reads, and of the one for look-ups that writes wait for. */
export const READ_CONNECTIONS_MAX = 10;
export const KEY_CONNECTIONS_MAX = 4;
/** One waits for changes; another looks at what they name, and a third at the rest. */
export const INTEGRITY_CONNECTIONS_MAX = 3;
/** A command of a client's read that takes longer is ended by the server, in milliseconds: before the time of its connection is over. */
export const READ_MS = 2_000;
export const LIMITED = { maxTimeMS: READ_MS } as const;

export interface MongoLogStoreOptions {
  readonly mongodbUri: string;
  readonly nodeId: NodeId;
  /** Names this process; random, up to 64 characters. */
  readonly bootId: string;
  readonly stateMac: StateMac;
  /** A write of the state or of a block that takes longer fails with `unknown`, in milliseconds. */
  readonly stallMs: number;
  /** The same for every other single command (opening, truncating, reading); 5,000 milliseconds unless given. */
  readonly commandMs?: number;
  /**
   * A write is answered only if this process was proven to be the owner of the database within this time, in milliseconds;
   * a process that writes nothing proves it as often. Shorter than `uncleanWaitMs`, or a successor misses what was answered.
   */
  readonly slowMs: number;
  /** How long a successor of an unclean stop waits before it reads the tail, in milliseconds. */
  readonly uncleanWaitMs: number;
  readonly initReplicaSet: boolean;
  readonly allowUnsafeMongod: boolean;
}

/** What else lives in the database and is brought up by the log's `open`, with clients of its own. */
export interface Companion {
  /** Opens what this mongod process has; calls `onLost` if another one answers it later. */
  open(processId: string, durable: WriteConcern, onLost: () => void): Promise<void>;
  /** Makes the server's indexes of entries; false: they are still being made. */
  ensureIndexes(): Promise<boolean>;
  /** Never throws. */
  close(): Promise<void>;
}
