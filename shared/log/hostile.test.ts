import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, equalBytes, utf8 } from "../bytes.js";
import { canonicalBytes, canonicalText } from "../canonical.js";
import { sha256 } from "../hash.js";
import { height, term } from "../ids.js";
import { parseHeader } from "../protocol/messages.js";
import { type Block, decodeBlock, encodeBlock, hashHeader, headerBytes } from "./block.js";
import { bodyHash } from "./body.js";
import {
  type BlockSigner,
  type ChainState,
  EMPTY_CHAIN,
  type SealRequest,
  type SignatureVerifier,
  sealBlock,
  verifyBlock,
} from "./chain.js";
import type { Member } from "./control.js";
import { canonicalObject, eventFault, type PreparedEvent, payloadCommitment } from "./event.js";
import { positionsOf } from "./index.js";

/** A keyed hash in place of Ed25519: who has the key signs whatever is refused here. */
const KEY = "ab".repeat(32);
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
const request = { term: term(1), leaderId: "n1", events: [], now, commitHeight: height(0) };
const genesisOf = (members: Member[]): SealRequest => ({
  ...request,
  control: { kind: "genesis", nonce: "3".repeat(32), members },
});
const genesis = sealBlock(EMPTY_CHAIN, genesisOf([member]), signer);

const payload = canonicalBytes({ amount: 125000 });
const payloadSalt = new Uint8Array(16);
const event: PreparedEvent = {
  id: "0".repeat(24),
  eventType: "invoice.paid",
  timestamp: now,
  sourceAppId: "billing",
  payload,
  payloadSalt,
  payloadHash: payloadCommitment(payloadSalt, payload),
};

/** What a follower says to a block that its leader sealed without looking at it. */
function faultOf(before: ChainState, sealing: Partial<SealRequest>): string {
  const { block } = sealBlock(before, { ...request, ...sealing }, signer);
  const verdict = verifyBlock(before, decodeBlock(encodeBlock(block), parseHeader), verifier);
  return verdict.ok ? "ok" : verdict.fault;
}

describe("an event of another node", () => {
  it.each<[string, Partial<PreparedEvent>]>([
    ["half of a surrogate pair in its type", { eventType: "a\ud83d" }],
    ["half of a surrogate pair in its source", { sourceAppId: "\ude00" }],
    ["a control character in its type", { eventType: "a\nb" }],
    ["a NUL in its source, so that source and key could be told apart no more", { sourceAppId: "a\0b" }],
    ["a key that no header can hold", { idempotencyKey: "é" }],
    ["an empty key", { idempotencyKey: "" }],
    ["an instant before year 0 of UTC", { timestamp: "0000-01-01T00:00:00+00:01" }],
    ["an instant after year 9999 of UTC", { timestamp: "9999-12-31T23:59:59-00:01" }],
  ])("is refused with %s, as at the door", (_, change) => {
    expect(eventFault({ ...event, ...change })).not.toBeNull();
    expect(faultOf(genesis.next, { events: [{ ...event, ...change }] })).toMatch(/^bad_(record|encoding)$/);
  });

  it("is taken with all that the door takes", () => {
    for (const change of [
      { eventType: "😀".repeat(256) },
      { sourceAppId: "é \u2028" },
      { idempotencyKey: `~ "\\`.repeat(51) },
      { timestamp: "0000-01-01T00:00:00-00:01" },
      { timestamp: "9999-12-31T23:59:59.9999+00:00" },
    ])
      expect(faultOf(genesis.next, { events: [{ ...event, ...change }] })).toBe("ok");
  });

  it("is refused with a payload that nests deeper than the door allows, whatever the room on the stack", () => {
    const nested = (depth: number): Uint8Array => utf8(`{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`);
    expect(canonicalObject(nested(64))).not.toBeNull();
    for (const depth of [65, 128, 129, 1_000, 100_000, 2_000_000]) expect(canonicalObject(nested(depth))).toBeNull();
  });
});

