import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Vectors } from "../../test/vectors/make-vectors.js";
import { canonical } from "../judge/canonical.js";
import { projectRoot } from "../lib/project.js";
import { type Chain, decodeBlock, NO_BLOCKS, verifyBlock } from "./block.js";
import { bodyHashOf, payloadHashOf } from "./body.js";
import { Fault } from "./fault.js";
import { indexHashOf, indexOf } from "./index-hash.js";
import { isShortForm, millisOf } from "./instant.js";
import { leafOf, Tree } from "./tree.js";

const path = join(projectRoot(), "test/vectors/hash-spec.json");
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const withSignatures = { signatures: true };

function chainAfter(count: number): Chain {
  const add = (chain: Chain, { wire }: { wire: string }) =>
    verifyBlock(chain, decodeBlock(bytes(wire)), withSignatures).next;
  return vectors.log.blocks.slice(0, count).reduce(add, NO_BLOCKS);
}

function faultOf(before: Chain, wire: string): string | null {
  try {
    verifyBlock(before, decodeBlock(bytes(wire)), withSignatures);
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error.fault;
  }
}

describe("the code of npm run verify, which shares none with the nodes, on the vectors of the hash specification", () => {
  it("agrees on canonical JSON, payloads, timestamps and trees", () => {
    for (const one of vectors.canonicalJson) expect(canonical(JSON.parse(one.input))).toBe(one.canonical);
    for (const one of vectors.payloads) expect(payloadHashOf(bytes(one.salt), one.canonical)).toBe(one.payloadHash);
    for (const { text, millis, form } of vectors.timestamps)
      expect([millisOf(text), isShortForm(text)], text).toEqual([millis, form === "millis"]);
    let tree = new Tree();
    for (const { leaf, root, size, frontier } of vectors.merkle) {
      if (leaf !== null) tree = tree.with([leafOf(Buffer.from(leaf))]);
      expect([tree.size, tree.root]).toEqual([size, root]);
      expect(Tree.of(size, frontier.map(bytes))?.root).toBe(root);
    }
  });

  it("agrees on index entries, also where two values have one term, and on bodies", () => {
    for (const vector of vectors.indexes) {
      const given = new Map((vector.given ?? []).map(({ kind, value, hash }) => [`${kind} ${value}`, bytes(hash)]));
      const events = vector.events.map((event) => ({ ...event, millis: millisOf(event.timestamp) as number }));
      const hash =
        given.size === 0 ? undefined : (kind: string, value: string) => given.get(`${kind} ${value}`) as Buffer;
      const found = indexOf(events as never, hash);
      expect(indexHashOf(found), vector.what).toBe(vector.indexHash);
      expect(found.names.terms.map((term) => term.toString("hex"))).toEqual(vector.names.terms);
    }
    for (const { records, payloads, bodyHash } of vectors.bodies)
      expect(bodyHashOf({ records: bytes(records), payloads: bytes(payloads) })).toBe(bodyHash);
  });

  it("verifies the whole log of them", () => {
    const { clusterId, blockHash } = chainAfter(vectors.log.blocks.length);
    expect([clusterId, blockHash]).toEqual([vectors.log.clusterId, vectors.log.blocks.at(-1)?.blockHash]);
  });

  it("asks for no member where the first block, which names them, was altered; and for one in the first block itself", () => {
    const unknown = { ...chainAfter(1), keys: new Map<string, string>() };
    expect(faultOf(unknown, vectors.log.blocks[1]?.wire as string)).toBeNull();
    const { header, wire } = vectors.log.blocks[0] as (typeof vectors.log.blocks)[number];
    const block = decodeBlock(bytes(wire));
    const strange = { ...block, header: { ...header, leaderId: "n9" } };
    expect(() => verifyBlock(NO_BLOCKS, strange, { signatures: false })).toThrow("n9 is no member");
  });

  it.each(vectors.refused)("refuses $what ($fault)", ({ height, fault, wire }) => {
    expect(faultOf(chainAfter(height - 1), wire)).toBe(fault);
  });
});
