import type { StoredBlock } from "./port.js";

/** What a person decided to do to this node's database. The caller does it between the replica's own writes. */
export interface RepairStore {
  /** Puts proved blocks in the places of others, or where none are, durable when this resolves. */
  putBlocks(stored: readonly StoredBlock[]): Promise<void>;
  /**
   * Takes out documents with these ids, and those with a fraction for an id just above one of `besides`. Each is kept in
   * quarantine first; answers with the names there.
   */
  removeForged(ids: readonly unknown[], besides: readonly number[]): Promise<string[]>;
  /** Deletes all blocks and entries, then throws StoreError `unknown`: the store has to be opened again. */
  clear(): Promise<void>;
}
