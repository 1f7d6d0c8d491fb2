import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { canonical } from "../judge/canonical.js";
import { ALTERED, alteredEvents, type Body, bodyHashOf, type Event, eventsOf } from "./body.js";
import { Reader, sha256Hex, textOf, ZERO_HASH } from "./bytes.js";
import { Fault } from "./fault.js";
import { type Header, headerOf, isTime, shown, signedTextOf } from "./header.js";
import { type CommittedIndex, indexHashOf, indexOf } from "./index-hash.js";
import { Tree } from "./tree.js";

/** All that is needed of a log to verify its next block. */
export interface Chain {
  readonly clusterId: string;
  readonly height: number;
  readonly term: number;
  readonly blockHash: string;
  readonly headHash: string;
  readonly tree: Tree;
  readonly commitHeight: number;
  readonly sealedAt: string;
  /** Each member's key for blocks. None: the first block, which names them, could not be verified. */
  readonly keys: ReadonlyMap<string, string>;
}

export const NO_BLOCKS: Chain = {
  ...{ clusterId: "", height: 0, term: 0, blockHash: ZERO_HASH, headHash: "", tree: new Tree() },
  ...{ commitHeight: 0, sealedAt: "", keys: new Map() },
};

/** A block before anything of it is known to be right. */
export interface FoundBlock extends Body {
  readonly header: unknown;
  readonly signature: Buffer;
}

export interface Verified {
  readonly header: Header;
  readonly next: Chain;
  readonly events: readonly Event[];
  readonly index: CommittedIndex;
}

/** Checks a block as docs/reference/hash-spec.md says, in its order. Throws Fault. */
export function verifyBlock(before: Chain, block: FoundBlock, { signatures }: { signatures: boolean }): Verified {
  const header = headerOf(block.header);
  const text = signedTextOf(block.header);
  if (text === null) throw new Fault("bad_encoding", "header", "it has no canonical form");
  const keys = verifyHeader(before, header);
  if (signatures && keys.size > 0) verifySignature(keys, { header, text, signature: block.signature });
  verifySizes(before.tree, header);
  const { events, index, tree } = verifyBody(before, block, header);
  return { header, next: chainAfter(before, { header, keys, tree, blockHash: sha256Hex(text) }), events, index };
}

/** Throws Fault. */
export function verifySizes(tree: Tree, header: Header): void {
  if (header.firstSequence !== tree.size) throw differs("bad_link", "firstSequence", header.firstSequence, tree.size);
  const size = tree.size + header.eventCount;
  if (header.treeSize !== size) throw differs("bad_link", "treeSize", header.treeSize, size);
}

export function chainAfter(
  before: Pick<Chain, "clusterId">,
  of: Pick<Chain, "keys" | "tree" | "blockHash"> & { readonly header: Header },
): Chain {
  const { header, keys, tree, blockHash } = of;
  const { control, height, term, headHash, commitHeight, sealedAt } = header;
  return {
    ...{ clusterId: height === 1 ? blockHash : before.clusterId, height, term, blockHash, headHash, tree },
    ...{ commitHeight, sealedAt },
    keys:
      control?.kind === "node_admitted" && keys.has(control.node) ? new Map(keys).set(control.node, control.key) : keys,
  };
}

export function differs(
  fault: Fault["fault"],
  name: string,
  stored: string | number,
  expected: string | number,
): Fault {
  const about = { stored: shown(stored), expected: shown(expected) };
  return new Fault(
    fault,
    `header.${name}`,
    `it is ${about.stored || '""'}, and should be ${about.expected || '""'}`,
    about,
  );
}

/** The keys that the block is to be signed by. Throws Fault. */
export function verifyHeader(before: Chain, header: Header): ReadonlyMap<string, string> {
  const { height, control } = header;
  if (height !== before.height + 1) throw differs("bad_link", "height", height, before.height + 1);
  if (header.previousBlockHash !== before.blockHash)
    throw differs("bad_link", "previousBlockHash", header.previousBlockHash, before.blockHash);
  const isFirst = height === 1;
  if (isFirst !== (control?.kind === "genesis"))
    throw new Fault("bad_link", "header.control", "a genesis is block 1, and block 1 is one");
  const clusterId = isFirst ? "" : before.clusterId;
  if (header.clusterId !== clusterId) throw differs("bad_cluster", "clusterId", header.clusterId, clusterId);
  if (header.term < Math.max(1, before.term))
    throw new Fault("bad_term", "header.term", `${header.term} comes after ${before.term}`);
  if (header.commitHeight < before.commitHeight || header.commitHeight >= height)
    throw new Fault("bad_link", "header.commitHeight", `${header.commitHeight} comes after ${before.commitHeight}`);
  if (!isTime(header.sealedAt) || header.sealedAt < before.sealedAt)
    throw new Fault("bad_record", "header.sealedAt", `${shown(header.sealedAt)} comes after ${before.sealedAt}`);
  const keys = isFirst && control?.kind === "genesis" ? control.keys : before.keys;
  const isKnown = isFirst || keys.size > 0;
  if (isKnown && !keys.has(header.leaderId))
    throw new Fault("bad_leader", "header.leaderId", `${header.leaderId} is no member`);
  return keys;
}

