import { Binary, type BSON } from "mongodb";
import { type HashHex, type Height, height } from "../../../shared/ids.js";
import type { Block, BlockHeader } from "../../../shared/log/block.js";
import { parseHeader } from "../../../shared/protocol/messages.js";
import type { StoredBlock } from "../port.js";

/** The server fills a batch up to 16 MiB whatever of it is wanted, and blocks may be large. */
export const READ_BATCH_BLOCKS = 8;

/** A block in the collection `blocks`. */
export interface BlockDocument {
  /** The height, from 1: entries stand below zero. */
  readonly _id: number;
  readonly header: BlockHeader;
  readonly blockHash: HashHex;
  readonly signature: Uint8Array;
  readonly records: Uint8Array;
  readonly payloads: Uint8Array;
  readonly frontier: readonly Uint8Array[];
  /**
   * Names one insert: a delete of an earlier truncation that arrives late must not hit the same block stored again,
   * and a duplicate key is our own doing only if it is this one.
   */
  readonly writeId: string;
}

/** What really comes out of the collection: it was written by us, or by someone with access to the database. */
export type StoredDocument = BSON.Document & { readonly _id: number };

export function blockDocument(stored: StoredBlock, writeId: string): BlockDocument {
  const { header, blockHash, signature, records, payloads } = stored.block;
  return { _id: header.height, header, blockHash, signature, records, payloads, frontier: stored.frontier, writeId };
}

/**
 * The block as it is stored, for the caller to verify. What no longer has the shape of a block becomes one that fails
 * verification at once (version 0, empty fields), so that an altered document is a finding and never a crash.
 */
export function storedBlock(document: StoredDocument): StoredBlock {
  const block: Block = {
    header: headerOf(document),
    blockHash: typeof document.blockHash === "string" ? document.blockHash : "",
    signature: bytesOf(document.signature),
    records: bytesOf(document.records),
    payloads: bytesOf(document.payloads),
  };
  const frontier: unknown = document.frontier;
  return { block, frontier: Array.isArray(frontier) ? frontier.map(bytesOf) : [] };
}

/**
 * The same for a caller that compares the header's hash with one that it knows: the header is as it was found, and has
 * its shape if it has that hash. Its parts are within the driver's answer: who keeps them copies them.
 */
export function unprovedBlock(document: StoredDocument): StoredBlock {
  const { header } = document;
  const isObject = typeof header === "object" && header !== null;
  const block: Block = {
    header: isObject ? (header as BlockHeader) : headerOf(document),
    blockHash: typeof document.blockHash === "string" ? document.blockHash : "",
    signature: NOT_READ,
    records: viewOf(document.records),
    payloads: viewOf(document.payloads),
  };
  return { block, frontier: [] };
}
const NOT_READ = new Uint8Array(0);
/** What `unprovedBlock` leaves out. */
export const PROVED_LATER = { signature: 0, frontier: 0 } as const;

function headerOf(document: StoredDocument): BlockHeader {
  try {
    return parseHeader(document.header);
  } catch {
    const at: Height = height(Number.isSafeInteger(document._id) && document._id > 0 ? document._id : 0);
    return { height: at, version: 0, eventCount: 0 } as unknown as BlockHeader;
  }
}

function viewOf(value: unknown): Uint8Array {
  if (!(value instanceof Binary)) return new Uint8Array();
  const { buffer, byteOffset, byteLength } = value.value();
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A copy, so that a small field does not keep the driver's whole answer in memory. */
function bytesOf(value: unknown): Uint8Array {
  return value instanceof Binary ? new Uint8Array(value.value()) : new Uint8Array();
}

/** Bytes that a stored block takes in memory and on the wire; header and frontier are estimated. */
export function storedBytes(document: StoredDocument): number {
  const length = (value: unknown): number => (value instanceof Binary ? value.length() : 0);
  return length(document.records) + length(document.payloads) + 4_096;
}
