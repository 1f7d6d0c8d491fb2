import type { LogStore, Storage } from "../../node/storage/port.js";
import { height } from "../../shared/ids.js";
import type { WriteFault, WritePause } from "../doubles/memory-database.js";
import type { MemorySelf } from "../doubles/memory-log-store.js";

export type DroppedPart = "entries" | "marker" | "terms";

/** One durable database and what can happen to it. */
export interface StorageHarness {
  /** The storage of a process; the harness closes what a test leaves open. */
  process(self: MemorySelf): Storage;
  /** Somebody sets members of the stored hard state behind the node's back. */
  alterState(change: { term?: number; votedFor?: string }): Promise<void>;
  /** The log write after the next `skip` ones fails so; its answer is given up soon. */
  failNextWrite(fault: Exclude<WriteFault, "not_stored">, skip?: number): void;
  /** Takes an armed fault back; true if it had struck already. */
  disarm(): boolean;
  /** The log write after the next `skip` ones waits, and its process with it, until it is resumed. */
  pauseNextWrite(skip?: number): WritePause;
  /** Lets the held write reach the database, and resolves when the database has dealt with it. */
  deliverLate(): Promise<void>;
  /** Kills the server and starts it again. */
  restartServer(): Promise<void>;
  quarantinedHeights(): Promise<number[]>;
  quarantinedEntries(): Promise<number[]>;
  /** Somebody deletes all entries, or what tells that they are whole, or drops the server's index of their terms. */
  dropIndex(what: DroppedPart): Promise<void>;
  /** Somebody, or a crash in the middle of a command, takes a block away; its entry stays. */
  removeBlock(at: number): Promise<void>;
  /** Somebody removes an entry, or changes its first name, its last own term, or all of its shape. */
  alterEntry(at: number, what: "removed" | "names" | "own" | "shape"): Promise<void>;
  alterAnchors(page: number): Promise<void>;
  dispose(): Promise<void>;
}

export const entryHeights = async (store: LogStore): Promise<number[]> =>
  (await store.readEntries(height(1), 10_000)).map((entry) => entry.height);