/** DER around a raw Ed25519 public key (RFC 8410). */
const KEY_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const imported = new Map<string, KeyObject>();

function keyOf(hex: string): KeyObject {
  const known = imported.get(hex);
  if (known !== undefined) return known;
  const key = createPublicKey({
    key: Buffer.concat([KEY_PREFIX, Buffer.from(hex, "hex")]),
    format: "der",
    type: "spki",
  });
  imported.set(hex, key);
  return key;
}

/** Who sealed it, by the keys that the log names before it. Throws Fault. */
export function verifySignature(
  keys: ReadonlyMap<string, string>,
  { header, text, signature }: { readonly header: Header; readonly text: string; readonly signature: Buffer },
): void {
  const key = keys.get(header.leaderId);
  if (key !== undefined && isSigned(key, text, signature)) return;
  throw new Fault("bad_signature", "signature", `it is not ${header.leaderId}'s over this header`);
}

function isSigned(key: string, text: string, signature: Buffer): boolean {
  try {
    return verify(null, Buffer.from(text), keyOf(key), signature);
  } catch {
    return false;
  }
}

function verifyBody(
  before: Chain,
  block: FoundBlock,
  header: Header,
): { events: Event[]; index: CommittedIndex; tree: Tree } {
  const place = { ...header, previousHash: before.headHash };
  const bodyHash = bodyHashOf(block);
  if (header.bodyHash !== bodyHash) throw alteredBody(block, header, before.headHash, bodyHash);
  const events = eventsOf(block, place);
  const index = indexOf(events);
  return {
    events,
    index,
    tree: verifyDerived(before, header, { events, leaves: events.map(({ leaf }) => leaf), index }),
  };
}

/** What the header says of its events. Throws Fault. */
export function verifyDerived(
  before: Pick<Chain, "headHash" | "tree">,
  header: Header,
  of: {
    /** Null where they are not at hand. */
    readonly events: readonly Pick<Event, "hash">[] | null;
    readonly index: CommittedIndex | null;
    readonly leaves: readonly Buffer[];
  },
): Tree {
  const headHash = of.events === null ? header.headHash : (of.events.at(-1)?.hash ?? before.headHash);
  if (header.headHash !== headHash) throw differs("bad_hash", "headHash", header.headHash, headHash);
  const tree = before.tree.with(of.leaves);
  if (header.rootHash !== tree.root) throw differs("bad_root", "rootHash", header.rootHash, tree.root);
  const indexHash = of.index === null ? header.indexHash : indexHashOf(of.index);
  if (header.indexHash !== indexHash) throw differs("bad_index", "indexHash", header.indexHash, indexHash);
  return tree;
}

/** The altered event is the one whose hash is not the one that is noted for it. */
function alteredBody(body: Body, header: Header, previousHash: string, bodyHash: string): Fault {
  const altered = alteredEvents(body, { ...header, previousHash });
  const about = { stored: bodyHash, expected: header.bodyHash };
  const [first] = altered ?? [];
  if (first === undefined) {
    const field = altered === null ? "body" : "header.bodyHash";
    return new Fault("bad_body", field, "the body is not the one that was sealed", about);
  }
  const more = (altered as number[]).length - 1;
  const others = more > 0 ? `; ${more} further events of this block are altered` : "";
  return new Fault("bad_body", ALTERED, `the event is not the one that was sealed${others}`, {
    ...about,
    sequence: first,
  });
}

const HEADER_BYTES_MAX = 65_536;

/** A block as it travels. Throws Fault. */
export function decodeBlock(bytes: Buffer): FoundBlock {
  try {
    const reader = new Reader(bytes);
    const field = (): Buffer => reader.take(reader.u32());
    const [text, signature, records, payloads] = [field(), field(), field(), field()] as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    reader.end();
    if (text.length > HEADER_BYTES_MAX) throw new RangeError("its header is too large");
    const header: unknown = JSON.parse(textOf(text));
    if (canonical(header) !== textOf(text)) throw new RangeError("its header is not in canonical form");
    return { header, signature, records, payloads };
  } catch (error) {
    throw new Fault("bad_encoding", "block", `it cannot be decoded: ${(error as Error).message}`);
  }
}
