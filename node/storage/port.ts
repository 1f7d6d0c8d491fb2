import type { HardState } from "../../cluster/types.js";
import type { HashHex, Height, NodeId, Term } from "../../shared/ids.js";
import type { Block, BlockHeader } from "../../shared/log/block.js";
import type { EntryView } from "../../shared/log/filter.js";
import type { BlockIndex, Run } from "../../shared/log/index.js";
import type { AlertStatus, IncidentDetails, Range } from "./incident.js";

/** A block as it is stored: with the compact range after it, so that restart and truncation cost O(1). */
export interface StoredBlock {
  readonly block: Block;
  /** The range's hashes, largest subtree first; checked by folding them to the header's rootHash. */
  readonly frontier: readonly Uint8Array[];
}

/** What stands beside a block in the index: derived from it, the first part committed to by its header. */
export interface IndexEntry {
  readonly index: BlockIndex;
  readonly own: Run;
}

/** A block to be stored, with its entry; a block without events has none. */
export interface NewBlock extends StoredBlock {
  readonly entry: IndexEntry | null;
}

/**
 * Why a storage operation failed.
 * - `not_stored`: certainly nothing was written (refused, or the database was never reached); of several blocks, perhaps some.
 * - `unknown`: it may or may not have been written; the caller must recover (close, reopen, re-read) and believe that.
 * - `conflict`: another document stands at that height, or the state's version moved.
 * - `not_owner`: another process owns this database now; this one must exit (78 if it is a foreign node id).
 * - `unfit`: the database cannot be used (foreign collections, version, topology); `message` is a sentence for a person; exit 78.
 * - `index_lost`: the index is not whole; it has to be made anew from the log before it can say that something is absent.
 */
export type StoreFailure = "not_stored" | "unknown" | "conflict" | "not_owner" | "unfit" | "index_lost";
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

/** One more than inserts may leave above a hole that arrive late: a write has 32 blocks at most, and two may be on their way. */
export const NEWEST_HEIGHTS = 65;

/** So far below the tail an insert that failed may have left its entry beside another's block: an opening takes it away. */
export const LEFT_BEHIND_BLOCKS = 64;

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
  /** The highest stored heights, as many as there are up to `NEWEST_HEIGHTS`, the highest first. */
  readonly newest: readonly Height[];
  /** Null: the index was lost, never made whole, or is of a database without one. */
  readonly index: IndexStanding | null;
  /** Work on entries that was begun and has not ended: what is missing in this range may be known to be missing. */
  readonly indexWork: IndexWork | null;
  /** What this server lacks compared with a journaled one-member replica set; sentences for the start-up log. */
  readonly warnings: readonly string[];
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
   * Inserts consecutive blocks in order, each at `_id` = height, and each after its entry: a stored block has its entry.
   * A second insert of the very same block by this process after an unknown outcome is a success. Of several the first
   * ones may be stored after any failure, and entries above them: the next opening deletes entries above the tail.
   */
  insertBlocks(stored: readonly NewBlock[]): Promise<void>;
  /**
   * Copies blocks from `from` up to quarantine, marks the truncation in the state, deletes top down, each block before
   * its entry, clears the mark.
   */
  truncate(from: Height, by: { term: Term; leaderId: NodeId }): Promise<void>;
  /**
   * From `from` upward while they fit; at least one if there is one. Blocks are as stored: verify them. What a client asked
   * for the database ends in time: it uses connections that writes use.
   */
  readBlocks(
    from: Height,
    limit: { bytesMax: number; blocksMax: number; isForClient?: boolean },
  ): Promise<StoredBlock[]>;
  /** The lowest height from `from` upward where something stands, whatever it says of itself; null where nothing does. */
  nextHeight(from: Height): Promise<Height | null>;
  /** Whole entries from a height on, ascending, at most `limit`. */
  readEntries(from: Height, limit: number): Promise<StoredEntry[]>;
  /**
   * Says in the state what is done to entries of stored blocks, before it is done. With `isLost` the index says from now
   * on that it is not whole; without it that has to be so still (`index_lost`). `onTaken` hears, before that is written, that
   * what it says of itself was taken away or changed; and whether it was whole, as no work was under way by the state.
   */
  beginIndexWork(work: IndexWork, isLost: boolean, onTaken?: (wasWhole: boolean) => void): Promise<void>;
  /**
   * Writes the entries of stored blocks anew; one that differs is copied to quarantine first and named in `differing`.
   * `onDiffering` hears of it before it is replaced: after a crash in between it still differs. Own terms made of other
   * payload paths than before are told by `ownMayDiffer`. Where `entry` is null nothing belongs:
   * what an insert left there that arrived late goes to quarantine. Within index work of this opening only.
   */
  putEntries(
    entries: readonly { readonly block: Pick<Block, "header" | "blockHash">; readonly entry: IndexEntry | null }[],
    options?: PutOptions,
  ): Promise<{ readonly differing: Height[] }>;
  /**
   * The work that was begun is over: the index is whole for everything stored, with the terms of these payload paths.
   * Throws `index_lost` if it was lost meanwhile.
   */
  endIndexWork(standing: IndexStanding): Promise<void>;
  /** 64 bytes a height of the page: block hash and head hash of 256 consecutive committed blocks; null if there is no page, or none that this node wrote of this log. */
  readAnchors(page: number, clusterId: HashHex): Promise<Uint8Array | null>;
  /** Several pages in one write. */
  writeAnchors(clusterId: HashHex, pages: ReadonlyMap<number, Uint8Array>): Promise<void>;
  /** Takes all pages away: an identity that this node has no more wrote them. */
  forgetAnchors(): Promise<void>;
  /** The genesis and of each node the newest block up to `through` that admits it, oldest first. */
  readMembershipBlocks(through: Height): Promise<StoredBlock[]>;
  /** The genesis and the blocks that open a term, up to `through`, newest first. */
  readElectionBlocks(through: Height, blocksMax: number): Promise<StoredBlock[]>;
  /**
   * Re-reads the owner; to be called after every pause of this process. Throws `not_owner` when another process (of
   * this node id, or of the node that the message names) has taken the database over.
   */
  checkOwner(): Promise<void>;
  /**
   * Called once an opening, when the driver finds another mongod process, or loses the server: then everything is opened
   * and recovered anew before anything is acknowledged.
   */
  onServerChange(listener: () => void): void;
  close(): Promise<void>;
}

