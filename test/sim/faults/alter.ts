import type { StoredBlock } from "../../../node/storage/port.js";
import { height, type NodeId, type Term } from "../../../shared/ids.js";
import { type Block, type BlockHeader, hashHeader, headerBytes } from "../../../shared/log/block.js";
import { bodyHash } from "../../../shared/log/body.js";
import type { BlockSigner } from "../../../shared/log/chain.js";
import type { Random } from "../random.js";

const flipped = (random: Random, bytes: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  if (copy.length === 0) return new Uint8Array([1]);
  const at = random.between(0, copy.length - 1);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.between(0, 7));
  return copy;
};

const otherHash = (random: Random): string => random.hex(32);

/** A block as it stands in the database after somebody changed one thing of it. */
export function alteredBlock(random: Random, stored: StoredBlock): { stored: StoredBlock; what: string } {
  const { block } = stored;
  const what = random.pick(["records", "payloads", "header"] as const);
  if (what === "records" && block.records.length > 0)
    return { what, stored: { ...stored, block: { ...block, records: flipped(random, block.records) } } };
  if (what === "payloads" && block.payloads.length > 0)
    return { what, stored: { ...stored, block: { ...block, payloads: flipped(random, block.payloads) } } };
  const header: BlockHeader = { ...block.header, rootHash: otherHash(random) };
  return { what: "header", stored: { ...stored, block: { ...block, header } } };
}

/** A block that hangs together, of nobody's making. */
export function alienBlock(random: Random, model: StoredBlock, at: BlockHeader["height"]): StoredBlock {
  const header: BlockHeader = { ...model.block.header, height: at, previousBlockHash: otherHash(random) };
  return { ...model, block: { ...model.block, header, blockHash: hashHeader(header) } };
}

/** What an insert leaves that its node sent before it died, and that arrives later: sound, and it follows the newest block. */
export function lateBlock(newest: StoredBlock, signer: BlockSigner): StoredBlock {
  const { height: at } = newest.block.header;
  const change = { height: height(at + 1), previousBlockHash: newest.block.blockHash, commitHeight: at };
  return { ...newest, block: signedAnew(newest.block, change, signer) };
}

const signedAnew = (block: Block, change: Partial<BlockHeader>, signer: BlockSigner): Block => {
  const header: BlockHeader = { ...block.header, ...change };
  return { ...block, header, blockHash: hashHeader(header), signature: signer.sign(headerBytes(header)) };
};

/** Consecutive blocks once more, sealed by somebody else in a later term: each of them is sound and follows the one before. */
export function sealedAnew(
  blocks: readonly Block[],
  by: { leaderId: NodeId; term: Term; signer: BlockSigner },
): Block[] {
  const { leaderId, term, signer } = by;
  const anew: Block[] = [];
  for (const block of blocks) {
    const previousBlockHash = anew.at(-1)?.blockHash ?? block.header.previousBlockHash;
    anew.push(signedAnew(block, { leaderId, term, previousBlockHash }, signer));
  }
  return anew;
}

/**
 * A block as a lying leader would send it in `term`. What it can sign it signs again, so that only the content is wrong.
 * Another term below its own would be nothing that anybody could see in this block alone.
 */
export function forgedBlock(
  random: Random,
  { block, term, signer }: { block: Block; term: number; signer: BlockSigner },
): { block: Block; what: string } {
  const signed = (change: Partial<BlockHeader>): Block => signedAnew(block, change, signer);
  const resealed = (other: Block): Block => signedAnew(other, { bodyHash: bodyHash(other) }, signer);
  const forgeries = {
    hash: () => ({ ...block, blockHash: otherHash(random) }),
    root: () => signed({ rootHash: otherHash(random) }),
    signature: () => ({ ...block, signature: flipped(random, block.signature) }),
    link: () => signed({ previousBlockHash: otherHash(random) }),
    head: () => signed({ headHash: otherHash(random) }),
    term: () => signed({ term: (term + 1) as BlockHeader["term"] }),
    leader: () => signed({ leaderId: "n9" }),
    records: () => ({ ...block, records: flipped(random, block.records) }),
    payloads: () => ({ ...block, payloads: flipped(random, block.payloads) }),
    "sealed-records": () => resealed({ ...block, records: flipped(random, block.records) }),
    "sealed-payloads": () => resealed({ ...block, payloads: flipped(random, block.payloads) }),
    index: () => signed({ indexHash: otherHash(random) }),
    // A genesis may be of any time: another one would be a second genesis, not a wrong one.
    "sealed-at": () => signed({ sealedAt: block.header.height === 1 ? "never" : "2000-01-01T00:00:00.000Z" }),
  };
  const what = random.pick(Object.keys(forgeries) as (keyof typeof forgeries)[]);
  return { what, block: forgeries[what]() };
}
