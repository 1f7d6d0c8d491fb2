import { sha256, sha256Of } from "../hash.js";

/**
 * The compact range [0, n) of an RFC 6962 Merkle tree: the roots of its maximal perfect subtrees, largest first.
 * There is one for each set bit of n, so at most 53 here. Appending a leaf merges equal-sized neighbours, as adding
 * one to a binary counter carries: after n appends the trailing ones of n-1 have been merged.
 * Source: RFC 6962 section 2.1; leaf = SHA-256(0x00 || record), node = SHA-256(0x01 || left || right).
 */
export interface CompactRange {
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

export const EMPTY_RANGE: CompactRange = { size: 0, hashes: [] };

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (record: Uint8Array): Uint8Array => sha256Of(LEAF, record);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256Of(NODE, left, right);

export function appendLeaves(range: CompactRange, leaves: readonly Uint8Array[]): CompactRange {
  const hashes = [...range.hashes];
  let size = range.size;
  for (const leaf of leaves) {
    let carried = leaf;
    for (let bits = size; bits % 2 === 1; bits = Math.floor(bits / 2)) {
      carried = nodeHash(hashes.pop() as Uint8Array, carried);
    }
    hashes.push(carried);
    size += 1;
  }
  return { size, hashes };
}

/** The RFC 6962 root: the subtrees folded from the smallest; SHA-256("") for the empty tree. */
export function rootOf(range: CompactRange): Uint8Array {
  let root: Uint8Array | undefined;
  for (let i = range.hashes.length - 1; i >= 0; i--) {
    const left = range.hashes[i] as Uint8Array;
    root = root === undefined ? left : nodeHash(left, root);
  }
  return root ?? sha256(new Uint8Array());
}

/** How many subtree roots a compact range of `size` leaves has: the number of set bits. */
export function rangeLength(size: number): number {
  let count = 0;
  for (let bits = size; bits > 0; bits = Math.floor(bits / 2)) count += bits % 2;
  return count;
}
