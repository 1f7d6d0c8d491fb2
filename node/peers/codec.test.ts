import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../../shared/bytes.js";
import { EMPTY_TREE_ROOT, ZERO_HASH } from "../../shared/hash.js";
import { height, sequence, term, treeSize } from "../../shared/ids.js";
import { BLOCK_BYTES_MAX, MESSAGE_BLOCKS_MAX } from "../../shared/limits.js";
import { type Block, type BlockHeader, hashHeader } from "../../shared/log/block.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { decodeMessage, encodeMessage } from "./codec.js";

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function blockOf(at: number, records: Uint8Array, payloads: Uint8Array): Block {
  const header: BlockHeader = {
    version: 2,
    bodyHash: "a".repeat(64),
    indexHash: "b".repeat(64),
    clusterId: ZERO_HASH,
    height: height(at),
    term: term(3),
    leaderId: "n1",
    previousBlockHash: ZERO_HASH,
    firstSequence: sequence(0),
    eventCount: 0,
    headHash: "",
    treeSize: treeSize(0),
    rootHash: EMPTY_TREE_ROOT,
    commitHeight: height(0),
    sealedAt: "2026-01-01T00:00:00.000Z",
    control: { kind: "term_started" },
  };
  return { header, blockHash: hashHeader(header), signature: new Uint8Array(64).fill(7), records, payloads };
}

const append = (blocks: Block[]): PeerMessage => ({
  from: "n1",
  to: "n2",
  clusterId: ZERO_HASH,
  formingHash: "",
  wallMs: 1_893_456_000_000,
  term: term(3),
  body: {
    kind: "append",
    round: 1,
    previousHeight: height(4),
    previousHash: ZERO_HASH,
    commitHeight: height(4),
    acknowledgedHeight: height(3),
    electionTimeoutMs: 1_000,
    clocks: [],
  },
  blocks,
});

describe("the peer message codec", () => {
  it("gives back every message as it was, blocks included", () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const blocks = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 1e9 }), bytes, bytes).map(([at, r, p]) => blockOf(at, r, p)),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(blocks, (list) => {
        expect(decodeMessage(encodeMessage(append(list)))).toStrictEqual(append(list));
      }),
    );
  });

  it("gives back a message that begins in the middle of a shared buffer", () => {
    const encoded = encodeMessage(append([blockOf(5, utf8("a"), utf8("b"))]));
    const shared = Buffer.concat([Buffer.from("before"), encoded, Buffer.from("after")]);
    expect(decodeMessage(shared.subarray(6, 6 + encoded.length)).blocks[0]?.records).toStrictEqual(utf8("a"));
  });

  it("refuses rubbish, and never answers it with anything but an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => decodeMessage(bytes)).toThrow();
      }),
    );
  });

  it("refuses, or reads as another valid message, what was altered in one byte or cut short", () => {
    const encoded = encodeMessage(append([blockOf(5, utf8("records"), utf8("payloads"))]));
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = Buffer.from(encoded);
        altered[at] = (altered[at] as number) ^ flip;
        let again: PeerMessage;
        try {
          again = decodeMessage(altered);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          return;
        }
        expect(encodeMessage(again).length).toBeGreaterThan(0);
        expect(again).not.toStrictEqual(append([blockOf(5, utf8("records"), utf8("payloads"))]));
      }),
      { numRuns: 500 },
    );
    for (let length = 0; length < encoded.length; length++) {
      // The message without its blocks is complete in itself; every other prefix is not.
      const isWhole = length === 4 + encoded.readUInt32BE(0);
      if (!isWhole) expect(() => decodeMessage(encoded.subarray(0, length))).toThrow();
    }
  });

  it("refuses lengths that promise more than there is, without reserving memory for them", () => {
    expect(() => decodeMessage(concat(u32(0xffff_ffff), utf8("{}")))).toThrow(RangeError);
  });

  it("takes the largest number of blocks and refuses one more, on either side", () => {
    const many = Array.from({ length: MESSAGE_BLOCKS_MAX }, (_, i) => blockOf(i + 1, new Uint8Array(), utf8("x")));
    const encoded = encodeMessage(append(many));
    expect(decodeMessage(encoded).blocks).toHaveLength(MESSAGE_BLOCKS_MAX);
    expect(() => encodeMessage(append([...many, many[0] as Block]))).toThrow(RangeError);
    const one = encoded.subarray(4 + encoded.readUInt32BE(0));
    const more = Buffer.concat([encoded, one.subarray(0, 4 + one.readUInt32BE(0))]);
    expect(() => decodeMessage(more)).toThrow("too many blocks");
  });

  it("takes a block of the largest size and refuses one that is a byte larger", () => {
    const full = blockOf(5, new Uint8Array(BLOCK_BYTES_MAX), new Uint8Array());
    expect(decodeMessage(encodeMessage(append([full]))).blocks[0]?.records).toHaveLength(BLOCK_BYTES_MAX);
    const over = blockOf(5, new Uint8Array(BLOCK_BYTES_MAX), new Uint8Array(1));
    expect(() => decodeMessage(encodeMessage(append([over])))).toThrow("block over its limit");
  });

  it("refuses a message above the size of any message", () => {
    const full = blockOf(5, new Uint8Array(BLOCK_BYTES_MAX), new Uint8Array());
    expect(() => encodeMessage(append([full, full, full]))).toThrow(RangeError);
  });

  it("refuses members that are not in the schema", () => {
    for (const extra of [{ extra: 1 }, { term: -1 }, { term: 1.5 }, { from: "" }, { body: { kind: "unknown" } }]) {
      const { blocks: _, ...fields } = append([]);
      const json = utf8(JSON.stringify({ ...fields, ...extra }));
      expect(() => decodeMessage(concat(u32(json.length), json))).toThrow();
    }
  });
});
