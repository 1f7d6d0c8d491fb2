import { fromHex, toHex } from "../bytes.js";
import { EMPTY_TREE_ROOT, sha256Hex, ZERO_HASH } from "../hash.js";
import { type HashHex, type Height, height, type NodeId, sequence, type Term, term, treeSize } from "../ids.js";
import {
  appendLeaves,
  type CompactRange,
  EMPTY_RANGE,
  leafHash,
  rangeLength,
  rootOf,
} from "../merkle/compact-range.js";
import { exactMillis } from "../timestamp.js";
import { type Block, type BlockHeader, bodyReader, headerBytes } from "./block.js";
import { bodyHash, encodeBody, HASH_BYTES } from "./body.js";
import { BodyError } from "./body-bytes.js";
import { type AlertRecords, alertRecordsBytes, applyControl, type Control, type Membership } from "./control.js";
import { canonicalObject, eventFault, type LoggedEvent, logEvent, type PreparedEvent } from "./event.js";
import { type BlockIndex, blockIndex, indexHash } from "./index.js";

/** All that is needed of a log to check or seal its next block; O(log n) in size. */
export interface ChainState {
  readonly clusterId: HashHex | "";
  readonly height: Height;
  readonly term: Term;
  readonly blockHash: HashHex;
  readonly headHash: HashHex | "";
  readonly range: CompactRange;
  readonly commitHeight: Height;
  readonly sealedAt: string;
  readonly members: Membership;
}

/** The state before the genesis. */
export const EMPTY_CHAIN: ChainState = {
  clusterId: "",
  height: height(0),
  term: term(0),
  blockHash: ZERO_HASH,
  headHash: "",
  range: EMPTY_RANGE,
  commitHeight: height(0),
  sealedAt: "",
  members: new Map(),
};

