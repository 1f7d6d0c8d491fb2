import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createVerifier, deriveSigner } from "../node/host/signer.js";
import { projectRoot } from "../scripts/project.js";
import { makeVectors, type Vectors } from "../test/vectors/make-vectors.js";
import { fromHex, toHex, utf8 } from "./bytes.js";
import { canonicalText } from "./canonical.js";
import { sha256Hex } from "./hash.js";
import { decodeBlock, decodeBody, encodeBlock, encodeBody, hashHeader } from "./log/block.js";
import { type ChainState, EMPTY_CHAIN, verifyBlock } from "./log/chain.js";
import { checkEventView, payloadCommitment } from "./log/event.js";
import { parseHeader } from "./protocol/messages.js";

const path = join(projectRoot(), "test/vectors/hash-spec.json");
if (process.env.UPDATE_VECTORS) writeFileSync(path, `${JSON.stringify(makeVectors(), null, 2)}\n`);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;
const page = readFileSync(join(projectRoot(), "docs/reference/hash-spec.md"), "utf8");
const verifier = createVerifier();

/** The state after the log's first `count` blocks, every one verified. */
function stateAfter(count: number): ChainState {
  let state = EMPTY_CHAIN;
  for (const { wire } of vectors.log.blocks.slice(0, count)) {
    const verdict = verifyBlock(state, decodeBlock(fromHex(wire), parseHeader), verifier);
    if (!verdict.ok) throw new Error(verdict.detail);
    state = verdict.next;
  }
  return state;
}

describe("the test vectors of the hash specification", () => {
  it("are what the code makes today, byte for byte", () => {
    expect(JSON.parse(JSON.stringify(makeVectors()))).toEqual(vectors);
  });

  it.each(vectors.keys)("derives the keys of $node from its seed", ({ seed, block, log, cosign }) => {
    expect(deriveSigner(fromHex(seed)).keys).toEqual({ block, log, cosign });
  });

  it("hold for canonical JSON and payload commitments", () => {
    for (const { input, canonical } of vectors.canonicalJson) expect(canonicalText(JSON.parse(input))).toBe(canonical);
    for (const { canonical, salt, payloadHash } of vectors.payloads)
      expect(payloadCommitment(fromHex(salt), utf8(canonical))).toBe(payloadHash);
  });

  it.each(vectors.log.blocks)("hold for block $header.height: both encodings, hashes, signature", (vector) => {
    const block = decodeBlock(fromHex(vector.wire), parseHeader);
    expect(block.header).toEqual(vector.header);
    expect(canonicalText(vector.header)).toBe(vector.headerText);
    expect(sha256Hex(utf8(`quorumlog/block/v1\n${vector.headerText}`))).toBe(vector.blockHash);
    expect(hashHeader(block.header)).toBe(vector.blockHash);
    expect(toHex(encodeBlock(block))).toBe(vector.wire);
    const body = encodeBody(decodeBody(block));
    expect(toHex(body.records)).toBe(vector.recordsBytes);
    expect(toHex(body.payloads)).toBe(vector.payloadsBytes);
    expect(decodeBody(block).map(({ recordBytes }) => recordBytes)).toEqual(vector.records.map((text) => utf8(text)));
    for (const view of vector.events) expect(checkEventView(view)).toBeNull();
    expect(stateAfter(vector.header.height).blockHash).toBe(vector.blockHash);
  });

  it.each(vectors.refused)("refuse $what ($fault)", ({ height, fault, wire }) => {
    const verdict = verifyBlock(stateAfter(height - 1), decodeBlock(fromHex(wire), parseHeader), verifier);
    expect(verdict).toMatchObject({ ok: false, fault });
  });

  it("are quoted by the page as they are", () => {
    const [genesis, first] = vectors.log.blocks;
    const event = first?.events[0];
    for (const text of [genesis?.blockHash, first?.headerText, first?.blockHash, first?.signature, first?.records[0]])
      expect(page).toContain(text);
    for (const text of [event?.payloadHash, event?.payloadSalt, event?.hash, vectors.merkle[3]?.root])
      expect(page).toContain(text);
  });
});

const python = spawnSync("python3", ["--version"]).status === 0;

it.skipIf(!python)("a verifier in another language agrees on every vector", () => {
  const script = join(projectRoot(), "docs/reference/verify_vectors.py");
  const { status, stdout, stderr } = spawnSync("python3", [script, path], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^all vectors hold: 6 blocks, 19 refusals/m);
  expect(status).toBe(0);
});
