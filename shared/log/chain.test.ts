import fc from "fast-check";
import { expect, it } from "vitest";
import { concat, equalBytes, utf8 } from "../bytes.js";
import { canonicalBytes } from "../canonical.js";
import { sha256, sha256Hex } from "../hash.js";
import { height, term } from "../ids.js";
import { nodeHash, rootOf } from "../merkle/compact-range.js";
import { parseHeader } from "../protocol/messages.js";
import { type Block, blockBytes, decodeBlock, encodeBlock } from "./block.js";
import { eventBytesBound } from "./body.js";
import {
  type BlockSigner,
  type ChainState,
  EMPTY_CHAIN,
  rangeMatches,
  type SignatureVerifier,
  sealBlock,
  verifyBlock,
} from "./chain.js";
import type { Member } from "./control.js";
import { checkEventView, eventView, type PreparedEvent, payloadCommitment } from "./event.js";

const KEY = "ab".repeat(32);
/** A keyed hash in place of Ed25519: what is tested here is the chain, not the curve. */
const signer: BlockSigner = { sign: (bytes) => sha256(concat(utf8(KEY), bytes)) };
const verifier: SignatureVerifier = {
  verify: (key, bytes, signature) => equalBytes(sha256(concat(utf8(key), bytes)), signature),
};
const member: Member = {
  id: "n1",
  address: "http://127.0.0.1:3000",
  priority: 1,
  storeId: "1".repeat(32),
  joinNonce: "2".repeat(32),
  keys: { block: KEY, log: KEY, cosign: KEY },
};
const now = "2026-01-02T03:04:05.678Z";

function genesis(): { block: Block; next: ChainState } {
  const control = { kind: "genesis" as const, nonce: "3".repeat(32), members: [member] };
  return sealBlock(
    EMPTY_CHAIN,
    { term: term(1), leaderId: "n1", events: [], now, commitHeight: height(0), control },
    signer,
  );
}

const seal = (before: ChainState, events: PreparedEvent[]) =>
  sealBlock(before, { term: term(1), leaderId: "n1", events, now, commitHeight: height(0) }, signer);

function prepare(payload: unknown, i: number, names = "type"): PreparedEvent {
  const bytes = canonicalBytes(payload);
  const payloadSalt = sha256(utf8(String(i))).slice(0, 16);
  return {
    id: sha256Hex(utf8(String(i))).slice(0, 24),
    eventType: names,
    timestamp: now,
    sourceAppId: names,
    payload: bytes,
    payloadSalt,
    payloadHash: payloadCommitment(payloadSalt, bytes),
  };
}

const payloads = fc.array(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()), {
  minLength: 1,
  maxLength: 8,
});

it("verifies what it sealed, over any payloads, and gives back the same events", () => {
  fc.assert(
    fc.property(payloads, fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), (values, names) => {
      const start = genesis().next;
      const events = values.map((value, i) => prepare(value, i, names));
      const { block, next } = seal(start, events);
      const decoded = decodeBlock(encodeBlock(block), parseHeader);
      expect(decoded).toEqual(block);
      const verdict = verifyBlock(start, decoded, verifier);
      if (!verdict.ok) throw new Error(verdict.detail);
      expect(verdict.next).toEqual(next);
      for (const [i, event] of verdict.events.entries()) {
        const view = eventView(event, block.header);
        expect(canonicalBytes(view.dataPayload)).toEqual((events[i] as PreparedEvent).payload);
        expect(checkEventView(view)).toBeNull();
      }
      expect(blockBytes(block)).toBeLessThanOrEqual(events.reduce((sum, event) => sum + eventBytesBound(event), 0));
    }),
  );
});

it("refuses a block in which any one byte of the body was changed", () => {
  const start = genesis().next;
  const { block } = seal(start, [prepare({ amount: 125000 }, 1), prepare({ b: "ü" }, 2)]);
  for (const part of ["records", "payloads"] as const) {
    for (let i = 0; i < block[part].length; i++) {
      const bytes = block[part].slice();
      bytes[i] = (bytes[i] as number) ^ 1;
      expect(verifyBlock(start, { ...block, [part]: bytes }, verifier).ok, `${part}[${i}]`).toBe(false);
    }
  }
});

