import type { JsonValue } from "../../shared/canonical.js";
import type { HashHex } from "../../shared/ids.js";
import { type BlockHeader, provedBodyReader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { rangeMatches } from "../../shared/log/chain.js";
import { loggedEvent, type ReadEvent } from "../../shared/log/event.js";
import { blockIndex, indexHash } from "../../shared/log/index.js";
import type { FieldDifference, IncidentKind } from "../storage/incident.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import { type BlockDifference, headerHash } from "./difference.js";
import { jsonDifferences } from "./json-difference.js";

const NO_COPY = "which field cannot be said without a sound copy to compare it with";
/** In the place of members of a document that were written. */
export const WHOLE_DOCUMENT = "the whole document";

/** What a node knows of an altered block of which it has no sound copy. */
export interface OwnKnowledge {
  /** Of the committed block. */
  readonly blockHash: HashHex;
  /** Of the event before its first. */
  readonly previousHash: HashHex | "";
  /** Of the block below it, where that is known. */
  readonly previousBlockHash?: HashHex | undefined;
  /** Members of the document that somebody has written. */
  readonly written?: readonly string[];
  /** The kinds of blocks that were altered together with it, and compared. */
  readonly alike?: ReadonlySet<IncidentKind>;
}

/**
 * What can be said of an altered block without a sound copy: which events are not what their own noted hashes say. What was
 * committed is not known, and nor is the field. Where several kinds are possible, it is one of those that the blocks have
 * that were altered together with it: so it is told by the same alert.
 */
export function ownDifference(found: FoundBlock, known: OwnKnowledge): BlockDifference {
  const { blockHash, previousHash } = known;
  const { at, block } = found;
  const recomputed = headerHash(found);
  const hashes = { block: { height: at, stored: block.blockHash || null, recomputed, expected: blockHash } };
  if (recomputed !== blockHash) {
    const link = linkDifferences(found, known);
    const differences = link.length > 0 ? link : [{ height: at, field: "header", stored: NO_COPY }];
    if (recomputed === block.blockHash) return { kind: "hash_rewritten", differences, hashes };
    return { kind: link.length > 0 ? "link_broken" : kindOfHeader(found, known), differences, hashes };
  }
  const body = { recomputed: bodyHash(block), expected: block.header.bodyHash };
  if (body.recomputed === body.expected) {
    const isFrontier = !rangeMatches({ size: block.header.treeSize, hashes: found.frontier }, block.header);
    const field = block.blockHash !== blockHash ? "blockHash" : isFrontier ? "frontier" : "signature";
    return {
      kind: field === "signature" ? "signature_invalid" : "header_modified",
      differences: [{ height: at, field }],
      hashes,
    };
  }
  const events = eventsThere(found, previousHash);
  const isRehashed = events?.altered.length === 0;
  const differences: FieldDifference[] =
    events === null || isRehashed
      ? [{ height: at, sequence: block.header.firstSequence, field: "body", stored: NO_COPY }]
      : events.altered.map((sequence) => ({ height: at, sequence, field: "record or dataPayload", stored: NO_COPY }));
  const kind = isRehashed ? "hash_rewritten" : kindOfBody(known, events?.areTermsOther ?? false);
  return { kind, differences, hashes: { ...hashes, body } };
}

/** Only what was written is known of a change that was put back before it was looked at, or is beside what is hashed. */
export function kindOfWritten(written: readonly string[], alike: ReadonlySet<IncidentKind>): IncidentKind {
  const names = membersOf(written);
  if (names.has("payloads")) return "payload_modified";
  if (names.has("records")) return "record_modified";
  if (names.has(WHOLE_DOCUMENT)) return likeOthers(["header_modified", "signature_invalid"], alike);
  return names.size === 1 && names.has("signature") ? "signature_invalid" : "header_modified";
}

/** With the hash of the block below put back in its place, the header is the committed one: nothing else of it is altered. */
function linkDifferences(found: FoundBlock, { blockHash, previousBlockHash }: OwnKnowledge): FieldDifference[] {
  if (previousBlockHash === undefined) return [];
  const rawHeader = { ...(found.rawHeader as object), previousBlockHash };
  if (headerHash({ ...found, rawHeader }) !== blockHash) return [];
  const differences = jsonDifferences("header", found.rawHeader as JsonValue, rawHeader);
  return differences.map((one) => ({ height: found.at, ...one }));
}

/** The header disagrees with its hash. If the body that it names is another one too, that was rewritten. */
function kindOfHeader({ block }: FoundBlock, { written = [], alike }: OwnKnowledge): IncidentKind {
  if (bodyHash(block) !== block.header.bodyHash) return "header_modified";
  const names = membersOf(written);
  if (names.has("payloads") || names.has("records")) return "hash_rewritten";
  const isBodyKnown = names.size > 0 && !names.has(WHOLE_DOCUMENT);
  return isBodyKnown ? "header_modified" : likeOthers(["header_modified", "hash_rewritten"], alike);
}

function kindOfBody({ written = [], alike }: OwnKnowledge, areTermsOther: boolean): IncidentKind {
  const names = membersOf(written);
  if (names.has("records") || areTermsOther) return likeOthers(["record_modified", "hash_rewritten"], alike);
  if (names.has("payloads") && !names.has(WHOLE_DOCUMENT)) return "payload_modified";
  return likeOthers(["payload_modified", "record_modified", "hash_rewritten"], alike);
}

const membersOf = (written: readonly string[]): ReadonlySet<string> =>
  new Set(written.map((name) => name.split(".", 1)[0] as string));

type Possible = readonly [likeliest: IncidentKind, ...others: IncidentKind[]];

const likeOthers = (possible: Possible, alike: ReadonlySet<IncidentKind> = new Set()): IncidentKind =>
  possible.find((kind) => alike.has(kind)) ?? possible[0];

interface EventsThere {
  /** Those whose noted hash is not that of what stands there. */
  readonly altered: readonly number[];
  /** The header names other types, sources, keys or times than the records have. */
  readonly areTermsOther: boolean;
}

/** Null where the body cannot be taken apart. */
function eventsThere({ block }: FoundBlock, previousHash: HashHex | ""): EventsThere | null {
  const altered: number[] = [];
  const events: ReadEvent[] = [];
  let before = previousHash;
  try {
    const reader = provedBodyReader(block, previousHash);
    for (let i = 0; i < block.header.eventCount; i++) {
      try {
        const event = reader.event(i);
        const { hash } = loggedEvent({ ...event.record, previousHash: before }, event);
        if (hash !== event.hash) altered.push(event.record.sequence);
        before = event.hash;
        events.push(event);
      } catch {
        altered.push(block.header.firstSequence + i);
      }
    }
    return { altered, areTermsOther: events.length === block.header.eventCount && areOther(events, block.header) };
  } catch {
    return null;
  }
}

function areOther(events: readonly ReadEvent[], header: BlockHeader): boolean {
  try {
    return indexHash(blockIndex(events)) !== header.indexHash;
  } catch {
    // A time that is no instant: no block is committed with one.
    return true;
  }
}
