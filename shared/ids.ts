/**
 * The numbers of the log, branded so that one cannot be passed for another. Convert by name: `height(3)`.
 * All are safe non-negative integers.
 */
declare const brand: unique symbol;
type Brand<B extends string> = number & { readonly [brand]: B };

/** An event's place in the log, from 0; also its leaf index in the Merkle tree. */
export type Sequence = Brand<"Sequence">;
/** A block's place in the log, from 1; 0 stands for "before the genesis". */
export type Height = Brand<"Height">;
/** Election epoch; at most one leader in a term. */
export type Term = Brand<"Term">;
/** How many events (leaves) a tree holds. */
export type TreeSize = Brand<"TreeSize">;

/** A node's id, such as `n1`. */
export type NodeId = string;
/** 64 lower-case hex digits: a SHA-256. */
export type HashHex = string;

function integer(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} must be a non-negative integer`);
  return value;
}

export const sequence = (value: number): Sequence => integer(value, "sequence") as Sequence;
export const height = (value: number): Height => integer(value, "height") as Height;
export const term = (value: number): Term => integer(value, "term") as Term;
export const treeSize = (value: number): TreeSize => integer(value, "tree size") as TreeSize;

/** Closes an exhaustive `switch`: reaching it is a bug. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
