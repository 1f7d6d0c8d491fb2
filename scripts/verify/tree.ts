import { sha256 } from "./bytes.js";

const LEAF = Buffer.of(0);

export const leafOf = (record: Uint8Array): Buffer => sha256(Buffer.concat([LEAF, record]));

const pair = Buffer.alloc(65);
function parentOf(left: Uint8Array, right: Uint8Array): Buffer {
  pair[0] = 1;
  pair.set(left, 1);
  pair.set(right, 33);
  return sha256(pair);
}

/** A Merkle tree of RFC 6962 as far as it is needed to go on: the roots of its perfect subtrees, largest first. */
export class Tree {
  constructor(
    readonly size = 0,
    private readonly roots: readonly Buffer[] = [],
  ) {}

  /** Null: so many roots cannot be those of a tree of this size. */
  static of(size: number, roots: readonly Buffer[]): Tree | null {
    let ones = 0;
    for (let left = size; left > 0; left = Math.floor(left / 2)) ones += left % 2;
    return roots.length === ones && roots.every(({ length }) => length === 32) ? new Tree(size, roots) : null;
  }

  with(leaves: readonly Buffer[]): Tree {
    const roots = [...this.roots];
    let { size } = this;
    for (const leaf of leaves) {
      let root = leaf;
      for (let left = size; left % 2 === 1; left = Math.floor(left / 2)) root = parentOf(roots.pop() as Buffer, root);
      roots.push(root);
      size += 1;
    }
    return new Tree(size, roots);
  }

  get root(): string {
    const folded = this.roots.reduceRight<Buffer | null>(
      (right, left) => (right === null ? left : parentOf(left, right)),
      null,
    );
    return (folded ?? sha256("")).toString("hex");
  }
}
