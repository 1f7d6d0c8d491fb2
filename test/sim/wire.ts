import { isDeepStrictEqual } from "node:util";
import { decodeBlock, encodeBlock } from "../../shared/log/block.js";
import { type PeerMessage, parseHeader, peerMessageSchema } from "../../shared/protocol/messages.js";
import { check } from "./violation.js";

/** Whatever a replica sends must survive the journey: JSON by the schema, blocks as bytes. */
export function checkWireForm(message: PeerMessage): void {
  const { blocks, ...rest } = message;
  const parsed = peerMessageSchema.safeParse(JSON.parse(JSON.stringify(rest)));
  check(parsed.success, "wire", () => `${message.body.kind} is not what the schema says: ${parsed.error?.message}`);
  check(isDeepStrictEqual(parsed.data, JSON.parse(JSON.stringify(rest))), "wire", () => `${message.body.kind} changes`);
  for (const block of blocks)
    check(
      decodeBlock(encodeBlock(block), parseHeader).blockHash === block.blockHash,
      "wire",
      () => `block ${block.header.height} changes when it is encoded`,
    );
}
