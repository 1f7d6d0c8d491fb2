import { createHmac, hkdfSync } from "node:crypto";
import type { HardState } from "../../cluster/types.js";
import { utf8 } from "../../shared/bytes.js";
import { canonicalBytes } from "../../shared/canonical.js";

const KEY_BYTES = 32;

/** 64 hex digits that only this node can compute for this state. */
export type StateMac = (state: HardState) => string;

/**
 * HMAC-SHA-256 (RFC 2104) over the RFC 8785 form of a hard state, under a key of its own from the identity's 32-byte seed
 * (HKDF, RFC 5869): a term or vote that somebody changed in the database, or that its disk changed, is found at the next
 * opening instead of being believed.
 */
export function stateMacOf(seed: Uint8Array): StateMac {
  const key = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(), utf8("quorumlog/key/state/v1"), KEY_BYTES));
  return (state) => createHmac("sha256", key).update(canonicalBytes(state)).digest("hex");
}
