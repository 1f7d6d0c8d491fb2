import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { toHex } from "./bytes.js";
import type { HashHex } from "./ids.js";

/** SHA-256 in the two forms that are asked for most; both compute the same function. */
export interface Hasher {
  bytes(input: Uint8Array): Uint8Array;
  hex(input: Uint8Array): HashHex;
  /** The hash of parts one after the other, without putting them together. */
  hexOfLong?(parts: readonly Uint8Array[]): HashHex;
}
let hasher: Hasher = { bytes: nobleSha256, hex: (input) => toHex(nobleSha256(input)) };

/** SHA-256 of `bytes`: 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => hasher.bytes(bytes);
export const sha256Hex = (bytes: Uint8Array): HashHex => hasher.hex(bytes);

/** Longer inputs are hashed part by part where the platform does that; else they get memory of their own. */
const SCRATCH_BYTES = 64 * 1024;
const scratch = new Uint8Array(SCRATCH_BYTES);

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function joined(parts: readonly Uint8Array[], length = lengthOf(parts)): Uint8Array {
  // Hashing is done before anything else can ask for the scratch, so one is enough.
  const whole = length <= SCRATCH_BYTES ? scratch.subarray(0, length) : new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** SHA-256 of the parts one after the other. */
export const sha256Of = (...parts: readonly Uint8Array[]): Uint8Array => hasher.bytes(joined(parts));
export function sha256HexOf(...parts: readonly Uint8Array[]): HashHex {
  const length = lengthOf(parts);
  if (length > SCRATCH_BYTES && hasher.hexOfLong !== undefined) return hasher.hexOfLong(parts);
  return hasher.hex(joined(parts, length));
}

/** Lets a platform with a faster SHA-256 of its own supply it. */
export function useHasher(faster: Hasher): void {
  hasher = faster;
}

export const EMPTY_TREE_ROOT: HashHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
export const ZERO_HASH: HashHex = "0".repeat(64);
