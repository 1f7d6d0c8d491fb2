import { concat, fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText, type JsonValue } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import { height, sequence, term, treeSize } from "../../shared/ids.js";
import { type Block, type BlockHeader, encodeBlock, hashHeader, headerBytes } from "../../shared/log/block.js";
import { bodyHash, encodeBody } from "../../shared/log/body.js";
import {
  type BlockFault,
  type BlockSigner,
  type ChainState,
  EMPTY_CHAIN,
  type SealRequest,
  sealBlock,
} from "../../shared/log/chain.js";
import { type LoggedEvent, logEvent, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import { appendLeaves, leafHash, rootOf } from "../../shared/merkle/compact-range.js";
import type { Vectors } from "./make-vectors.js";

/** The log that the refused blocks are made from. */
interface Sound {
  readonly blocks: readonly Block[];
  readonly states: readonly ChainState[];
  signerOf(node: string): BlockSigner;
  requestOf(height: number): SealRequest;
}

const ZEROS = "0".repeat(64);
/** Height of the block with one event, which has a key. */
const ONE = 2;

export function refusedBlocks(sound: Sound): Vectors["refused"] {
  const wires: readonly [string, number, BlockFault, Uint8Array][] = [
    ...wrongHeaders(sound),
    ...wrongHashes(sound),
    ...wrongEncodings(sound),
    ...wrongEvents(sound),
  ];
  return wires.map(([what, at, fault, wire]) => ({ what, height: at, fault, wire: toHex(wire) }));
}
type Refused = [string, number, BlockFault, Uint8Array];

/** The block with other members in its header, or another body, signed anew: only what was changed is wrong. */
function resealed({ blocks, signerOf }: Sound, at: number, header: Partial<BlockHeader>, body?: Body): Block {
  const block = { ...(blocks[at - 1] as Block), ...body };
  const changed = { ...block.header, bodyHash: bodyHash(block), ...header };
  return {
    ...block,
    header: changed,
    blockHash: hashHeader(changed),
    signature: signerOf(block.header.leaderId).sign(headerBytes(changed)),
  };
}
type Body = Partial<Pick<Block, "records" | "payloads">>;

function wrongHeaders(sound: Sound): Refused[] {
  const { blocks, signerOf } = sound;
  const block = (at: number): Block => blocks[at - 1] as Block;
  const one = (what: string, at: number, fault: BlockFault, header: Partial<BlockHeader>): Refused => [
    what,
    at,
    fault,
    encodeBlock(resealed(sound, at, header)),
  ];
  const stranger = { ...block(4).header, leaderId: "n9" };
  const signed = (header: BlockHeader): Block => ({
    ...block(4),
    header,
    signature: signerOf("n1").sign(headerBytes(header)),
  });
  const withText = (change: (text: string) => string): Uint8Array => {
    const bytes = utf8(change(canonicalText(block(ONE).header)));
    const signature = signerOf("n3").sign(concat(utf8("quorumlog/block/v1\n"), bytes));
    return concat(...[bytes, signature, block(ONE).records, block(ONE).payloads].flatMap((part) => [u32(part), part]));
  };
  return [
    one("a wrong previousBlockHash", 3, "bad_link", { previousBlockHash: ZEROS }),
    one("another cluster's id", 3, "bad_cluster", { clusterId: ZEROS }),
    one("a height that leaves one out", 3, "bad_link", { height: height(4) }),
    one("a firstSequence that leaves one out", 3, "bad_link", { firstSequence: sequence(2) }),
    one("a term that goes back", 5, "bad_term", { term: term(3) }),
    one("a time that goes back", 4, "bad_record", { sealedAt: "2026-05-01T12:00:00.999Z" }),
    one("a time that is none", 4, "bad_record", { sealedAt: "2026-13-01T12:00:00.999Z" }),
    one("a time in another form", 4, "bad_record", { sealedAt: "2026-05-01T12:00:09Z" }),
    one("a commitHeight that is its own height", 4, "bad_link", { commitHeight: height(4) }),
    one("a commitHeight that goes back", 4, "bad_link", { commitHeight: height(1) }),
    ["a second genesis", 4, "bad_link", secondGenesis(sound)],
    ["a genesis that names a member twice", 1, "bad_encoding", twins(sound)],
    ["a leader that is no member", 4, "bad_leader", encodeBlock(signed(stranger))],
    ["a leader that signs for another", 4, "bad_signature", encodeBlock(signed(block(4).header))],
    [
      "a signature that was changed",
      ONE,
      "bad_signature",
      encodeBlock({ ...block(ONE), signature: flipped(block(ONE).signature, 5) }),
    ],
    ["a header with white space", ONE, "bad_encoding", withText((text) => text.replace(",", ", "))],
    ["a header with its members in another order", ONE, "bad_encoding", withText(lastFirst)],
    [
      "a header with an unknown member",
      ONE,
      "bad_encoding",
      withText((text) => text.replace('{"bodyHash"', '{"a":1,"bodyHash"')),
    ],
    ["version 1", ONE, "bad_encoding", withText((text) => text.replace('"version":2', '"version":1'))],
    ["a byte after the block", ONE, "bad_encoding", concat(encodeBlock(block(ONE)), Uint8Array.of(0))],
    ["a block whose last byte is missing", ONE, "bad_encoding", encodeBlock(block(ONE)).slice(0, -1)],
  ];
}

function secondGenesis(sound: Sound): Uint8Array {
  const control = (sound.blocks[0] as Block).header.control;
  return encodeBlock(resealed(sound, 4, control === undefined ? {} : { control }));
}

function twins(sound: Sound): Uint8Array {
  const { control } = (sound.blocks[0] as Block).header;
  if (control?.kind !== "genesis") throw new Error("block 1 is no genesis");
  const [first, ...others] = control.members;
  const members = others.map((member, i) => (i === 0 ? { ...member, id: first?.id ?? "" } : member));
  const twice = first === undefined ? members : [first, ...members];
  return encodeBlock(resealed(sound, 1, { control: { ...control, members: twice } }));
}

function lastFirst(text: string): string {
  const { version, ...rest } = JSON.parse(text) as Record<string, JsonValue>;
  return JSON.stringify({ version, ...rest });
}

function wrongHashes(sound: Sound): Refused[] {
  const block = sound.blocks[ONE - 1] as Block;
  const { records, payloads } = block;
  const one = (what: string, fault: BlockFault, header: Partial<BlockHeader>, at = ONE): Refused => [
    what,
    at,
    fault,
    encodeBlock(resealed(sound, at, header)),
  ];
  const body = (what: string, changed: Body): Refused => [what, ONE, "bad_body", encodeBlock({ ...block, ...changed })];
  return [
    one("a wrong bodyHash", "bad_body", { bodyHash: ZEROS }),
    one("a wrong bodyHash of no events", "bad_body", { bodyHash: ZEROS }, 4),
    body("a payload that was changed", { payloads: flipped(payloads, payloads.length - 2) }),
    body("a salt that was changed", { payloads: flipped(payloads, 4 + 1) }),
    body("a record that was changed", { records: flipped(records, 4 + 1 + 12 + 2) }),
    one("a wrong indexHash", "bad_index", { indexHash: ZEROS }),
    one("the indexHash of no events", "bad_index", { indexHash: (sound.blocks[3] as Block).header.indexHash }),
    one("a wrong indexHash of no events", "bad_index", { indexHash: ZEROS }, 4),
    one("a wrong Merkle root", "bad_root", { rootHash: ZEROS }),
    one("a wrong Merkle root of no events", "bad_root", { rootHash: ZEROS }, 4),
    one("a wrong headHash", "bad_hash", { headHash: ZEROS }),
    one("a wrong headHash of no events", "bad_hash", { headHash: ZEROS }, 4),
  ];
}

/** Sealed with the bodyHash of what is there, so that its encoding is what is refused. */
function wrongEncodings(sound: Sound): Refused[] {
  const block = sound.blocks[ONE - 1] as Block;
  const entry = block.records.subarray(4);
  const content = block.payloads.subarray(4);
  const one = (what: string, body: Body, header: Partial<BlockHeader> = {}): Refused => [
    what,
    ONE,
    "bad_encoding",
    encodeBlock(resealed(sound, ONE, header, body)),
  ];
  const part = (bytes: Uint8Array): Uint8Array => concat(u32(bytes), bytes);
  const record = (what: string, bytes: Uint8Array): Refused => one(what, { records: part(bytes) });
  const payload = (what: string, bytes: Uint8Array): Refused => one(what, { payloads: part(bytes) });
  // Flags, id, and two names with their lengths stand before the timestamp; behind it the key and the hash.
  const time = 1 + 12 + 2 + "invoice.approved".length + 2 + "billing".length;
  const text = utf8("2026-05-01T12:00:00.000Z");
  const rest = entry.subarray(time + 8);
  const withTime = (flags: number, ...bytes: Uint8Array[]): Uint8Array =>
    concat(Uint8Array.of(flags), entry.subarray(1, time), ...bytes, rest);
  const firstYear = fromHex("ffffc77590fb9fff");
  const batch = (place: number, length: number): Uint8Array =>
    concat(
      Uint8Array.of(2 | 4),
      entry.subarray(1, -32),
      Uint8Array.of(place >> 8, place, length >> 8, length),
      entry.subarray(-32),
    );
  return [
    record("an unknown flag", concat(Uint8Array.of((entry[0] as number) | 8), entry.subarray(1))),
    record("a timestamp as text that has the short form", withTime(3, Uint8Array.of(0, text.length), text)),
    record("milliseconds before year 0", withTime(2, firstYear)),
    record("milliseconds after year 9999", withTime(2, fromHex("7fffffffffffffff"))),
    record("a batch of no events", batch(0, 0)),
    record("a place behind its batch", batch(2, 2)),
    record("a batch of 1,001 events", batch(0, 1_001)),
    record("a type that is not UTF-8", withByte(entry, 1 + 12 + 2, 0xff)),
    record("a byte left over in an event", concat(entry, Uint8Array.of(0))),
    record("a hash that is cut", entry.subarray(0, -1)),
    record("a hash that is not the record's", flipped(entry, entry.length - 1)),
    record("another id, and so another hash", flipped(entry, 1)),
    one("a byte left over behind the records", { records: concat(block.records, Uint8Array.of(0)) }),
    one("a byte left over behind the payloads", { payloads: concat(block.payloads, Uint8Array.of(0)) }),
    one("a table that is cut", { records: block.records.subarray(0, 3) }),
    one("more events in the header than in the body", {}, { eventCount: 2, treeSize: treeSize(2) }),
    one("fewer events in the header than in the body", {}, { eventCount: 0, treeSize: treeSize(0) }),
    payload("another salt, and so another hash", flipped(content, 1)),
    payload("an unknown tag of a payload", withByte(content, 0, 2)),
    payload("a salt that is cut", content.subarray(0, 16)),
    payload("an erased payload's hash that is too long", concat(Uint8Array.of(1), new Uint8Array(33))),
  ];
}

/** Sealed as if their leader had looked at nothing: every hash is right. */
function wrongEvents(sound: Sound): Refused[] {
  const before = sound.states[ONE - 1] ?? EMPTY_CHAIN;
  const request = sound.requestOf(ONE);
  const event = request.events[0] as PreparedEvent;
  const signer = sound.signerOf(request.leaderId);
  const sealed = (what: string, change: Partial<PreparedEvent>): Refused => [
    what,
    ONE,
    "bad_record",
    encodeBlock(sealBlock(before, { ...request, events: [{ ...event, ...change }] }, signer).block),
  ];
  const payload = (what: string, text: string): Refused => {
    const bytes = utf8(text);
    return sealed(what, { payload: bytes, payloadHash: payloadCommitment(event.payloadSalt, bytes) });
  };
  const nothing = new Uint8Array(0);
  return [
    sealed("an empty type", { eventType: "" }),
    sealed("a type of 257 characters", { eventType: "a".repeat(257) }),
    sealed("a source with a control character", { sourceAppId: "a\u0085b" }),
    sealed("an empty key", { idempotencyKey: "" }),
    sealed("a key that is not ASCII", { idempotencyKey: "é" }),
    sealed("a key of 256 characters", { idempotencyKey: "a".repeat(256) }),
    sealed("a timestamp of 65 characters", { timestamp: `2026-05-01T12:00:00.${"1".repeat(44)}Z` }),
    sealed("an instant after year 9999 of UTC", { timestamp: "9999-12-31T23:59:59-00:01" }),
    sealed("an instant before year 0 of UTC", { timestamp: "0000-01-01T00:00:00+00:01" }),
    payload("a payload that is no object", "[1]"),
    payload("a payload that is not canonical", '{"b":1,"a":2}'),
    payload("a payload with a key twice", '{"a":1,"a":1}'),
    payload("a payload that nests 65 deep", `{"a":${"[".repeat(64)}${"]".repeat(64)}}`),
    payload("a payload that is not UTF-8 text of JSON", "{"),
    ["a timestamp that is no instant", ONE, "bad_record", forged(sound, { timestamp: "2026-02-30T12:00:00.000Z" })],
    [
      "a payload that was erased before it was sealed",
      ONE,
      "bad_record",
      forged(sound, {}, { isErased: true, payload: nothing, payloadSalt: nothing }),
    ],
  ];
}

/** Of events that `sealBlock` would not take: put together by hand. Its index is the sound block's. */
function forged(sound: Sound, change: Partial<PreparedEvent>, content: Partial<LoggedEvent> = {}): Uint8Array {
  const before = sound.states[ONE - 1] ?? EMPTY_CHAIN;
  const { header } = sound.blocks[ONE - 1] as Block;
  const prepared = { ...(sound.requestOf(ONE).events[0] as PreparedEvent), ...change };
  const at = { sequence: header.firstSequence, recordedAt: header.sealedAt, previousHash: before.headHash };
  const event = { ...logEvent(prepared, at), ...content };
  const range = appendLeaves(before.range, [leafHash(event.recordBytes)]);
  const hashes = { headHash: sha256Hex(event.recordBytes), rootHash: toHex(rootOf(range)) };
  return encodeBlock(resealed(sound, ONE, hashes, encodeBody([event])));
}

function u32({ length }: Uint8Array): Uint8Array {
  return Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length);
}

/** The same bytes with one bit flipped. */
const flipped = (bytes: Uint8Array, at: number): Uint8Array => withByte(bytes, at, (bytes[at] as number) ^ 1);

function withByte(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = byte;
  return copy;
}
