import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as ed25519Sign,
  verify as ed25519Verify,
  hash,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { useHasher } from "../../shared/hash.js";
import type { BlockSigner, SignatureVerifier } from "../../shared/log/chain.js";
import type { NodeKeys } from "../../shared/log/control.js";

const SEED_BYTES = 32;
const KEY_BYTES = 32;
/** DER around a raw Ed25519 private key (RFC 8410, PKCS #8) and a raw public key (SubjectPublicKeyInfo). */
const PRIVATE_KEY_PREFIX = fromHex("302e020100300506032b657004220420");
const PUBLIC_KEY_PREFIX = fromHex("302a300506032b6570032100");
/** Imported public keys that are kept: three a member, sixty-four members at most, and room for their old ones. */
const IMPORTED_KEYS_MAX = 256;

/** The three keys of a node: what it signs with, and the public halves as hex. */
export interface NodeSigner {
  readonly keys: NodeKeys;
  /** Headers and peer messages. */
  readonly block: BlockSigner;
  /** Checkpoints (note signature type 01). */
  readonly log: BlockSigner;
  /** Cosignatures (note signature type 04). */
  readonly cosign: BlockSigner;
}

/**
 * Derives the keys from the identity's 32-byte seed: HKDF-SHA-256 with an empty salt and one label a key. The labels
 * keep them apart, so that a signature made for one purpose is never valid for another. Throws RangeError on another
 * length of the seed.
 */
export function deriveSigner(seed: Uint8Array): NodeSigner {
  if (seed.length !== SEED_BYTES) throw new RangeError(`the seed must have ${SEED_BYTES} bytes`);
  const [block, log, cosign] = (["block", "log", "cosign"] as const).map((use) => {
    const raw = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(), utf8(`quorumlog/key/${use}/v1`), KEY_BYTES));
    const der = Buffer.concat([PRIVATE_KEY_PREFIX, raw]);
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  }) as [KeyObject, KeyObject, KeyObject];
  return {
    keys: { block: publicHex(block), log: publicHex(log), cosign: publicHex(cosign) },
    block: signerOf(block),
    log: signerOf(log),
    cosign: signerOf(cosign),
  };
}

/** Ed25519 verification; imported keys are cached, because a few keys sign everything. */
export function createVerifier(): SignatureVerifier {
  const imported = new Map<string, KeyObject>();
  const keyOf = (publicKey: string): KeyObject => {
    const known = imported.get(publicKey);
    if (known !== undefined) return known;
    const raw = fromHex(publicKey);
    if (raw.length !== KEY_BYTES) throw new RangeError(`a public key has ${KEY_BYTES} bytes`);
    const key = createPublicKey({ key: Buffer.concat([PUBLIC_KEY_PREFIX, raw]), format: "der", type: "spki" });
    // The oldest goes: the keys may be named by a peer, so the cache must not grow with them.
    if (imported.size >= IMPORTED_KEYS_MAX) imported.delete(imported.keys().next().value as string);
    imported.set(publicKey, key);
    return key;
  };
  return {
    verify(publicKey, bytes, signature) {
      try {
        return ed25519Verify(null, bytes, keyOf(publicKey), signature);
      } catch {
        // Both come from a peer or a database: what is no key or no signature is simply not valid.
        return false;
      }
    },
  };
}

const DIGEST_BYTES = 32;
const DIGESTS_AT_ONCE = 256;

/** Makes `shared/` hash with OpenSSL, several times as fast as the portable code. To be called once, at start. */
export function useNativeHash(): void {
  let digests = Buffer.alloc(0);
  let used = 0;
  // One-shot digests: an object for each of several hashes an event would keep the garbage collector busy. As text, and
  // many in one piece of memory: memory for each of them would take longer than the hash.
  useHasher({
    bytes: (input) => {
      if (used + DIGEST_BYTES > digests.length) {
        digests = Buffer.allocUnsafeSlow(DIGESTS_AT_ONCE * DIGEST_BYTES);
        used = 0;
      }
      digests.write(hash("sha256", input, "binary"), used, "binary");
      used += DIGEST_BYTES;
      return new Uint8Array(digests.buffer, digests.byteOffset + used - DIGEST_BYTES, DIGEST_BYTES);
    },
    hex: (input) => hash("sha256", input, "hex"),
    hexOfLong: (parts) => {
      const whole = createHash("sha256");
      for (const part of parts) whole.update(part);
      return whole.digest("hex");
    },
  });
}

function publicHex(key: KeyObject): string {
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  return toHex(new Uint8Array(der.subarray(PUBLIC_KEY_PREFIX.length)));
}

function signerOf(key: KeyObject): BlockSigner {
  return { sign: (bytes) => new Uint8Array(ed25519Sign(null, bytes, key)) };
}
