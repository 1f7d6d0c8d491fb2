import { ByteReader, ByteWriter, fromUtf8, utf8 } from "../../shared/bytes.js";
import { BLOCK_BYTES_MAX, MESSAGE_BLOCKS_MAX } from "../../shared/limits.js";
import { type Block, blockBytes, decodeBlock, encodeBlock } from "../../shared/log/block.js";
import { type PeerMessage, parseHeader, peerMessageSchema } from "../../shared/protocol/messages.js";
import { MESSAGE_BYTES_MAX, MESSAGE_JSON_BYTES_MAX } from "./limits.js";

const SIGNATURE_BYTES = 64;

/** u32 length and JSON of everything but the blocks, then per block u32 length and its bytes. */
export function encodeMessage({ blocks, ...message }: PeerMessage): Buffer {
  if (blocks.length > MESSAGE_BLOCKS_MAX) throw new RangeError(`${blocks.length} blocks in one message`);
  const json = utf8(JSON.stringify(message));
  const parts = [json, ...blocks.map(encodeBlock)];
  const length = parts.reduce((sum, part) => sum + 4 + part.length, 0);
  if (length > MESSAGE_BYTES_MAX) throw new RangeError(`a message of ${length} bytes`);
  const writer = new ByteWriter(length);
  for (const part of parts) writer.field(part);
  return Buffer.from(writer.bytes.buffer);
}

/**
 * Throws on bytes that are no message. They come from the network; the HMAC says who sent them, not that they are well
 * formed. Blocks are parsed, nothing about them is verified yet. The parts share memory with `bytes`.
 */
export function decodeMessage(bytes: Uint8Array): PeerMessage {
  if (bytes.length > MESSAGE_BYTES_MAX) throw new RangeError("message too large");
  // A plain view: a Buffer's subarray would leak Buffers into code that compares and stores Uint8Arrays.
  const reader = new ByteReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  const json = reader.field();
  if (json.length > MESSAGE_JSON_BYTES_MAX) throw new RangeError("message header too large");
  const message = peerMessageSchema.parse(JSON.parse(fromUtf8(json)));
  const blocks: Block[] = [];
  while (reader.remaining > 0) {
    if (blocks.length === MESSAGE_BLOCKS_MAX) throw new RangeError("too many blocks");
    const block = decodeBlock(reader.field(), parseHeader);
    if (block.signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature has 64 bytes");
    if (blockBytes(block) > BLOCK_BYTES_MAX) throw new RangeError("block over its limit");
    blocks.push(block);
  }
  return { blocks, ...message };
}
