import { toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText, type JsonValue } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import { type HashHex, type Height, height, type NodeId } from "../../shared/ids.js";
import type { Block, BlockHeader } from "../../shared/log/block.js";
import type { EvidenceBlock, EvidenceBundle, EvidenceDocument, SignedHeader } from "../../shared/protocol/evidence.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { Range } from "../storage/incident.js";
import type { IntegrityStore, KeptDocument } from "../storage/integrity-port.js";
import type { AlertRecord, LogStore } from "../storage/port.js";
import type { Proof } from "./inspector.js";
import { isBlock, type PeerBlocks } from "./peer-blocks.js";

/** Altered blocks in one bundle, and its size as JSON; the first one is there whatever its size. */
const BLOCKS_MAX = 16;
const BYTES_MAX = 8 * 1024 * 1024;
/** Headers that follow a block, until one says that it is committed. */
const LINKS_MAX = 8;
/** Times that nodes were admitted in one bundle, beside the newest of each. */
const ADMISSIONS_MAX = 64;
/** Blocks that are looked at for it: whoever alters a database can name as many as there are. */
const CANDIDATES_MAX = 512;
const DOMAIN = "quorumlog/evidence/v1\n";

export interface EvidenceParts {
  readonly nodeId: NodeId;
  readonly store: Pick<IntegrityStore, "blocksAt" | "kept">;
  readonly log: Pick<LogStore, "readMembershipBlocks">;
  readonly peers: Pick<PeerBlocks, "copies">;
  readonly committedAt: (at: Height) => Promise<Proof>;
  readonly heldThrough: () => Height;
  readonly clusterId: () => HashHex | "";
  /** No hash covers a signature. */
  readonly isSealed: (block: Block) => Promise<boolean>;
  readonly wall: () => string;
}

interface Committed {
  readonly block: Block;
  readonly previousHash: HashHex | "";
  readonly from: NodeId;
}

/** Makes the document with which an incident can be checked without a node (docs/reference/evidence.md). */
export class Evidence {
  constructor(private readonly parts: EvidenceParts) {}

  /** The hash of the documents that an alert names and that are there. */
  async hashOf({ evidence = [] }: Pick<AlertRecord, "evidence">): Promise<HashHex> {
    return hashOf((await this.kept(evidence, 0)).named);
  }

  /** The hash of each beginning of that list: more documents are named after the log has its hash. */
  async hashesOf({ evidence = [] }: Pick<AlertRecord, "evidence">): Promise<HashHex[]> {
    const named: Pick<EvidenceDocument, "id" | "sha256">[] = [];
    const hashes = [hashOf(named)];
    for (const name of evidence) {
      named.push(...(await this.kept([name], 0)).named);
      hashes.push(hashOf(named));
    }
    return hashes;
  }

  async bundle(alert: AlertRecord): Promise<EvidenceBundle> {
    const { nodeId, clusterId, wall } = this.parts;
    const { held: kept, named, left } = await this.kept(alert.evidence ?? [], BYTES_MAX);
    const heights = heightsOf(alert);
    const membership = await this.membership((heights.at(-1) ?? this.parts.heldThrough()) + LINKS_MAX);
    const evidenceHash = hashOf(named);
    const blocks: EvidenceBlock[] = [];
    let bytes = sizeOf([alert, membership]);
    for (const at of heights) {
      const block = await this.blockAt(
        height(at),
        kept.filter((one) => one.height === at),
      );
      bytes += sizeOf(block);
      if (blocks.length > 0 && bytes > BYTES_MAX) break;
      blocks.push(block);
    }
    const shown = new Set(blocks.map((block) => block.height));
    const others: EvidenceDocument[] = [];
    let documents = left;
    for (const one of kept) {
      if (one.height !== null && shown.has(one.height)) continue;
      bytes += sizeOf(one.document);
      if (bytes > BYTES_MAX) documents += 1;
      else others.push(documentOf(one));
    }
    return {
      format: "quorumlog/evidence/v1",
      about: "docs/reference/evidence.md of Quorumlog",
      clusterId: clusterId(),
      madeBy: nodeId,
      madeAt: wall(),
      alert,
      membership,
      blocks,
      others,
      evidenceHash,
      omitted: { blocks: countOfHeights(alert) - blocks.length, documents },
    };
  }

  /** One after the other: whoever alters a database can make each as large as a document can be. */
  private async kept(names: readonly string[], bytesMax: number) {
    const held: KeptDocument[] = [];
    const named: Pick<EvidenceDocument, "id" | "sha256">[] = [];
    let bytes = 0;
    let left = 0;
    for (const name of names)
      for (const one of await this.parts.store.kept([name])) {
        const { id, sha256 } = documentOf(one);
        named.push({ id, sha256 });
        bytes += sizeOf(one.document);
        if (bytesMax > 0 && (held.length === 0 || bytes <= bytesMax)) held.push(one);
        else left += 1;
      }
    return { held, named, left };
  }

