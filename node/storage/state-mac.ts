import { createHmac, hkdfSync } from "node:crypto";
import type { HardState } from "../../cluster/types.js";
import { utf8 } from "../../shared/bytes.js";
import { canonicalBytes } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import type { HashHex } from "../../shared/ids.js";

const KEY_BYTES = 32;

/** A page of hashes of committed blocks. No hard state has these members. */
export interface AnchorPage {
  readonly clusterId: HashHex;
  readonly page: number;
  /** SHA-256 of the page's hashes. */
  readonly anchors: HashHex;
}

export const anchorPage = (clusterId: HashHex, page: number, hashes: Uint8Array): AnchorPage => ({
  clusterId,
  page,
  anchors: sha256Hex(hashes),
});

/** An alert as it is kept. No hard state and no page has this member. */
export interface KeptAlert {
  readonly alert: object;
}

/** A truncation that is under way, of this database. No other value has these members. */
export interface OpenTruncation {
  readonly truncating: object;
  readonly storeId: string;
}

/** A work on the index. No other value has this member alone. */
export interface NamedWork {
  readonly indexWork: string;
}

/** 64 hex digits that only this node can compute for this state, this page, this alert, this truncation, or this work. */
export type StateMac = (value: HardState | AnchorPage | KeptAlert | OpenTruncation | NamedWork) => string;

/**
 * HMAC-SHA-256 (RFC 2104) over the RFC 8785 form of the value, under a key of its own from the identity's 32-byte seed
 * (HKDF, RFC 5869): a term, a vote, a truncation or a noted hash that somebody changed in the database, or that its disk changed, is
 * found when it is read instead of being believed.
 */
export function stateMacOf(seed: Uint8Array): StateMac {
  const key = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(), utf8("quorumlog/key/state/v1"), KEY_BYTES));
  return (value) => createHmac("sha256", key).update(canonicalBytes(value)).digest("hex");
}
