import { isDeepStrictEqual } from "node:util";
import { type Block, decodeBlock, encodeBlock } from "../../shared/log/block.js";
import { type PeerMessage, parseHeader, peerMessageSchema } from "../../shared/protocol/messages.js";
import { check } from "./violation.js";

/** Blocks that survived it: leaders send the same object again. */
const whole = new WeakSet<Block>();

/** Whatever a replica sends must survive the journey: JSON by the schema, blocks as bytes. */
export function checkWireForm(message: PeerMessage): void {
  const { blocks, ...rest } = message;
  const onWire = JSON.parse(JSON.stringify(rest));
  const parsed = peerMessageSchema.safeParse(onWire);
  check(parsed.success, "wire", () => `${message.body.kind} is not what the schema says: ${parsed.error?.message}`);
  check(isDeepStrictEqual(parsed.data, onWire), "wire", () => `${message.body.kind} changes`);
  for (const block of blocks) {
    if (whole.has(block)) continue;
    check(
      decodeBlock(encodeBlock(block), parseHeader).blockHash === block.blockHash,
      "wire",
      () => `block ${block.header.height} changes when it is encoded`,
    );
    whole.add(block);
  }
}