  private async blockAt(at: Height, stored: readonly KeptDocument[]): Promise<EvidenceBlock> {
    const committed = await this.committed(at);
    return {
      height: at,
      stored: stored.map(documentOf),
      committed:
        committed === null
          ? null
          : {
              ...signedHeader(committed.block),
              blockHash: committed.block.blockHash,
              records: base64(committed.block.records),
              payloads: base64(committed.block.payloads),
              previousHash: committed.previousHash,
              from: committed.from,
            },
      links: committed === null ? [] : await this.linksAbove(at),
    };
  }

  /**
   * From this node's own database if it is there as it was committed and signed, else from a member that has it. Where none gives
   * it, one of its own that has another signature: its hash proves the rest.
   */
  private async committed(at: Height): Promise<Committed | null> {
    const { store, peers, nodeId, committedAt, isSealed } = this.parts;
    if (at < 1 || at > this.parts.heldThrough()) return null;
    try {
      // The log is named by its genesis: that needs no headers which lead there.
      const clusterId = at === 1 ? this.parts.clusterId() : "";
      const { blockHash, previousHash } =
        clusterId === "" ? await committedAt(at) : { blockHash: clusterId, previousHash: "" as const };
      const [own] = await store.blocksAt([at]);
      const ours = own !== undefined && isSound(own.block, blockHash) ? own.block : null;
      if (ours !== null && (await isSealed(ours))) return { block: ours, previousHash, from: nodeId };
      const { block, agreeing } = await peers.copies(at, blockHash);
      if (block !== null) return { block, previousHash, from: agreeing[0] ?? nodeId };
      return ours && { block: ours, previousHash, from: nodeId };
    } catch (error) {
      if (error instanceof AlteredBlock) return null;
      throw error;
    }
  }

  private async linksAbove(at: Height): Promise<SignedHeader[]> {
    const links: SignedHeader[] = [];
    for (let above = at + 1; above <= at + LINKS_MAX; above++) {
      const next = await this.committed(height(above));
      if (next === null) break;
      links.push(signedHeader(next.block));
      if (next.block.header.commitHeight >= at) break;
    }
    return links;
  }

  /**
   * Whose keys are good at each height up to this one: the genesis, of each node the newest admission, and the ones before that,
   * as far as there is room. Which blocks these are the database says, as it is; what they say is proved like any other block.
   */
  private async membership(through: number): Promise<SignedHeader[]> {
    const found = new Map<number, SignedHeader>();
    const seen = new Set<number>();
    let newest = Math.max(1, Math.min(Math.floor(through), this.parts.heldThrough()));
    for (let looked = 0; looked < ADMISSIONS_MAX && newest >= 1; looked++) {
      const listed = await this.parts.log.readMembershipBlocks(height(newest));
      const heights = listed.map(({ block }) => block.header.height);
      for (const at of [1, ...heights]) {
        if (seen.has(at) || seen.size >= CANDIDATES_MAX) continue;
        seen.add(at);
        const block = (await this.committed(height(at)))?.block;
        const kind = block?.header.control?.kind;
        if (block !== undefined && (kind === "genesis" || kind === "node_admitted")) found.set(at, signedHeader(block));
      }
      newest = Math.max(0, ...heights) - 1;
    }
    return [...found].sort(([a], [b]) => a - b).map(([, signed]) => signed);
  }
}

/** Every altered height, as far as a bundle can have them. */
function heightsOf(alert: AlertRecord): number[] {
  const found: number[] = [];
  for (const [first, last] of rangesOf(alert))
    for (let at = first; at <= last && found.length < BLOCKS_MAX; at++)
      if (Number.isSafeInteger(at) && at > 0) found.push(at);
  return found;
}

const rangesOf = ({ heights, height: at }: Pick<AlertRecord, "heights" | "height">): readonly Range[] =>
  heights ?? (at === undefined ? [] : [[at, at]]);

const countOfHeights = (alert: AlertRecord): number =>
  rangesOf(alert).reduce((sum, [first, last]) => sum + Math.floor(last - first) + 1, 0);

function documentOf({ id, keptAt, isWhole, document }: KeptDocument): EvidenceDocument {
  return { id, keptAt, isWhole, sha256: sha256Hex(utf8(canonicalText(document))), document };
}

function hashOf(documents: readonly Pick<EvidenceDocument, "id" | "sha256">[]): HashHex {
  const pairs = documents.map(({ id, sha256 }): JsonValue[] => [id, sha256]);
  pairs.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return sha256Hex(utf8(DOMAIN + canonicalText(pairs)));
}

function isSound(block: Block, blockHash: HashHex): boolean {
  try {
    return isBlock(block, blockHash);
  } catch {
    // What JSON cannot carry is no header.
    return false;
  }
}

const signedHeader = ({ header, signature }: { header: BlockHeader; signature: Uint8Array }): SignedHeader => ({
  header,
  signature: toHex(signature),
});
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const sizeOf = (value: unknown): number => JSON.stringify(value).length;
