import { ByteReader, ByteWriter, fromUtf8, utf8 } from "../bytes.js";
import { canonicalText } from "../canonical.js";
import { sha256Hex, sha256HexOf } from "../hash.js";
import type { HashHex, Height, NodeId, Sequence, Term, TreeSize } from "../ids.js";
import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX, SALT_BYTES } from "../limits.js";
import type { Control } from "./control.js";
import type { EventRecord, LoggedEvent, PreparedEvent } from "./event.js";
import { recordText } from "./event.js";

/** What the leader signs. Headers are chained, so equal block hashes mean equal history. */
export interface BlockHeader {
  readonly version: 1;
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
  /** Per event: u32 length (big-endian) and record. */
  readonly records: Uint8Array;
  /** Per event: u32 length (big-endian) and canonical payload, then 16 bytes of salt. */
  readonly payloads: Uint8Array;
}

const BLOCK_DOMAIN = "quorumlog/block/v1\n";

/** The bytes that are hashed and signed: "quorumlog/block/v1\n" || RFC 8785 of the header. */
export const headerBytes = (header: BlockHeader): Uint8Array => utf8(BLOCK_DOMAIN + canonicalText(header));
export const hashHeader = (header: BlockHeader): HashHex => sha256Hex(headerBytes(header));

export const blockBytes = (block: Block): number => block.records.length + block.payloads.length;

export function encodeBody(events: readonly LoggedEvent[]): { records: Uint8Array; payloads: Uint8Array } {
  let recordsLength = 0;
  let payloadsLength = 0;
  for (const { recordBytes, payload, payloadSalt } of events) {
    recordsLength += 4 + recordBytes.length;
    payloadsLength += 4 + payload.length + payloadSalt.length;
  }
  const records = new ByteWriter(recordsLength);
  const payloads = new ByteWriter(payloadsLength);
  for (const event of events) {
    records.field(event.recordBytes);
    payloads.field(event.payload).put(event.payloadSalt);
  }
  return { records: records.bytes, payloads: payloads.bytes };
}

/**
 * The events of a block as they were encoded; hashes are computed, nothing else is checked against the header.
 * Throws RangeError or SyntaxError on a body that is not exactly its own re-encoding: the bytes come from a peer
 * or a database.
 */
export function decodeBody(block: Block): LoggedEvent[] {
  const count = block.header.eventCount;
  if (count > BLOCK_EVENTS_MAX || blockBytes(block) > BLOCK_BYTES_MAX) throw new RangeError("block over its limits");
  const records = new ByteReader(block.records);
  const payloads = new ByteReader(block.payloads);
  const events: LoggedEvent[] = [];
  for (let i = 0; i < count; i++) {
    const recordBytes = records.field();
    const text = fromUtf8(recordBytes);
    const record = JSON.parse(text) as EventRecord;
    // The template writes exactly the known members: equality proves canonical form and that nothing is added.
    if (recordText(record) !== text) throw new SyntaxError(`record ${i} is not in canonical form`);
    const payload = payloads.field();
    events.push({ record, recordBytes, hash: sha256Hex(recordBytes), payload, payloadSalt: payloads.take(SALT_BYTES) });
  }
  if (records.remaining > 0 || payloads.remaining > 0) throw new RangeError("bytes after the last event");
  return events;
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
  const parsed = parseHeader(JSON.parse(fromUtf8(header)));
  const signature = reader.field();
  const records = reader.field();
  const payloads = reader.field();
  if (reader.remaining > 0) throw new RangeError("bytes after the block");
  return { header: parsed, blockHash: sha256HexOf(utf8(BLOCK_DOMAIN), header), signature, records, payloads };
}

/** Room for a record's fixed members, braces and hashes, beside its texts. */
const RECORD_FIXED_BYTES_MAX = 640;

/** An upper bound of what an event will take in a block's body, known before its record is made. */
export function eventBytesBound(event: PreparedEvent): number {
  const characters =
    event.eventType.length + event.timestamp.length + event.sourceAppId.length + (event.idempotencyKey?.length ?? 0);
  // One UTF-16 unit takes at most 3 bytes of UTF-8; the door refuses control characters, which would take 6.
  return 4 + RECORD_FIXED_BYTES_MAX + 3 * characters + 4 + event.payload.length + SALT_BYTES;
}
