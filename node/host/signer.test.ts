import { createHash } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { toHex, utf8 } from "../../shared/bytes.js";
import { sha256, sha256Hex, sha256HexOf } from "../../shared/hash.js";
import { createVerifier, deriveSigner, useNativeHash } from "./signer.js";

const seed = new Uint8Array(32).map((_, i) => i);

describe("the keys of a node", () => {
  it("come from the seed alone, three different ones", () => {
    const { keys } = deriveSigner(seed);
    expect(deriveSigner(seed).keys).toEqual(keys);
    expect(new Set(Object.values(keys)).size).toBe(3);
    for (const key of Object.values(keys)) expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(deriveSigner(seed.map((byte) => byte ^ 1)).keys.block).not.toBe(keys.block);
  });

  it("never change for a seed: these values are the format", () => {
    expect(deriveSigner(seed).keys).toMatchInlineSnapshot(`
      {
        "block": "c1e0445b6737520f9bfc597c759094d665c5f8e0fa86747b887a7a57cf4b9bff",
        "cosign": "109670eb4fec9bcdb2a1cc430f030b3510729a47ef1637ed10105e356c3438a5",
        "log": "d40440d31796fc3141ad7a9c9c610f2513b18c23337ad720b6fd087fc62c7bf4",
      }
    `);
  });

  it("refuse a seed of another length", () => {
    expect(() => deriveSigner(new Uint8Array(31))).toThrow(RangeError);
  });

  it("verify what they signed, and nothing else", () => {
    const signer = deriveSigner(seed);
    const verifier = createVerifier();
    const bytes = utf8("a header");
    const signature = signer.block.sign(bytes);
    expect(signature).toHaveLength(64);
    expect(verifier.verify(signer.keys.block, bytes, signature)).toBe(true);
    expect(verifier.verify(signer.keys.log, bytes, signature)).toBe(false);
    expect(verifier.verify(signer.keys.block, utf8("a headeR"), signature)).toBe(false);
    expect(verifier.verify(signer.keys.block, bytes, signature.subarray(1))).toBe(false);
    expect(verifier.verify("no key", bytes, signature)).toBe(false);
    expect(verifier.verify("00", bytes, signature)).toBe(false);
  });

  it("verify on after more keys than the cache holds", () => {
    const signer = deriveSigner(seed);
    const verifier = createVerifier();
    const signature = signer.block.sign(seed);
    for (let i = 0; i < 300; i++) verifier.verify(i.toString(16).padStart(64, "0"), seed, signature);
    expect(verifier.verify(signer.keys.block, seed, signature)).toBe(true);
  });
});

describe("the native hash", () => {
  afterAll(() => useNativeHash());
  it("is the same function as the portable one", () => {
    const inputs = [0, 1, 55, 64, 1000].map((length) => new Uint8Array(length).fill(7));
    const portable = inputs.map(sha256Hex);
    useNativeHash();
    expect(inputs.map(sha256Hex)).toEqual(portable);
    expect(toHex(sha256(utf8("abc")))).toBe(createHash("sha256").update("abc").digest("hex"));
    expect(sha256(utf8("abc")).constructor).toBe(Uint8Array);
  });

  it("of long parts is that of all of them put together", () => {
    useNativeHash();
    const parts = [3, 0, 70_000, 64 * 1024, 1].map((length, i) => new Uint8Array(length).fill(i));
    for (const some of [parts, parts.slice(0, 2), parts.slice(4), [parts[3] as Uint8Array]])
      expect(sha256HexOf(...some)).toBe(createHash("sha256").update(Buffer.concat(some)).digest("hex"));
  });

  it("gives each digest memory that no later one writes to", () => {
    useNativeHash();
    const inputs = Array.from({ length: 2_000 }, (_, i) => utf8(`input ${i}`));
    const digests = inputs.map((input) => sha256(input));
    expect(digests.map(toHex)).toEqual(inputs.map(sha256Hex));
  });
});
