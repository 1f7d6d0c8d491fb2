import { hash } from "node:crypto";
import { concat, equalBytes, fromHex, utf8 } from "../../shared/bytes.js";
import { sha256, sha256Hex, useHasher } from "../../shared/hash.js";
import type { BlockSigner, SignatureVerifier } from "../../shared/log/chain.js";
import type { NodeKeys } from "../../shared/log/control.js";
import type { Random } from "./random.js";

/** Node's own SHA-256 is several times faster than the portable one; it computes the same function. */
export function useFastHasher(): void {
  useHasher({ bytes: (input) => hash("sha256", input, "buffer"), hex: (input) => hash("sha256", input, "hex") });
}

/**
 * A stand-in for Ed25519 that a run of ten thousand blocks can afford: the "signature" is a hash of public key and
 * bytes. Anyone could forge it; the simulator's nodes do not lie unless a scenario makes them.
 */
export const fakeSignature = (publicKey: string, bytes: Uint8Array): Uint8Array => {
  const half = sha256(concat(fromHex(publicKey), bytes));
  return concat(half, half);
};

/** What each signature was made for: nodes hand the same object on, and comparing takes less time than hashing again. */
const madeFor = new WeakMap<Uint8Array, { publicKey: string; bytes: Uint8Array }>();

export const fakeSigner = (publicKey: string): BlockSigner => ({
  sign: (bytes) => {
    const signature = fakeSignature(publicKey, bytes);
    madeFor.set(signature, { publicKey, bytes });
    return signature;
  },
});

export const fakeVerifier: SignatureVerifier = {
  verify: (publicKey, bytes, signature) => {
    const made = madeFor.get(signature);
    const isIts = made?.publicKey === publicKey && Buffer.compare(made.bytes, bytes) === 0;
    return isIts || equalBytes(fakeSignature(publicKey, bytes), signature);
  },
};

export function fakeKeys(random: Random): NodeKeys {
  const seed = random.hex(16);
  const key = (label: string) => sha256Hex(utf8(`${label} ${seed}`));
  return { block: key("block"), log: key("log"), cosign: key("cosign") };
}
