import fc from "fast-check";
import { expect, it } from "vitest";
import { concat, toHex, utf8 } from "../bytes.js";
import { EMPTY_TREE_ROOT, sha256 } from "../hash.js";
import { appendLeaves, EMPTY_RANGE, leafHash, rangeLength, rootOf } from "./compact-range.js";

/** RFC 6962 section 2.1 word for word: split at the largest power of two below n. Shares nothing with the code under test. */
function treeHash(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return sha256(concat(Uint8Array.of(0), leaves[0] as Uint8Array));
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(concat(Uint8Array.of(1), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split))));
}

it("has the roots of RFC 6962's empty tree and empty leaf", () => {
  expect(toHex(rootOf(EMPTY_RANGE))).toBe(EMPTY_TREE_ROOT);
  expect(toHex(leafHash(new Uint8Array()))).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
});

it("computes the root that the recursive definition gives, however the leaves are grouped", () => {
  const records = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 70 });
  fc.assert(
    fc.property(records, fc.nat(70), (leaves, cut) => {
      const hashed = leaves.map(leafHash);
      const range = appendLeaves(appendLeaves(EMPTY_RANGE, hashed.slice(0, cut)), hashed.slice(cut));
      expect(toHex(rootOf(range))).toBe(toHex(treeHash(leaves)));
      expect(range.hashes.length).toBe(rangeLength(leaves.length));
    }),
  );
});

it("does not change the range it appends to", () => {
  const range = appendLeaves(EMPTY_RANGE, [leafHash(utf8("a")), leafHash(utf8("b"))]);
  const before = toHex(rootOf(range));
  appendLeaves(range, [leafHash(utf8("c"))]);
  expect(toHex(rootOf(range))).toBe(before);
});
