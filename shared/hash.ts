import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { toHex } from "./bytes.js";
import type { HashHex } from "./ids.js";

/** SHA-256 in the two forms that are asked for most; both compute the same function. */
export interface Hasher {
  bytes(input: Uint8Array): Uint8Array;
  hex(input: Uint8Array): HashHex;
}
let hasher: Hasher = { bytes: nobleSha256, hex: (input) => toHex(nobleSha256(input)) };

/** SHA-256 of `bytes`: 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => hasher.bytes(bytes);
export const sha256Hex = (bytes: Uint8Array): HashHex => hasher.hex(bytes);

/** Lets a platform with a faster SHA-256 of its own supply it. */
export function useHasher(faster: Hasher): void {
  hasher = faster;
}

export const EMPTY_TREE_ROOT: HashHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
export const ZERO_HASH: HashHex = "0".repeat(64);