/** What a filter asks of the index. Terms are 8 bytes each. */
export interface EntryQuery {
  /**
   * An entry that is found has at least one term of each group. The first group leads the search: the rarest one. A group
   * is of own terms if it has the term `wide` in it, else of names.
   */
  readonly groups: readonly (readonly Uint8Array[])[];
  /** Terms whose places are wanted, by run. */
  readonly names: readonly Uint8Array[];
  readonly own: readonly Uint8Array[];
  readonly wantsTimes: boolean;
  /** Heights, both ends inclusive. */
  readonly from: Height;
  readonly to: Height;
  readonly order: "asc" | "desc";
  readonly limit: number;
}

/** An entry as far as it was asked for: other terms have no places in it, and without `wantsTimes` it has no times. */
export interface FoundEntry extends EntryView {
  readonly height: Height;
  /** The sequence of the block's first event. */
  readonly first: number;
  /** Milliseconds since 1970. */
  readonly sealedAt: number;
}

/** An entry whole, as it is stored; what has lost its shape is null. */
export interface StoredEntry {
  readonly height: Height;
  readonly first: number;
  readonly count: number;
  readonly sealedAt: number;
  readonly blockHash: string;
  readonly entry: IndexEntry | null;
  /** Where `entry` is null: a member that has lost its shape. */
  readonly broken?: "runs" | "terms" | "places" | "times";
}

/** A range of heights, both ends inclusive. */
export interface IndexWork {
  readonly from: Height;
  readonly through: Height;
}

export interface PutOptions {
  readonly ownMayDiffer: boolean;
  /** Where own terms may differ: whether they are others than they may be. */
  readonly isOwnOther?: (found: Run, due: Run) => boolean;
  /** Up to this height all entries were there: one that is missing is told of as well. */
  readonly noneMissingThrough?: number;
  readonly onDiffering?: (entries: readonly DifferingEntry[]) => void;
}

/** An entry that was not its block's, or was missing. */
export interface DifferingEntry extends Pick<IncidentDetails, "sequences" | "differences"> {
  readonly height: Height;
  /** Its name in quarantine; null where it could not be kept, or was missing. */
  readonly kept: string | null;
  readonly isMissing?: true;
}

