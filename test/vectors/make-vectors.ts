import { deriveSigner } from "../../node/host/signer.js";
import { type Block, type BlockHeader, encodeBlock, hashHeader, headerBytes } from "../../shared/log/block.js";
import { concat, fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText, type JsonValue } from "../../shared/canonical.js";
import { type BlockFault, type ChainState, EMPTY_CHAIN, type SealRequest, sealBlock } from "../../shared/log/chain.js";
import type { Control, Member } from "../../shared/log/control.js";
import { type EventView, eventView, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import { sha256Hex } from "../../shared/hash.js";
import { height, term } from "../../shared/ids.js";
import { appendLeaves, type CompactRange, EMPTY_RANGE, leafHash, rootOf } from "../../shared/merkle/compact-range.js";

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/**
 * The test vectors of docs/reference/hash-spec.md, made by the project's own code from fixed seeds, salts and times.
 * `UPDATE_VECTORS=1 npx vitest run --project unit shared/hash-spec.test.ts` writes them; they change only when the
 * format does.
 */
export interface Vectors {
  readonly about: string;
  readonly keys: readonly { node: string; seed: string; block: string; log: string; cosign: string }[];
  readonly canonicalJson: readonly { input: string; canonical: string }[];
  readonly payloads: readonly { canonical: string; salt: string; payloadHash: string }[];
  readonly merkle: readonly {
    size: number;
    leaf: string | null;
    leafHash: string | null;
    frontier: string[];
    root: string;
  }[];
  readonly log: {
    readonly clusterId: string;
    readonly blocks: readonly {
      header: BlockHeader;
      headerText: string;
      blockHash: string;
      signature: string;
      records: string[];
      recordsBytes: string;
      payloadsBytes: string;
      wire: string;
      events: EventView[];
    }[];
  };
  /** Each takes the place of the log's block at its height, after the sound blocks below it. */
  readonly refused: readonly { what: string; height: number; fault: BlockFault; wire: string }[];
}

const hexOf = (byte: number, count: number): string => byte.toString(16).padStart(2, "0").repeat(count);
const SEEDS = new Map([
  ["n1", hexOf(0x11, 32)],
  ["n2", hexOf(0x22, 32)],
  ["n3", hexOf(0x33, 32)],
]);
const signerOf = (node: string) => deriveSigner(fromHex(SEEDS.get(node) as string));

const members: Member[] = [...SEEDS.keys()].map((id, i) => ({
  id,
  address: `http://127.0.0.1:${3000 + i}`,
  priority: i + 1,
  storeId: hexOf(0xa1 + i, 16),
  joinNonce: hexOf(0xb1 + i, 16),
  keys: signerOf(id).keys,
}));

/** RFC 8785 where it is easy to get wrong: order by UTF-16 code units, numbers as ECMAScript writes them, escapes. */
const CANONICAL_INPUTS = [
  "{}",
  '{ "b": 1, "a": [true, false, null], "10": 2, "9": 3 }',
  '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}',
  '{"numbers":[0, -0, 1.0, 10, 333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 9007199254740991, -1.5]}',
  '{"text":"\\u0001 \\b\\t\\n\\f\\r \\" \\\\ \\/ \\u007f \\u2028 é €"}',
];

function payloadVector(input: string, salt: string): Vectors["payloads"][number] {
  const canonical = canonicalText(JSON.parse(input) as JsonValue);
  return { canonical, salt, payloadHash: payloadCommitment(fromHex(salt), utf8(canonical)) };
}

function prepared(place: number, event: Partial<PreparedEvent> & { dataPayload: JsonValue }): PreparedEvent {
  const { dataPayload, ...given } = event;
  const payload = utf8(canonicalText(dataPayload));
  const payloadSalt = fromHex(hexOf(0xc0 + place, 16));
  return {
    id: (0x65a000000000 + place).toString(16).padStart(24, "0"),
    eventType: "invoice.approved",
    timestamp: "2026-05-01T12:00:00.000Z",
    sourceAppId: "billing",
    payload,
    payloadSalt,
    payloadHash: payloadCommitment(payloadSalt, payload),
    ...given,
  };
}

interface Step {
  readonly leader: string;
  readonly term: number;
  readonly commit: number;
  readonly now: string;
  readonly control?: Control;
  readonly events?: readonly PreparedEvent[];
}

const GENESIS: Control = { kind: "genesis", nonce: hexOf(0x0f, 16), members };
const newKeys = deriveSigner(fromHex(hexOf(0x44, 32))).keys;
const admitted: Control = {
  kind: "node_admitted",
  node: "n1",
  joinNonce: hexOf(0xd1, 16),
  storeId: hexOf(0xe1, 16),
  keys: newKeys,
  actor: "ada",
  reason: "its disk was replaced",
};

const TERM_STARTED: Control = {
  kind: "term_started",
  election: { reason: "no_leader", previousLeader: "n3", votes: ["n1", "n2"], tookMs: 1180 },
};

const STEPS: readonly Step[] = [
  {
    leader: "n3",
    term: 1,
    commit: 0,
    now: "2026-05-01T12:00:00.100Z",
    control: GENESIS,
  },
  {
    leader: "n3",
    term: 1,
    commit: 1,
    now: "2026-05-01T12:00:01.000Z",
    events: [prepared(0, { dataPayload: { amount: 125000, currency: "EUR" }, idempotencyKey: 'order "17"' })],
  },
  {
    leader: "n3",
    term: 1,
    commit: 2,
    // The leader's clock went back: sealedAt stays where it was.
    now: "2026-05-01T11:59:59.000Z",
    events: [
      prepared(1, { dataPayload: {}, batch: [0, 2], timestamp: "2026-05-01T14:00:00+02:00" }),
      prepared(2, {
        dataPayload: { text: "Übergröße €\n\u2028" },
        batch: [1, 2],
        eventType: "note",
        sourceAppId: "büro",
      }),
    ],
  },
  { leader: "n2", term: 4, commit: 2, now: "2026-05-01T12:00:09.000Z", control: TERM_STARTED },
  { leader: "n2", term: 4, commit: 4, now: "2026-05-01T12:00:10.000Z", control: admitted },
  {
    leader: "n2",
    term: 4,
    commit: 5,
    now: "2026-05-01T12:00:11.000Z",
    events: [prepared(3, { dataPayload: { numbers: [1e21, 5e-324, 0.1] } })],
  },
];

function sealAll(): { blocks: Block[]; states: ChainState[]; views: EventView[][] } {
  const blocks: Block[] = [];
  const states: ChainState[] = [EMPTY_CHAIN];
  const views: EventView[][] = [];
  for (const { leader, term: inTerm, commit, now, control, events = [] } of STEPS) {
    const request: SealRequest = {
      term: term(inTerm),
      leaderId: leader,
      events,
      now,
      commitHeight: height(commit),
      ...(control === undefined ? {} : { control }),
    };
    const sealed = sealBlock(states.at(-1) as ChainState, request, signerOf(leader).block);
    blocks.push(sealed.block);
    states.push(sealed.next);
    views.push(sealed.events.map((event) => eventView(event, sealed.next)));
  }
  return { blocks, states, views };
}

function recordTexts({ records }: Block): string[] {
  const texts: string[] = [];
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at < records.length; ) {
    const length = view.getUint32(at);
    texts.push(fromUtf8(records.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return texts;
}

/** Signed anew by its own leader, so that only what was changed is wrong. */
function resealed(block: Block, change: Partial<BlockHeader>): Block {
  const header = { ...block.header, ...change };
  return {
    ...block,
    header,
    blockHash: hashHeader(header),
    signature: signerOf(header.leaderId).block.sign(headerBytes(header)),
  };
}

/** The same bytes with one bit flipped. */
function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

function refusedBlocks(blocks: readonly Block[]): Vectors["refused"] {
  const at = (n: number): Block => blocks[n - 1] as Block;
  const one = (what: string, n: number, fault: BlockFault, block: Block): Vectors["refused"][number] => ({
    what,
    height: n,
    fault,
    wire: toHex(encodeBlock(block)),
  });
  const zeros = "0".repeat(64);
  const payloads = at(2).payloads;
  return [
    one("a payload that was changed", 2, "bad_hash", { ...at(2), payloads: flipped(payloads, payloads.length - 20) }),
    one("a salt that was changed", 2, "bad_hash", { ...at(2), payloads: flipped(payloads, payloads.length - 1) }),
    one("a record that was changed", 2, "bad_hash", {
      ...at(2),
      records: utf8(fromUtf8(at(2).records).replace("invoice.approved", "invoice.Approved")),
    }),
    one("a record with white space", 2, "bad_encoding", withSpace(at(2))),
    one(
      "a record whose eventType is a number",
      2,
      "bad_record",
      withRecord(at(2), (text) => text.replace('"invoice.approved"', "17")),
    ),
    one(
      "a record whose id is none",
      2,
      "bad_record",
      withRecord(at(2), (text) => text.replace("00000065a", "00000065A")),
    ),
    one("a payload that is no object", 2, "bad_record", withPayload(at(2), "[1]")),
    one("a payload that is not canonical", 2, "bad_record", withPayload(at(2), '{"b":1,"a":2}')),
    one("a signature that was changed", 2, "bad_signature", { ...at(2), signature: flipped(at(2).signature, 5) }),
    one("a leader that signs for another", 2, "bad_signature", {
      ...resealed(at(2), {}),
      signature: signerOf("n1").block.sign(headerBytes(at(2).header)),
    }),
    one("a wrong Merkle root", 2, "bad_root", resealed(at(2), { rootHash: zeros })),
    one("a wrong headHash", 2, "bad_hash", resealed(at(2), { headHash: zeros })),
    one("a wrong previousBlockHash", 3, "bad_link", resealed(at(3), { previousBlockHash: zeros })),
    one("another cluster's id", 3, "bad_cluster", resealed(at(3), { clusterId: zeros })),
    one("a term that goes back", 5, "bad_term", resealed(at(5), { term: term(3) })),
    one("a time that goes back", 4, "bad_record", resealed(at(4), { sealedAt: "2026-05-01T12:00:00.999Z" })),
    one("a commitHeight that is its own height", 4, "bad_link", resealed(at(4), { commitHeight: height(4) })),
    one("a second genesis", 4, "bad_link", resealed(at(4), { control: GENESIS })),
    one("a leader that is no member", 4, "bad_leader", strangers(at(4))),
  ];
}

function withSpace(block: Block): Block {
  const spaced = utf8((recordTexts(block)[0] ?? "").replace(",", ", "));
  return { ...block, records: concat(u32(spaced.length), spaced) };
}

/** Another record in the block's one event, with all hashes and the signature made anew. */
function withRecord(block: Block, change: (text: string) => string, payloads = block.payloads): Block {
  const bytes = utf8(change(recordTexts(block)[0] ?? ""));
  const range = appendLeaves(EMPTY_RANGE, [leafHash(bytes)]);
  const changed = resealed(block, { headHash: sha256Hex(bytes), rootHash: toHex(rootOf(range)) });
  return { ...changed, records: concat(u32(bytes.length), bytes), payloads };
}

function withPayload(block: Block, payload: string): Block {
  const bytes = utf8(payload);
  const salt = block.payloads.subarray(-16);
  const hash = payloadCommitment(salt, bytes);
  const payloads = concat(u32(bytes.length), bytes, salt);
  return withRecord(block, (text) => text.replace(/"payloadHash":"[0-9a-f]{64}"/, `"payloadHash":"${hash}"`), payloads);
}

function strangers(block: Block): Block {
  const header = { ...block.header, leaderId: "n9" };
  return { ...block, header, blockHash: hashHeader(header), signature: signerOf("n1").block.sign(headerBytes(header)) };
}

function merkleVectors(): Vectors["merkle"] {
  const rows: Vectors["merkle"][number][] = [];
  let range: CompactRange = EMPTY_RANGE;
  for (let size = 0; size <= 9; size++) {
    const leaf = size === 0 ? null : `leaf ${size - 1}`;
    if (leaf !== null) range = appendLeaves(range, [leafHash(utf8(leaf))]);
    rows.push({
      size,
      leaf,
      leafHash: leaf === null ? null : toHex(leafHash(utf8(leaf))),
      frontier: range.hashes.map((hash) => toHex(hash)),
      root: toHex(rootOf(range)),
    });
  }
  return rows;
}

export function makeVectors(): Vectors {
  const { blocks, states, views } = sealAll();
  return {
    about: "Test vectors of docs/reference/hash-spec.md. All bytes are lower-case hex.",
    keys: [...SEEDS].map(([node, seed]) => ({ node, seed, ...signerOf(node).keys })),
    canonicalJson: CANONICAL_INPUTS.map((input) => ({ input, canonical: canonicalText(JSON.parse(input)) })),
    payloads: [
      payloadVector("{}", hexOf(0, 16)),
      ...CANONICAL_INPUTS.slice(1).map((input, i) => payloadVector(input, hexOf(i + 1, 16))),
    ],
    merkle: merkleVectors(),
    log: {
      clusterId: states[1]?.clusterId ?? "",
      blocks: blocks.map((block, i) => ({
        header: block.header,
        headerText: canonicalText(block.header),
        blockHash: block.blockHash,
        signature: toHex(block.signature),
        records: recordTexts(block),
        recordsBytes: toHex(block.records),
        payloadsBytes: toHex(block.payloads),
        wire: toHex(encodeBlock(block)),
        events: views[i] ?? [],
      })),
    },
    refused: refusedBlocks(blocks),
  };
}
