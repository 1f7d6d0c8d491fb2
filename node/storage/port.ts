import type { HardState } from "../../cluster/types.js";
import type { HashHex, Height, NodeId, Term } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { EventView } from "../../shared/log/event.js";

/** A block as it is stored: with the compact range after it, so that restart and truncation cost O(1). */
export interface StoredBlock {
  readonly block: Block;
  /** The range's hashes, largest subtree first; checked by folding them to the header's rootHash. */
  readonly frontier: readonly Uint8Array[];
}

/**
 * Why a storage operation failed.
 * - `not_stored`: certainly nothing was written (refused, or the database was never reached); of several blocks, perhaps some.
 * - `unknown`: it may or may not have been written; the caller must recover (close, reopen, re-read) and believe that.
 * - `conflict`: another document stands at that height, or the state's version moved.
 * - `not_owner`: another process owns this database now; this one must exit (78 if it is a foreign node id).
 * - `unfit`: the database cannot be used (foreign collections, version, topology); `message` is a sentence for a person; exit 78.
 * - `index_rebuilding`: the index does not have all committed blocks at present, so nothing can be called absent.
 */
export type StoreFailure = "not_stored" | "unknown" | "conflict" | "not_owner" | "unfit" | "index_rebuilding";
export class StoreError extends Error {
  constructor(
    readonly failure: StoreFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "StoreError";
  }
}

/** What opening a store finds. */
export interface OpenedStore {
  /** null: this database holds no state of this node that can be believed (a new join nonce must be made and saved). */
  readonly hardState: HardState | null;
  /** It holds one that this node did not write so: its term and vote are not what they were. */
  readonly isStateAltered: boolean;
  /** 32 hex digits, made at the first opening: names this database. */
  readonly storeId: string;
  /** Raised once a process, in the database first; the caller then raises it in the identity file. */
  readonly bootCounter: number;
  /**
   * What this opening found, before it raised it; 0 in a new database. Below the identity file's counter, the database
   * has gone back (`bootCounter` itself would hide a step back of one).
   */
  readonly previousBootCounter: number;
  /** The highest stored height; 0 when empty. */
  readonly tailHeight: Height;
  readonly projectedThrough: number;
  /** What this server lacks compared with a journaled one-member replica set; sentences for the start-up log. */
  readonly warnings: readonly string[];
  /** Changes when the mongod process does: then everything is recovered anew before anything is acknowledged. */
  readonly serverProcessId: string;
}

/**
 * The log of one node: hashed blocks and one document of hard state. Every write is durable (journaled) when its
 * promise resolves. The caller does one operation at a time; the store need not order concurrent ones.
 */
