import type { JsonObject } from "../../shared/canonical.js";
import type { HashHex, Height } from "../../shared/ids.js";
import type { StoredBlock, StoredEntry } from "./port.js";

/** Kinds of control records that a start reads for what they say of alerts. */
export type ToldControl = "alert_records" | "maintenance";

/** A document that stands where a block belongs, as it is. */
export interface FoundBlock extends StoredBlock {
  /** Its id, whatever its header says; one that somebody has put there may be no whole number. */
  readonly at: number;
  /** The header before it was given a shape. */
  readonly rawHeader: unknown;
}

/** A document that stands where an entry belongs. */
export interface FoundIndexEntry extends StoredEntry {
  /** The height that its id says; one that somebody has put there may be no whole number. */
  readonly at: number;
}

/** An entry as it was kept in quarantine, and its name there. */
export interface KeptEntry {
  readonly name: string;
  readonly entry: StoredEntry;
}

/** A document in the collection of blocks and entries that belongs to neither. */
export interface Stranger {
  /** Its id, as text, and as it is. */
  readonly id: string;
  readonly rawId: unknown;
  /** Null where its id is no height. */
  readonly block: FoundBlock | null;
}

/** What somebody has signed. */
export interface KeptHeader {
  /** RFC 8785. */
  readonly header: string;
  /** As hex. */
  readonly signature: string;
}

/** A document in quarantine. */
export interface KeptDocument {
  readonly id: string;
  /** The height of the place where it stood, whatever it says of itself; null where it is none. */
  readonly height: number | null;
  /** RFC 3339. */
  readonly keptAt: string;
  /** False: bodies of old ones are not kept. */
  readonly isWhole: boolean;
  /** As MongoDB Extended JSON, canonical: every type can be told. */
  readonly document: JsonObject;
}

/** What an id in the collection of blocks and entries stands for. */
export type PlaceInLog =
  | { readonly kind: "block" | "entry"; readonly at: Height }
  /** What says that the index is whole; or nothing of ours. */
  | { readonly kind: "marker" | "other" };

/** What the index says of itself: that it is whole; that a work of this node's makes it so; or nothing that this node has written. */
export type IndexAccount = "whole" | "own work" | "other";

/** One change in this node's database, by whomever. */
export interface StoreChange {
  readonly operation: string;
  /** Empty where the whole database is meant. */
  readonly collection: string;
  /** Of a renamed collection: its new name, in the place of whatever had that. */
  readonly to?: string;
  /** Of one document. */
  readonly id?: unknown;
  /** What stands there, in the collection of blocks and entries. */
  readonly place?: PlaceInLog;
  /** What an update has set or taken away, by the names of the document's members. */
  readonly fields: readonly string[];
  /** RFC 3339: when, by the server's clock. */
  readonly at: string;
}

/** Changes from a place on, in their order. */
export interface StoreChanges {
  /** Null: there is no further one at the moment. Throws `unknown` when the source has ended. */
  next(): Promise<StoreChange | null>;
  /** A place behind everything that `next` has given. */
  readonly place: string | null;
  close(): Promise<void>;
}

/** Why changes cannot be watched from a place: the server keeps none (`unsupported`), or not those any more (`lost`). */
export type WatchFault = "unsupported" | "lost";

/**
 * This node's own database as somebody sees it who looks for what others did to it: past every cache, over a connection
 * of its own. Throws StoreError like the readers.
 */
export interface IntegrityStore {
  /** Blocks at these heights that are there. */
  blocksAt(heights: readonly Height[]): Promise<FoundBlock[]>;
  /** With ids from `from` upward, ascending, while they fit; at least one if there is one. */
  blocksFrom(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<FoundBlock[]>;
  /** Entries of heights, both ends inclusive. */
  entriesBetween(from: Height, through: Height): Promise<FoundIndexEntry[]>;
  /** Some of the documents above this height, of entries far above it, and of those whose id is no number. */
  strangers(above: Height): Promise<Stranger[]>;
  /** Keeps the document with this id in quarantine; the name that it has there, or null if there is none. */
  keep(id: number): Promise<string | null>;
  /** The same of the index entry of a height. */
  keepEntry(at: Height): Promise<KeptEntry | null>;
  /** The same of a document that somebody planted; of a large one the hash alone. */
  keepPlanted(id: unknown): Promise<string | null>;
  /** Keeps signed headers in quarantine, as evidence; the name that they have there. */
  keepHeaders(headers: readonly KeptHeader[]): Promise<string>;
  /** What quarantine has under these names, the oldest first. */
  kept(names: readonly string[]): Promise<KeptDocument[]>;
  /** What is wrong with the document of hard state, as a sentence; null if it is as this node wrote it. */
  stateFault(): Promise<string | null>;
  indexAccount(): Promise<IndexAccount>;
  /** Whether this node wrote the page of anchors; `absent` may be so. */
  anchorStanding(page: number, clusterId: HashHex): Promise<"ours" | "absent" | "altered">;
  /** Heights of the newest blocks up to `through` with records of that kind, ascending. */
  controlHeights(kind: ToldControl, through: Height, countMax: number): Promise<Height[]>;
  /** Changes from a place on, or from now on. Throws WatchError. */
  changes(from: string | null): Promise<StoreChanges>;
}

export class WatchError extends Error {
  constructor(
    readonly fault: WatchFault,
    message: string,
  ) {
    super(message);
    this.name = "WatchError";
  }
}