it("names what is wrong with a header", () => {
  const start = genesis().next;
  const { block } = seal(start, [prepare({}, 1)]);
  const fault = (change: object, sign = true): string => {
    const { block: resealed } = { block: resign({ ...block, header: { ...block.header, ...change } }, sign) };
    const verdict = verifyBlock(start, resealed, verifier);
    return verdict.ok ? "ok" : verdict.fault;
  };
  expect(fault({})).toBe("ok");
  expect(fault({ height: 3 })).toBe("bad_link");
  expect(fault({ previousBlockHash: "0".repeat(64) })).toBe("bad_link");
  expect(fault({ clusterId: "" })).toBe("bad_cluster");
  expect(fault({ term: 0 })).toBe("bad_term");
  expect(fault({ leaderId: "n9" })).toBe("bad_leader");
  expect(fault({ bodyHash: "0".repeat(64) })).toBe("bad_body");
  expect(fault({ indexHash: "0".repeat(64) })).toBe("bad_index");
  expect(fault({ rootHash: "0".repeat(64) })).toBe("bad_root");
  expect(fault({ headHash: "0".repeat(64) })).toBe("bad_hash");
  expect(fault({ commitHeight: 2 })).toBe("bad_link");
  expect(fault({ sealedAt: "2020-01-01T00:00:00.000Z" })).toBe("bad_record");
  expect(fault({ firstSequence: 1 })).toBe("bad_link");
  expect(fault({ treeSize: 9 })).toBe("bad_link");
  expect(fault({ eventCount: 2, treeSize: 2 })).toBe("bad_encoding");
  expect(fault({ sealedAt: "2027-01-01T00:00:00.000Z" }, false)).toBe("bad_signature");
});

it("is not moved by a clock that goes back: sealedAt never decreases", () => {
  const start = genesis().next;
  const request = {
    term: term(1),
    leaderId: "n1",
    events: [prepare({}, 1)],
    now: "2001-01-01T00:00:00.000Z",
    commitHeight: height(0),
  };
  const { block, events } = sealBlock(start, request, signer);
  expect(block.header.sealedAt).toBe(now);
  expect(events[0]?.record.recordedAt).toBe(now);
  expect(verifyBlock(start, block, verifier).ok).toBe(true);
});

/** The same header with its own hash, and with or without a valid signature. */
function resign(block: Block, sign: boolean): Block {
  const bytes = concat(utf8("quorumlog/block/v1\n"), canonicalBytes(block.header));
  return { ...block, blockHash: sha256Hex(bytes), signature: sign ? signer.sign(bytes) : block.signature };
}

it("takes no other hashes for a log's compact range than those of its subtrees, though they fold to the root", () => {
  const { next } = genesis();
  const events = Array.from({ length: 7 }, (_, i) => prepare({ i }, i));
  const { block, next: after } = sealBlock(
    next,
    { term: term(1), leaderId: "n1", events, now, commitHeight: height(1) },
    signer,
  );
  const { range } = after;
  expect([range.hashes.length, rangeMatches(range, block.header)]).toEqual([3, true]);
  const [a, b, c] = range.hashes as [Uint8Array, Uint8Array, Uint8Array];
  const root = rootOf(range);
  for (const hashes of [[root], [a, nodeHash(b, c)], [concat(a, b.subarray(0, 1)), b.subarray(1), c]])
    expect([hashes.length, rangeMatches({ size: range.size, hashes }, block.header)]).toEqual([hashes.length, false]);
  const endless = { ...block.header, treeSize: Number.POSITIVE_INFINITY as never };
  expect(rangeMatches({ size: Number.POSITIVE_INFINITY, hashes: range.hashes }, endless)).toBe(false);
});
