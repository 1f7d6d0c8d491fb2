import { type StoredBlock, StoreError } from "./port.js";

/** The store is empty, and has to be opened again. Nothing else says that it is. */
export class LogCleared extends StoreError {
  constructor() {
    super("unknown", "The log was cleared: it has to be opened again.");
  }
}

/** What a person decided to do to this node's database. The caller does it between the replica's own writes. */
export interface RepairStore {
  /** Puts proved blocks in the places of others, or where none are, durable when this resolves. */
  putBlocks(stored: readonly StoredBlock[]): Promise<void>;
  /**
   * Takes out documents with these ids, and those with a fraction for an id just above one of `besides`. Each is kept in
   * quarantine first; answers with the names there.
   */
  removeForged(ids: readonly unknown[], besides: readonly number[]): Promise<string[]>;
  /**
   * Takes a new join nonce, so that this node counts for nothing from then on, whatever happens; asks whether it may go
   * on; deletes all blocks and entries; then throws LogCleared. What the question throws is thrown, nothing is
   * deleted, and the node counts as before. Any other error leaves the beginning of a log, of a node that joins anew.
   */
  clear(mayGoOn: () => Promise<void>): Promise<void>;
}