describe("a header", () => {
  it.each(["9999-99-99T99:99:99.999Z", "2026-02-29T00:00:00.000Z", "2026-01-02T24:00:00.000Z"])(
    "is refused with a sealedAt that is no instant: %s",
    (sealedAt) => {
      expect(faultOf(genesis.next, { now: sealedAt })).toBe("bad_record");
    },
  );

  it("is no header in any text but its own canonical one", () => {
    const { block } = sealBlock(genesis.next, request, signer);
    const text = canonicalText(block.header);
    const wire = (header: string): Uint8Array => {
      const rest = encodeBlock(block).subarray(4 + utf8(text).length);
      const bytes = utf8(header);
      return concat(Uint8Array.of(0, 0, bytes.length >> 8, bytes.length), bytes, rest);
    };
    expect(decodeBlock(wire(text), parseHeader)).toEqual(block);
    for (const other of [
      text.replace(",", ", "),
      text.replace('"term":1', '"term":1.0'),
      text.replace('"term":1', '"term":2,"term":1'),
      text.replace('"n1"', '"\\u006e1"'),
      // RFC 8785 has no text for this one, so it could be neither hashed nor refused by its hash.
      text.replace(
        '"eventCount"',
        `"control":{"actor":"a","joinNonce":"${"4".repeat(32)}","keys":${canonicalText(member.keys)},"kind":"node_admitted","node":"n1","reason":"\\ud800","storeId":"${"5".repeat(32)}"},"eventCount"`,
      ),
    ])
      expect(() => decodeBlock(wire(other), parseHeader), other).toThrow();
  });

  it("of the largest genesis can be read by those that it founds", () => {
    const members = Array.from({ length: 64 }, (_, i) => ({
      ...member,
      id: `${i}`.padStart(64, "n"),
      address: `http://${"a".repeat(505)}`,
      priority: Number.MAX_SAFE_INTEGER - i,
    }));
    const { block } = sealBlock(EMPTY_CHAIN, { ...genesisOf(members), leaderId: members[0]?.id ?? "" }, signer);
    expect(decodeBlock(encodeBlock(block), parseHeader).blockHash).toBe(block.blockHash);
  });
});

it("bytes that were changed anywhere give a verdict or an error, and never pass", () => {
  const events = [event, { ...event, idempotencyKey: "k", batch: [0, 1] as const, timestamp: "2026-01-01 00:00:00" }];
  const { block } = sealBlock(genesis.next, { ...request, events }, signer);
  const wire = encodeBlock(block);
  const change = fc.record({ at: fc.nat(wire.length - 1), cut: fc.nat(3), put: fc.uint8Array({ maxLength: 3 }) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let bytes = wire;
      for (const { at, cut, put } of changes) bytes = concat(bytes.subarray(0, at), put, bytes.subarray(at + cut));
      fc.pre(!equalBytes(bytes, wire));
      let decoded: Block;
      try {
        decoded = decodeBlock(bytes, parseHeader);
      } catch {
        return;
      }
      expect(verifyBlock(genesis.next, decoded, verifier).ok).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

it("bodies that were changed and sealed anew give a verdict, and pass only as what they say", () => {
  const events = [event, { ...event, idempotencyKey: "k", batch: [0, 1] as const, timestamp: "2026-01-01 00:00:00" }];
  const { block } = sealBlock(genesis.next, { ...request, events }, signer);
  fc.assert(
    fc.property(fc.boolean(), fc.nat(), fc.integer({ min: 0, max: 255 }), (inRecords, where, byte) => {
      const part = inRecords ? "records" : "payloads";
      const bytes = block[part].slice();
      bytes[where % bytes.length] = byte;
      fc.pre(!equalBytes(bytes, block[part]));
      const changed = { ...block, [part]: bytes };
      const header = { ...block.header, bodyHash: bodyHash(changed) };
      const signed = { ...changed, header, blockHash: hashHeader(header), signature: signer.sign(headerBytes(header)) };
      const verdict = verifyBlock(genesis.next, signed, verifier);
      expect(verdict.ok ? "ok" : verdict.fault).toMatch(/^bad_(encoding|record|hash)$/);
    }),
    { numRuns: 1_000 },
  );
});

it("places of a term are refused where they are damaged", () => {
  const check = utf8("12345678");
  const places = (...positions: number[]): Uint8Array =>
    concat(check, Uint8Array.of(0, positions.length, ...positions.flatMap((at) => [at >> 8, at])));
  expect(positionsOf(places(0, 3, 300), check)).toEqual([0, 3, 300]);
  expect(positionsOf(places(0, 3), utf8("other..."))).toEqual([]);
  for (const damaged of [places(0, 3).slice(0, -1), places(3, 3), places(4, 3), places(), check])
    expect(() => positionsOf(damaged, check)).toThrow(RangeError);
});
