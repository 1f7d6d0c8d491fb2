import type { JsonObject } from "../canonical.js";
import type { HashHex, NodeId } from "../ids.js";
import type { BlockHeader } from "../log/block.js";

/** A header, and its leader's signature as hex. */
export interface SignedHeader {
  readonly header: BlockHeader;
  readonly signature: string;
}

/** What stood in a place of a database, as it was kept. */
export interface EvidenceDocument {
  readonly id: string;
  readonly keptAt: string;
  /** False: bodies of old ones are not kept. */
  readonly isWhole: boolean;
  /** Of the RFC 8785 text of `document`. */
  readonly sha256: HashHex;
  /** MongoDB Extended JSON, canonical form. */
  readonly document: JsonObject;
}

export interface EvidenceBlock {
  readonly height: number;
  readonly stored: readonly EvidenceDocument[];
  readonly committed:
    | (SignedHeader & {
        readonly blockHash: HashHex;
        /** base64 of the two parts of the body. */
        readonly records: string;
        readonly payloads: string;
        readonly previousHash: HashHex | "";
        readonly from: NodeId;
      })
    | null;
  /** The headers that follow, up to one that says that the block is committed. */
  readonly links: readonly SignedHeader[];
}

/** What `GET /api/v1/alerts/{id}/evidence` answers (docs/reference/evidence.md). */
export interface EvidenceBundle {
  readonly format: "quorumlog/evidence/v1";
  readonly about: string;
  readonly clusterId: HashHex | "";
  readonly madeBy: NodeId;
  readonly madeAt: string;
  /** As `GET /api/v1/alerts/{id}` shows it. */
  readonly alert: object;
  readonly membership: readonly SignedHeader[];
  readonly blocks: readonly EvidenceBlock[];
  readonly others: readonly EvidenceDocument[];
  readonly evidenceHash: HashHex;
  readonly omitted: { readonly blocks: number; readonly documents: number };
}
