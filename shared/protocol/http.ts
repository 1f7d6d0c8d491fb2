import type { HashHex, NodeId } from "../ids.js";
import type { BlockHeader } from "../log/block.js";

/** What `GET /api/v1/blocks/{height}` answers: all that is needed to check a block's root and signature, and no payload. */
export interface BlockView {
  readonly header: BlockHeader;
  readonly blockHash: HashHex;
  /** Ed25519 over the bytes that are hashed, as hex. */
  readonly signature: string;
  /** The compact range of the Merkle tree before the block, largest subtree first. */
  readonly frontierBefore: readonly HashHex[];
  /** The leaf hashes of the block's events. */
  readonly leaves: readonly HashHex[];
  /** The block keys of all members, as the log before the block names them. */
  readonly memberKeys: Readonly<Record<NodeId, HashHex>>;
}

export interface ChainLink {
  readonly sequence: number;
  readonly hash: HashHex;
  readonly previousHash: HashHex | "";
  readonly height: number;
}

/** A stored block that is not the one that was committed, and the events that it should hold. */
export interface AlteredPlace {
  readonly height: number;
  readonly from: number;
  readonly count: number;
  readonly detail: string;
}

/** What one node says that it holds. */
export interface NodeChain {
  readonly node: NodeId;
  readonly events: ChainLink[];
  readonly altered: AlteredPlace[];
  /** Why there is nothing, or not all. */
  readonly detail?: string;
}

/** What `GET /api/v1/chain` answers. */
export interface ChainView {
  readonly from: number;
  /** The events of the log, as the node that was asked knows it. */
  readonly size: number;
  readonly nodes: readonly NodeChain[];
}