/** What a node needs of cryptography besides SHA-256; supplied by the platform. Ed25519, RFC 8032. */
export interface BlockSigner {
  sign(bytes: Uint8Array): Uint8Array;
}
export interface SignatureVerifier {
  /** `publicKey` is 32 bytes as hex. False for anything that is not a valid signature; never throws. */
  verify(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** What is wrong with a block; each becomes the kind of an alert. */
export type BlockFault =
  | "bad_encoding"
  | "bad_cluster"
  | "bad_link"
  | "bad_term"
  | "bad_leader"
  | "bad_signature"
  | "bad_hash"
  | "bad_root"
  | "bad_record"
  | "bad_body"
  | "bad_index";

export type BlockVerdict =
  | {
      readonly ok: true;
      readonly next: ChainState;
      readonly events: readonly LoggedEvent[];
      readonly index: BlockIndex;
    }
  | { readonly ok: false; readonly fault: BlockFault; readonly detail: string; readonly sequence?: number };

/**
 * Checks everything that one block claims against the state before it: cluster, link, term, leader, signature,
 * every payloadHash, record and hash, headHash, and the recomputed Merkle root, body hash and index hash.
 */
export function verifyBlock(before: ChainState, block: Block, verifier: SignatureVerifier): BlockVerdict {
  const { header } = block;
  const bad = (fault: BlockFault, detail: string, at?: number): BlockVerdict => ({
    ok: false,
    fault,
    detail: `block ${header.height}: ${detail}`,
    ...(at === undefined ? {} : { sequence: at }),
  });

  if (header.version !== 2) return bad("bad_encoding", `unknown version ${header.version}`);
  const signed = headerBytes(header);
  if (sha256Hex(signed) !== block.blockHash) return bad("bad_hash", "the block hash is not the header's");
  if (header.height !== before.height + 1) return bad("bad_link", `expected height ${before.height + 1}`);
  if (header.previousBlockHash !== before.blockHash)
    return bad("bad_link", "previousBlockHash is not the block before");
  const isGenesis = header.height === 1;
  if (isGenesis !== (header.control?.kind === "genesis"))
    return bad("bad_link", "genesis must be block 1, and only it");
  if (header.clusterId !== (isGenesis ? "" : before.clusterId))
    return bad("bad_cluster", "clusterId of another cluster");
  if (header.term < before.term || header.term < 1) return bad("bad_term", `term ${header.term} after ${before.term}`);
  if (header.commitHeight < before.commitHeight || header.commitHeight >= header.height)
    return bad("bad_link", `commitHeight ${header.commitHeight} is out of order`);
  if (exactMillis(header.sealedAt) === null || header.sealedAt < before.sealedAt)
    return bad("bad_record", `sealedAt ${header.sealedAt} is no instant or before ${before.sealedAt}`);

  const members = applyControl(before.members, header.control);
  // The genesis is signed by a key that it lists itself; afterwards only keys already in the log are believed.
  const leader = (isGenesis ? members : before.members).get(header.leaderId);
  if (leader === undefined) return bad("bad_leader", `${header.leaderId} is not a member`);
  if (!verifier.verify(leader.keys.block, signed, block.signature))
    return bad("bad_signature", `not signed by ${header.leaderId}`);

  const { control } = header;
  if (control?.kind === "alert_records" && !isSignedByFinder(before.members, control, header.clusterId, verifier))
    return bad("bad_record", `its records of alerts are not signed by ${control.node}`);

  const body = verifyBody(before, block);
  if (!body.ok) return bad(body.fault, body.detail, body.sequence);
  return {
    ok: true,
    events: body.events,
    index: body.index,
    next: {
      clusterId: isGenesis ? block.blockHash : before.clusterId,
      height: header.height,
      term: header.term,
      blockHash: block.blockHash,
      headHash: header.headHash,
      range: body.range,
      commitHeight: header.commitHeight,
      sealedAt: header.sealedAt,
      members,
    },
  };
}

/** Whoever leads can leave such records out, and cannot make them. */
function isSignedByFinder(
  members: Membership,
  records: AlertRecords,
  clusterId: string,
  verifier: SignatureVerifier,
): boolean {
  const key = members.get(records.node)?.keys.block;
  return key !== undefined && verifier.verify(key, alertRecordsBytes(clusterId, records), fromHex(records.signature));
}

type BodyVerdict =
  | { ok: true; events: readonly LoggedEvent[]; range: CompactRange; index: BlockIndex }
  | { ok: false; fault: BlockFault; detail: string; sequence?: number };

function verifyBody(before: ChainState, block: Block): BodyVerdict {
  const { header } = block;
  if (header.firstSequence !== before.range.size || header.treeSize !== before.range.size + header.eventCount)
    return { ok: false, fault: "bad_link", detail: "firstSequence or treeSize do not continue the log" };
  if (header.bodyHash !== bodyHash(block)) return { ok: false, fault: "bad_body", ...whereAltered(before, block) };
  let events: readonly LoggedEvent[];
  try {
    events = bodyReader(block, before.headHash).all();
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    const at = error.sequence === undefined ? {} : { sequence: error.sequence };
    return { ok: false, fault: "bad_encoding", detail: `body cannot be decoded: ${error.message}`, ...at };
  }
  let previousHash = before.headHash;
  for (const [i, event] of events.entries()) {
    const at = before.range.size + i;
    const wrong = (fault: BlockFault, detail: string): BodyVerdict => ({ ok: false, fault, detail, sequence: at });
    const fault = eventFault(event.record);
    if (fault !== null) return wrong("bad_record", `event #${at}: ${fault}`);
    if (event.isErased === true) return wrong("bad_record", `event #${at}: its payload is missing`);
    // Its value is not kept: few need it, and the events of a block live until that is committed.
    if (canonicalObject(event.payload) === null)
      return wrong("bad_record", `event #${at}: its payload is not a JSON object in canonical form`);
    previousHash = event.hash;
  }
  if (header.headHash !== previousHash)
    return { ok: false, fault: "bad_hash", detail: "headHash is not the last event's hash" };
  const range = appendLeaves(
    before.range,
    events.map((event) => leafHash(event.recordBytes)),
  );
  if (header.rootHash !== rootHex(range))
    return { ok: false, fault: "bad_root", detail: "rootHash is not the recomputed root" };
  const index = blockIndex(events);
  if (header.indexHash !== indexHash(index))
    return { ok: false, fault: "bad_index", detail: "indexHash is not that of the recomputed index" };
  return { ok: true, events, range, index };
}

/** The altered event is the one whose hash is not the one that is noted for it. */
function whereAltered(before: ChainState, block: Block): { detail: string; sequence?: number } {
  const detail = "the body is not the one that was sealed";
  try {
    bodyReader(block, before.headHash).all();
    return { detail };
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    const at = error.sequence === undefined ? {} : { sequence: error.sequence };
    return { detail: `${detail}: ${error.message}`, ...at };
  }
}

/** `verifyBlock` with a platform's signatures. */
export type BlockVerifier = (before: ChainState, block: Block) => BlockVerdict;
export const blockVerifier =
  (signatures: SignatureVerifier): BlockVerifier =>
  (before, block) =>
    verifyBlock(before, block, signatures);

const rootHex = (range: CompactRange): HashHex => (range.size === 0 ? EMPTY_TREE_ROOT : toHex(rootOf(range)));

/** Whether a stored compact range is the one that a header's root commits to. Others fold to that root too: the root alone does. */
export function rangeMatches(range: CompactRange, header: BlockHeader): boolean {
  const { size, hashes } = range;
  if (size !== header.treeSize || !Number.isSafeInteger(size) || hashes.length !== rangeLength(size)) return false;
  return hashes.every(({ length }) => length === HASH_BYTES) && rootHex(range) === header.rootHash;
}

export interface SealRequest {
  readonly term: Term;
  readonly leaderId: NodeId;
  readonly events: readonly PreparedEvent[];
  /** The leader's wall clock, RFC 3339 UTC with milliseconds; clamped so that it never decreases. */
  readonly now: string;
  readonly commitHeight: Height;
  readonly control?: Control;
}

/** Seals the next block of a log: fills the records, hashes, computes the root, signs. */
export function sealBlock(
  before: ChainState,
  request: SealRequest,
  signer: BlockSigner,
): { block: Block; next: ChainState; events: LoggedEvent[]; index: BlockIndex } {
  const sealedAt = request.now > before.sealedAt ? request.now : before.sealedAt;
  const events: LoggedEvent[] = [];
  let headHash = before.headHash;
  for (const prepared of request.events) {
    const at = { sequence: sequence(before.range.size + events.length), recordedAt: sealedAt, previousHash: headHash };
    const event = logEvent(prepared, at);
    headHash = event.hash;
    events.push(event);
  }
  const range = appendLeaves(
    before.range,
    events.map((event) => leafHash(event.recordBytes)),
  );
  const body = encodeBody(events);
  const index = blockIndex(events);
  // Members in canonical order: nothing has to be sorted whenever this header is hashed.
  const header: BlockHeader = {
    bodyHash: bodyHash(body),
    clusterId: before.clusterId,
    commitHeight: request.commitHeight,
    ...(request.control === undefined ? {} : { control: request.control }),
    eventCount: events.length,
    firstSequence: sequence(before.range.size),
    headHash,
    height: height(before.height + 1),
    indexHash: indexHash(index),
    leaderId: request.leaderId,
    previousBlockHash: before.blockHash,
    rootHash: rootHex(range),
    sealedAt,
    term: request.term,
    treeSize: treeSize(range.size),
    version: 2,
  };
  const signed = headerBytes(header);
  const blockHash = sha256Hex(signed);
  const block: Block = { header, blockHash, signature: signer.sign(signed), ...body };
  const next: ChainState = {
    clusterId: header.height === 1 ? blockHash : before.clusterId,
    height: header.height,
    term: header.term,
    blockHash,
    headHash,
    range,
    commitHeight: header.commitHeight,
    sealedAt,
    members: applyControl(before.members, header.control),
  };
  return { block, next, events, index };
}
