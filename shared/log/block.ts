import { ByteReader, ByteWriter, fromUtf8, utf8 } from "../bytes.js";
import { canonicalText } from "../canonical.js";
import { sha256Hex, sha256HexOf } from "../hash.js";
import type { HashHex, Height, NodeId, Sequence, Term, TreeSize } from "../ids.js";
import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../limits.js";
import { BodyReader } from "./body.js";
import { BodyError } from "./body-bytes.js";
import type { Control } from "./control.js";
import { ProvedBodyReader } from "./proved-body.js";

/** What the leader signs. Headers are chained, so equal block hashes mean equal history. */
export interface BlockHeader {
  readonly version: 2;
  /** The genesis' block hash; empty in the genesis itself. */
  readonly clusterId: HashHex | "";
  readonly height: Height;
  readonly term: Term;
  readonly leaderId: NodeId;
  /** 64 zeros in the genesis. */
  readonly previousBlockHash: HashHex;
  /** The first event's sequence; in an empty block the next one. */
  readonly firstSequence: Sequence;
  readonly eventCount: number;
  /** The last event's hash of the log up to and with this block; "" while it has none. */
  readonly headHash: HashHex | "";
  readonly treeSize: TreeSize;
  readonly rootHash: HashHex;
  /** The hash of the body as it was sealed. A body with this hash is the one that was checked when the block was stored. */
  readonly bodyHash: HashHex;
  /** The hash of the committed part of the block's index entry. */
  readonly indexHash: HashHex;
  /** What the leader knew to be committed when it sealed. */
  readonly commitHeight: Height;
  /** RFC 3339 UTC with milliseconds, never decreasing; it is also every event's `recordedAt`. */
  readonly sealedAt: string;
  readonly control?: Control;
}

/** What is replicated and stored: zero or more consecutive events with one signed header. */
export interface Block {
  readonly header: BlockHeader;
  readonly blockHash: HashHex;
  /** Ed25519 by the leader's block key, over the same bytes that are hashed. */
  readonly signature: Uint8Array;
  /** The two parts of the body (body.ts). */
  readonly records: Uint8Array;
  readonly payloads: Uint8Array;
}

const BLOCK_DOMAIN = "quorumlog/block/v1\n";

/** The bytes that are hashed and signed: "quorumlog/block/v1\n" || RFC 8785 of the header. */
export const headerBytes = (header: BlockHeader): Uint8Array => utf8(BLOCK_DOMAIN + canonicalText(header));
export const hashHeader = (header: BlockHeader): HashHex => sha256Hex(headerBytes(header));

export const blockBytes = (block: Block): number => block.records.length + block.payloads.length;

/** The block's events, decoded one after the other; `previousHash` is the hash of the event before it. Throws BodyError. */
export function bodyReader(block: Block, previousHash: HashHex | ""): BodyReader {
  assertWithinLimits(block);
  return new BodyReader(block, { ...block.header, previousHash });
}

/** The same for a block that is proved: any event without those before it. */
export function provedBodyReader(block: Block, previousHash: HashHex | ""): ProvedBodyReader {
  assertWithinLimits(block);
  return new ProvedBodyReader(block, { ...block.header, previousHash });
}

function assertWithinLimits(block: Block): void {
  if (block.header.eventCount > BLOCK_EVENTS_MAX || blockBytes(block) > BLOCK_BYTES_MAX)
    throw new BodyError("the block is over its limits");
}

/** One block as bytes for the wire: u32 length and canonical header, signature, u32 length and each body part. */
export function encodeBlock(block: Block): Uint8Array {
  const header = utf8(canonicalText(block.header));
  const parts = [header, block.signature, block.records, block.payloads];
  const writer = new ByteWriter(parts.reduce((length, part) => length + 4 + part.length, 0));
  for (const part of parts) writer.field(part);
  return writer.bytes;
}

/** Control records name members and keys, so a header can be larger than its fields; this bounds what is parsed. */
const HEADER_BYTES_MAX = 64 * 1024;

/** Throws on bytes that are no block. The block hash is computed; nothing is verified yet. */
export function decodeBlock(bytes: Uint8Array, parseHeader: (value: unknown) => BlockHeader): Block {
  const reader = new ByteReader(bytes);
  const header = reader.field();
  if (header.length > HEADER_BYTES_MAX) throw new RangeError("block header too large");
  const text = fromUtf8(header);
  const value = JSON.parse(text) as unknown;
  // One header has one text: otherwise the hash of these bytes would not be the hash of what they say.
  if (canonicalText(value) !== text) throw new RangeError("the block header is not in canonical form");
  const parsed = parseHeader(value);
  const signature = reader.field();
  const records = reader.field();
  const payloads = reader.field();
  if (reader.remaining > 0) throw new RangeError("bytes after the block");
  return { header: parsed, blockHash: sha256HexOf(utf8(BLOCK_DOMAIN), header), signature, records, payloads };
}
