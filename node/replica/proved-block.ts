import type { HashHex, NodeId } from "../../shared/ids.js";
import { type Block, type BlockHeader, blockBytes, provedBodyReader } from "../../shared/log/block.js";
import type { ProvedBodyReader } from "../../shared/log/proved-body.js";

/** A block that is the one committed at its height, with the body that was checked when it was stored. */
export interface ProvedBlock {
  readonly header: BlockHeader;
  readonly blockHash: HashHex;
  /** By position; each is decoded whenever it is asked for. */
  readonly events: ProvedBodyReader;
  /** Bytes of its body as stored. */
  readonly bytes: number;
  /** The other node that gave this copy; none: it is this node's own. */
  readonly from?: NodeId;
}

/** With memory of its own, where its parts lie within a larger answer or message. */
export function owned(block: Block): Block {
  const { records, payloads } = block;
  const bytes = blockBytes(block);
  if (Math.max(records.buffer.byteLength, payloads.buffer.byteLength) <= 2 * bytes) return block;
  const copy = new Uint8Array(bytes);
  copy.set(records);
  copy.set(payloads, records.length);
  return { ...block, records: copy.subarray(0, records.length), payloads: copy.subarray(records.length) };
}

export function proved(block: Block, previousHash: HashHex | ""): ProvedBlock {
  const { header, blockHash } = block;
  return { header, blockHash, events: provedBodyReader(block, previousHash), bytes: blockBytes(block) };
}