/** What the index says of itself: null where it is not whole, because it was lost, or is being made. */
export interface IndexStanding {
  /** Payload paths whose terms all entries have. */
  readonly paths: readonly string[];
}

/** Thrown by reads of an index that is not whole: it was lost under this process, or is being made anew. */
export const indexLost = (): StoreError => new StoreError("index_lost", "The index of this database is not whole.");

/**
 * What answers are made from: blocks and their entries, over connections of its own. What is read is as stored: a block
 * has to be proved before anything of it is shown. Every command has a limit in time. Throws StoreError.
 */
export interface LogReader {
  /** The blocks at these heights, without signature and frontier, their parts within what was read with them, ascending or descending, in the order given while they fit; at least the first if it is there. */
  readBlocks(heights: readonly Height[], bytesMax: number): Promise<StoredBlock[]>;
  /** Headers without bodies, ascending, of the heights from `from` to `to` (inclusive). */
  readHeaders(from: Height, to: Height): Promise<{ readonly header: BlockHeader; readonly blockHash: string }[]>;
  /**
   * Entries in order of height. Throws `index_lost` where the index is not whole: what it does not find would be taken
   * for absent.
   */
  find(query: EntryQuery): Promise<FoundEntry[]>;
  /** Only the heights of entries that have a term of the group, in order. Throws like `find`. */
  heights(group: readonly Uint8Array[], range: Pick<EntryQuery, "from" | "to" | "order" | "limit">): Promise<Height[]>;
  /** How many entries between two heights (inclusive) have a term of the group; counts no further than `cap`. */
  estimate(group: readonly Uint8Array[], range: { from: Height; to: Height }, cap: number): Promise<number>;
  /** The block up to a height that says that it holds this sequence, like those of `readBlocks`; null if none does. */
  holding(sequence: number, through: Height): Promise<StoredBlock | null>;
  /** Up to `limit` entries from a height up or down, without places and times. */
  neighbours(from: Height, order: "asc" | "desc", limit: number): Promise<FoundEntry[]>;
}

/** Look-ups that writes wait for, over connections of their own: clients' reads cannot hold them up. */
export interface KeyReader {
  /** Heights of blocks whose entries have the key's term, ascending, at most `limit`. Throws `index_lost` like `find`. */
  heightsOfKey(term: Uint8Array, limit: number): Promise<Height[]>;
  /** All key terms of entries from a height on, in order: for a filter in memory. Null after the last. */
  keyTerms(from: Height, limit: number): Promise<{ readonly terms: Uint8Array[]; readonly next: Height | null }>;
}

/** An alert as it is kept and shown. */
export interface AlertRecord extends IncidentDetails {
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
  readonly status: AlertStatus;
  readonly endedAt?: string;
}

/** Which alerts a list has: those that nobody has resolved, the others, or all. */
export type AlertsWanted = "unresolved" | "resolved" | "all";

export interface AlertStore {
  /**
   * Opens an alert, or counts one more occurrence of the one with the same kind, accused, height and sequence; one that was
   * resolved is open again.
   */
  raise(
    alert: Omit<AlertRecord, "id" | "openedAt" | "lastSeenAt" | "occurrences" | "status">,
    at: string,
  ): Promise<AlertRecord>;
  /**
   * Puts an alert in the place of the one with the same id; beside it the very heights that were found, where those that it
   * shows were put together.
   */
  save(alert: AlertRecord, found?: readonly Range[]): Promise<void>;
  /** The heights beside it; null: it shows the very ones, or there is no such alert that this node wrote. */
  foundHeights(id: string): Promise<readonly Range[] | null>;
  /** Null: there is none with this id, or none that this node wrote. */
  get(id: string): Promise<AlertRecord | null>;
  /** The newest first; those that this node did not write so are left out. */
  list(limit: number, wanted?: AlertsWanted): Promise<AlertRecord[]>;
  count(wanted?: AlertsWanted): Promise<number>;
  /** Whether this node wrote it so. */
  standing(id: string): Promise<"ours" | "absent" | "altered">;
}

/** One node's storage. Log, look-ups and reads have a client each, so that reads hold up neither a vote nor a write. */
export interface Storage {
  readonly log: LogStore;
  readonly keys: KeyReader;
  readonly reader: LogReader;
  readonly alerts: AlertStore;
  /** Free bytes of the volume that holds the database's files; null if the server does not say. */
  freeBytes(): Promise<number | null>;
}
