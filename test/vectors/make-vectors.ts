import { deriveSigner } from "../../node/host/signer.js";
import { fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText, type JsonValue } from "../../shared/canonical.js";
import { height, term } from "../../shared/ids.js";
import { type Block, type BlockHeader, encodeBlock } from "../../shared/log/block.js";
import {
  type BlockFault,
  type ChainState,
  EMPTY_CHAIN,
  type SealRequest,
  sealBlock,
} from "../../shared/log/chain.js";
import type { Control, Member } from "../../shared/log/control.js";
import { type EventView, eventView, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import type { BlockIndex } from "../../shared/log/index.js";
import { appendLeaves, type CompactRange, EMPTY_RANGE, leafHash, rootOf } from "../../shared/merkle/compact-range.js";
import {
  type BodyVector,
  bodyVectors,
  type IndexVector,
  indexVectors,
  type RunVector,
  runVector,
  TIMESTAMPS,
  type TermVector,
  type TimestampVector,
  termVectors,
  timestampVectors,
} from "./parts.js";
import { refusedBlocks } from "./refused.js";

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
  readonly timestamps: readonly TimestampVector[];
  readonly terms: readonly TermVector[];
  readonly indexes: readonly IndexVector[];
  readonly bodies: readonly BodyVector[];
  readonly log: {
    readonly clusterId: string;
    readonly blocks: readonly {
      header: BlockHeader;
      headerText: string;
      blockHash: string;
      signature: string;
      recordTexts: string[];
      records: string;
      payloads: string;
      index: { names: RunVector; keys: RunVector; times: string };
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
  { leader: "n3", term: 1, commit: 0, now: "2026-05-01T12:00:00.100Z", control: GENESIS },
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
    // One key for the whole batch.
    events: [
      prepared(1, {
        dataPayload: {},
        batch: [0, 2],
        idempotencyKey: "batch-9",
        timestamp: "2026-05-01T14:00:00+02:00",
        sourceAppId: "büro",
      }),
      prepared(2, {
        dataPayload: { text: "Übergröße €\n\u2028" },
        batch: [1, 2],
        idempotencyKey: "batch-9",
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
    events: TIMESTAMPS.map((timestamp, i) =>
      prepared(3 + i, { dataPayload: { numbers: [1e21, 5e-324, i / 10] }, timestamp, eventType: `clock.${i % 3}` }),
    ),
  },
  { leader: "n2", term: 4, commit: 6, now: "2026-05-01T12:00:12.000Z" },
];

function requestOf({ leader, term: inTerm, commit, now, control, events = [] }: Step): SealRequest {
  return {
    term: term(inTerm),
    leaderId: leader,
    events,
    now,
    commitHeight: height(commit),
    ...(control === undefined ? {} : { control }),
  };
}

interface SealedLog {
  readonly blocks: Block[];
  /** After 0, 1, 2 … blocks. */
  readonly states: ChainState[];
  readonly views: EventView[][];
  readonly recordTexts: string[][];
  readonly indexes: BlockIndex[];
}

function sealAll(): SealedLog {
  const log: SealedLog = { blocks: [], states: [EMPTY_CHAIN], views: [], recordTexts: [], indexes: [] };
  for (const step of STEPS) {
    const sealed = sealBlock(log.states.at(-1) as ChainState, requestOf(step), signerOf(step.leader).block);
    log.blocks.push(sealed.block);
    log.states.push(sealed.next);
    log.views.push(sealed.events.map((event) => eventView(event, sealed.next)));
    log.recordTexts.push(sealed.events.map(({ recordBytes }) => fromUtf8(recordBytes)));
    log.indexes.push(sealed.index);
  }
  return log;
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

function logVectors({ blocks, states, views, recordTexts, indexes }: SealedLog): Vectors["log"] {
  return {
    clusterId: states[1]?.clusterId ?? "",
    blocks: blocks.map((block, i) => {
      const { names, keys, times } = indexes[i] as BlockIndex;
      return {
        header: block.header,
        headerText: canonicalText(block.header),
        blockHash: block.blockHash,
        signature: toHex(block.signature),
        recordTexts: recordTexts[i] ?? [],
        records: toHex(block.records),
        payloads: toHex(block.payloads),
        index: { names: runVector(names), keys: runVector(keys), times: toHex(times) },
        wire: toHex(encodeBlock(block)),
        events: views[i] ?? [],
      };
    }),
  };
}

export function makeVectors(): Vectors {
  const log = sealAll();
  return {
    about: "Test vectors of docs/reference/hash-spec.md. All bytes are lower-case hex.",
    keys: [...SEEDS].map(([node, seed]) => ({ node, seed, ...signerOf(node).keys })),
    canonicalJson: CANONICAL_INPUTS.map((input) => ({ input, canonical: canonicalText(JSON.parse(input)) })),
    payloads: [
      payloadVector("{}", hexOf(0, 16)),
      ...CANONICAL_INPUTS.slice(1).map((input, i) => payloadVector(input, hexOf(i + 1, 16))),
    ],
    merkle: merkleVectors(),
    timestamps: timestampVectors(),
    terms: termVectors(),
    indexes: indexVectors(),
    bodies: bodyVectors([0, 1].map((i) => prepared(i, { dataPayload: { name: "Ada", i }, idempotencyKey: "k" }))),
    log: logVectors(log),
    refused: refusedBlocks({
      blocks: log.blocks,
      states: log.states,
      signerOf: (node) => signerOf(node).block,
      requestOf: (blockHeight) => requestOf(STEPS[blockHeight - 1] as Step),
    }),
  };
}
