import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createVerifier, deriveSigner } from "../node/host/signer.js";
import { projectRoot } from "../scripts/lib/project.js";
import { makeVectors, type Vectors } from "../test/vectors/make-vectors.js";
import { fromHex, fromUtf8, toHex, utf8 } from "./bytes.js";
import { canonicalText } from "./canonical.js";
import { sha256Hex } from "./hash.js";
import { sequence } from "./ids.js";
import { bodyReader, decodeBlock, encodeBlock, hashHeader } from "./log/block.js";
import { BodyReader, bodyHash, encodeBody } from "./log/body.js";
import { type BlockFault, type ChainState, EMPTY_CHAIN, verifyBlock } from "./log/chain.js";
import { checkEventView, payloadCommitment } from "./log/event.js";
import { blockIndex, decodeTimes, indexHash, termHash } from "./log/index.js";
import { parseHeader } from "./protocol/messages.js";
import { exactMillis, millisText, timestampMillis } from "./timestamp.js";

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

function faultOf(before: ChainState, wire: string): BlockFault | null {
  try {
    const verdict = verifyBlock(before, decodeBlock(fromHex(wire), parseHeader), verifier);
    return verdict.ok ? null : verdict.fault;
  } catch {
    // Only the decoder throws: what it does not read is no block.
    return "bad_encoding";
  }
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

  it.each(vectors.timestamps)("hold for the timestamp $text", ({ text, millis, form, encoded }) => {
    expect(timestampMillis(text)).toBe(millis);
    expect(exactMillis(text) === null ? "text" : "millis").toBe(form);
    const value = form === "millis" ? BigInt.asIntN(64, BigInt(`0x${encoded}`)) : null;
    if (value !== null) expect([Number(value), millisText(Number(value))]).toEqual([millis, text]);
    else expect(fromUtf8(fromHex(encoded.slice(4)))).toBe(text);
  });

  it("hold for terms, of which some are negative as a signed number", () => {
    for (const { kind, value, term, check, int64 } of vectors.terms) {
      expect(toHex(termHash(kind, value))).toBe(term + check);
      expect(BigInt.asUintN(64, BigInt(int64))).toBe(BigInt(`0x${term}`));
    }
    expect(vectors.terms.some(({ int64 }) => int64.startsWith("-"))).toBe(true);
    expect(vectors.terms.some(({ int64 }) => !int64.startsWith("-"))).toBe(true);
  });

  it.each(vectors.indexes)(
    "have terms in order, and times for every event: $what",
    ({ names, keys, times, events }) => {
      // Hex digits sort as the bytes do.
      for (const { terms } of [names, keys]) expect(terms.toSorted()).toEqual([...new Set(terms)]);
      const millis = events.map(({ timestamp }) => timestampMillis(timestamp));
      expect(decodeTimes(fromHex(times), events.length)).toEqual(millis);
    },
  );

  it.each(vectors.bodies)("hold for a body of $what", (vector) => {
    const { firstSequence, previousHash, sealedAt, events } = vector;
    const body = { records: fromHex(vector.records), payloads: fromHex(vector.payloads) };
    expect(bodyHash(body)).toBe(vector.bodyHash);
    const place = { firstSequence: sequence(firstSequence), eventCount: events.length, sealedAt, previousHash };
    const read = new BodyReader(body, place).all();
    expect(read.map(({ recordBytes }) => fromUtf8(recordBytes))).toEqual(events.map(({ recordText }) => recordText));
    expect(read.map(({ hash }) => hash)).toEqual(events.map(({ hash }) => hash));
    expect(read.map(({ isErased }) => isErased === true)).toEqual(events.map(({ payload }) => payload === null));
    expect(encodeBody(read)).toEqual(body);
  });

  it.each(vectors.log.blocks)("hold for block $header.height: both encodings, hashes, signature", (vector) => {
    const block = decodeBlock(fromHex(vector.wire), parseHeader);
    const before = stateAfter(vector.header.height - 1);
    expect(block.header).toEqual(vector.header);
    expect(canonicalText(vector.header)).toBe(vector.headerText);
    expect(sha256Hex(utf8(`quorumlog/block/v1\n${vector.headerText}`))).toBe(vector.blockHash);
    expect(hashHeader(block.header)).toBe(vector.blockHash);
    expect(toHex(encodeBlock(block))).toBe(vector.wire);
    const events = bodyReader(block, before.headHash).all();
    const body = encodeBody(events);
    expect([toHex(body.records), toHex(body.payloads)]).toEqual([vector.records, vector.payloads]);
    expect(events.map(({ recordBytes }) => fromUtf8(recordBytes))).toEqual(vector.recordTexts);
    const { names, keys, times } = blockIndex(events);
    expect(indexHash({ names, keys, times })).toBe(vector.header.indexHash);
    expect([names.terms, keys.terms].map((run) => run.map((term) => toHex(term)))).toEqual([
      vector.index.names.terms,
      vector.index.keys.terms,
    ]);
    expect(toHex(times)).toBe(vector.index.times);
    for (const view of vector.events) expect(checkEventView(view)).toBeNull();
    expect(stateAfter(vector.header.height).blockHash).toBe(vector.blockHash);
  });

  it.each(vectors.refused)("refuse $what ($fault)", ({ height, fault, wire }) => {
    expect(faultOf(stateAfter(height - 1), wire)).toBe(fault);
  });

  it("are quoted by the page as they are", () => {
    const [genesis, first, , empty] = vectors.log.blocks;
    const event = first?.events[0];
    for (const text of [genesis?.blockHash, first?.headerText, first?.blockHash, first?.signature])
      expect(page).toContain(text);
    for (const text of [first?.recordTexts[0], event?.payloadHash, event?.payloadSalt, event?.hash])
      expect(page).toContain(text);
    const run = (name: "names" | "keys") => [
      ...(first?.index[name].terms ?? [""]),
      ...(first?.index[name].places ?? [""]),
    ];
    for (const text of [first?.records, first?.payloads, first?.index.times, ...run("names"), ...run("keys")])
      expect(page.replaceAll(/[\s·]/g, "")).toContain(text);
    for (const text of [empty?.header.bodyHash, empty?.header.indexHash, vectors.merkle[3]?.root])
      expect(page).toContain(text);
  });
});

const python = spawnSync("python3", ["--version"]).status === 0;

it.skipIf(!python)("a verifier in another language agrees on every vector", () => {
  const script = join(projectRoot(), "docs/reference/verify_vectors.py");
  const { status, stdout, stderr } = spawnSync("python3", [script, path], { encoding: "utf8" });
  expect(stderr).toBe("");
  const { log, refused } = vectors;
  expect(stdout).toContain(`all vectors hold: ${log.blocks.length} blocks, ${refused.length} refusals`);
  expect(status).toBe(0);
});
