import { sha256Hex } from "../../../shared/hash.js";
import { height, term } from "../../../shared/ids.js";
import { type Block, type BlockHeader, headerBytes } from "../../../shared/log/block.js";
import { bodyHash } from "../../../shared/log/body.js";
import { sealBlock } from "../../../shared/log/chain.js";
import type { PeerBody, PeerMessage } from "../../../shared/protocol/messages.js";
import { fakeSignature, fakeSigner } from "../../sim/fake-crypto.js";
import { noteNames } from "./say.js";
import type { Stage } from "./stage.js";

/** Signs a changed header as its leader would: the lie is well formed. */
function resign(stage: Stage, block: Block, change: Partial<BlockHeader>): Block {
  const header = { ...block.header, ...change };
  const bytes = headerBytes(header);
  const { keys } = stage.find(header.leaderId).store;
  return { ...block, header, blockHash: sha256Hex(bytes), signature: fakeSignature(keys.block, bytes) };
}

/** The header names the altered body. */
const resealed = (stage: Stage, block: Block): Block => resign(stage, block, { bodyHash: bodyHash(block) });

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = copy.length - 1;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** What a lying or broken sender can change in a block. */
const FORGERIES: Record<string, (stage: Stage, block: Block) => Block> = {
  "block-hash": (_stage, block) => ({ ...block, blockHash: "a".repeat(64) }),
  "head-hash": (stage, block) => resign(stage, block, { headHash: "b".repeat(64) }),
  root: (stage, block) => resign(stage, block, { rootHash: "c".repeat(64) }),
  signature: (_stage, block) => ({ ...block, signature: new Uint8Array(64) }),
  payload: (_stage, block) => ({ ...block, payloads: flipped(block.payloads) }),
  record: (_stage, block) => ({ ...block, records: flipped(block.records) }),
  "half-a-record": (_stage, block) => ({ ...block, records: block.records.subarray(0, 40) }),
  "sealed-payload": (stage, block) => resealed(stage, { ...block, payloads: flipped(block.payloads) }),
  "sealed-record": (stage, block) => resealed(stage, { ...block, records: flipped(block.records) }),
  "half-a-sealed-record": (stage, block) => resealed(stage, { ...block, records: block.records.subarray(0, 40) }),
  index: (stage, block) => resign(stage, block, { indexHash: "e".repeat(64) }),
  cluster: (stage, block) => resign(stage, block, { clusterId: "d".repeat(64) }),
  leader: (stage, block) => resign(stage, block, { leaderId: "n2" }),
  height: (stage, block) => resign(stage, block, { height: height(99) }),
  term: (stage, block) => resign(stage, block, { term: term(0) }),
};

export function forge(stage: Stage, what: string, message: PeerMessage): PeerMessage {
  // Half of a catch-up: no lie, and a message that an honest leader could send.
  if (what === "first") return { ...message, blocks: message.blocks.slice(0, 1) };
  const change = FORGERIES[what];
  if (change === undefined) throw new Error(`there is no forgery "${what}"`);
  return { ...message, blocks: message.blocks.map((block) => change(stage, block)) };
}

/** A well-formed append of a block that `from` never stored, sealed on its own log after block `after`. */
export function otherBlock(
  stage: Stage,
  lie: { from: string; to: string; after: number; name: string; commit: number },
): PeerMessage {
  const { from, to, after, name, commit } = lie;
  const { store } = stage.find(from);
  const base = store.chainAt(after);
  const sealed = sealBlock(
    base,
    {
      term: store.hardState.term,
      leaderId: from,
      events: stage.requests.make(name, {}),
      now: base.sealedAt,
      commitHeight: base.commitHeight,
    },
    fakeSigner(store.keys.block),
  );
  noteNames(sealed.block, sealed.events);
  const body: PeerBody = {
    kind: "append",
    round: 1_000,
    previousHeight: base.height,
    previousHash: base.blockHash,
    commitHeight: height(commit),
    acknowledgedHeight: height(0),
    electionTimeoutMs: 1_000,
    clocks: [],
  };
  return asIf(stage, from, to, body, [sealed.block]);
}

/** A message as `from` would send it now. */
export function asIf(
  stage: Stage,
  from: string,
  to: string,
  body: PeerBody,
  blocks: readonly Block[] = [],
): PeerMessage {
  const { clusterId, hardState } = stage.find(from).store;
  const wallMs = stage.wallMs;
  return { from, to, clusterId: clusterId ?? "", formingHash: "", term: hardState.term, wallMs, body, blocks };
}