export interface LogStore {
  /**
   * Connects, checks the server and the collections, takes ownership for this boot, finishes an open truncation.
   * Can be called again after a failure: it makes a new client and re-reads everything. A database whose boot counter is
   * below `knownBootCounter` has gone back: its counter is not raised, so that every opening finds that out until the
   * node has joined anew.
   */
  open(knownBootCounter?: number): Promise<OpenedStore>;
  /**
   * Replaces the hard state by compare-and-swap; the term never decreases. A node that joins anew sets the boot counter
   * with it, above every one that it had before: no older copy of the database passes for the present one.
   */
  saveState(state: HardState, bootCounter?: number): Promise<void>;
  /**
   * Inserts consecutive blocks in order, each at `_id` = height. A second insert of the very same block by this process
   * after an unknown outcome is a success. Of several the first ones may be stored after any failure.
   */
  insertBlocks(stored: readonly StoredBlock[]): Promise<void>;
  /** Copies blocks from `from` up to quarantine, marks the truncation in the state, deletes top down, clears the mark. */
  truncate(from: Height, by: { term: Term; leaderId: NodeId }): Promise<void>;
  /** From `from` upward while they fit; at least one if there is one. Blocks are as stored: verify them. */
  readBlocks(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<StoredBlock[]>;
  /** The genesis and the node_admitted blocks, oldest first. */
  readMembershipBlocks(): Promise<StoredBlock[]>;
  /** The genesis and the blocks that open a term, up to `through`, newest first. */
  readElectionBlocks(through: Height, blocksMax: number): Promise<StoredBlock[]>;
  /**
   * Re-reads the owner; to be called after every pause of this process. Throws `not_owner` when another process (of
   * this node id, or of the node that the message names) has taken the database over.
   */
  checkOwner(): Promise<void>;
  readonly serverProcessId: string;
  /** Called once an opening, when the driver finds another mongod process, or loses the server: open again. */
  onServerChange(listener: () => void): void;
  close(): Promise<void>;
}

export interface EventFilter {
  readonly eventType?: string;
  readonly sourceAppId?: string;
  /** Milliseconds since 1970 of the event's own timestamp, both ends inclusive. */
  readonly timestampFrom?: number;
  readonly timestampTo?: number;
  /** RFC 3339 UTC with milliseconds on `recordedAt`: inclusive, exclusive. */
  readonly recordedSince?: string;
  readonly recordedUntil?: string;
}

export interface KeyHit {
  readonly sequence: number;
  readonly id: string;
  readonly hash: HashHex;
  readonly height: Height;
}

export interface ProjectionPage {
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly skip?: number;
  readonly after?: number;
  readonly before?: number;
  readonly through?: number;
}

/** Why a page is not given whose end was seen once. */
export const endsBelow = (through: number): StoreError =>
  new StoreError(
    "not_stored",
    `The newest of ${through} events are being projected anew after MongoDB was started again.`,
  );

/** The queryable collection, derived from committed blocks. Reads see events below `through` only. */
export interface Projection {
  /** How many events are projected: all with sequence < through. */
  readonly through: number;
  /** Committed events in order, the first with sequence = `through` (earlier ones are skipped). Idempotent after a crash. */
  apply(events: readonly EventView[]): Promise<void>;
  get(sequence: number): Promise<EventView | null>;
  /**
   * In log order or reversed, events with sequence strictly between `after` and `before` where given. Throws StoreError
   * `not_stored` if the projection ends below `through`: one that was seen to reach farther has lost its newest rows since.
   */
  list(filter: EventFilter, page: ProjectionPage): Promise<EventView[]>;
  /** Exact without filters; with filters counted up to `cap`, then `isCapped`. */
  count(filter: EventFilter, cap: number): Promise<{ total: number; isCapped: boolean }>;
  findByKey(sourceAppId: string, idempotencyKey: string): Promise<KeyHit | null>;
}

/** An alert as it is kept and shown. */
export interface AlertRecord {
  readonly id: string;
  readonly kind: string;
  readonly severity: "critical" | "warning";
  /** The node that raised it. */
  readonly node: NodeId;
  /** The node whose data or message is wrong. */
  readonly accused: NodeId;
  readonly height?: number;
  readonly sequence?: number;
  readonly detail: string;
  readonly openedAt: string;
  readonly lastSeenAt: string;
  /** How often the same finding came again. */
  readonly occurrences: number;
  readonly status: "open";
}

export interface AlertStore {
  /** Opens an alert, or counts one more occurrence of the open one with the same kind, accused, height and sequence. */
  raise(
    alert: Omit<AlertRecord, "id" | "openedAt" | "lastSeenAt" | "occurrences" | "status">,
    at: string,
  ): Promise<AlertRecord>;
  list(limit: number): Promise<AlertRecord[]>;
}

/** One node's storage. The log has a client of its own, so that reads cannot hold up a vote. */
export interface Storage {
  readonly log: LogStore;
  readonly projection: Projection;
  readonly alerts: AlertStore;
  /** Free bytes of the volume that holds the database's files; null if the server does not say. */
  freeBytes(): Promise<number | null>;
}
