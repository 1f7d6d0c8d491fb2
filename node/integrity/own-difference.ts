import type { HashHex } from "../../shared/ids.js";
import { provedBodyReader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { rangeMatches } from "../../shared/log/chain.js";
import { loggedEvent } from "../../shared/log/event.js";
import type { FieldDifference } from "../storage/incident.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import { type BlockDifference, headerHash } from "./difference.js";

const NO_COPY = "which field cannot be said without a sound copy to compare it with";

/**
 * What can be said of an altered block without a sound copy: which events are not what their own noted hashes say. What was
 * committed is not known, and nor is the field.
 */
export function ownDifference(
  found: FoundBlock,
  { blockHash, previousHash }: { readonly blockHash: HashHex; readonly previousHash: HashHex | "" },
): BlockDifference {
  const { at, block } = found;
  const recomputed = headerHash(found);
  const hashes = { block: { height: at, stored: block.blockHash || null, recomputed, expected: blockHash } };
  if (recomputed !== blockHash) {
    const isConsistent = recomputed === block.blockHash && bodyHash(block) === block.header.bodyHash;
    const differences = [{ height: at, field: "header", stored: NO_COPY }];
    return { kind: isConsistent ? "hash_rewritten" : "header_modified", differences, hashes };
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
  const altered = alteredEvents(found, previousHash);
  const isRehashed = altered !== null && altered.length === 0;
  const differences: FieldDifference[] =
    altered === null || isRehashed
      ? [{ height: at, sequence: block.header.firstSequence, field: "body", stored: NO_COPY }]
      : altered.map((sequence) => ({ height: at, sequence, field: "record or dataPayload", stored: NO_COPY }));
  return { kind: isRehashed ? "hash_rewritten" : "payload_modified", differences, hashes: { ...hashes, body } };
}

/** Events whose noted hash is not that of what stands there; null where the body cannot be taken apart. */
function alteredEvents({ block }: FoundBlock, previousHash: HashHex | ""): number[] | null {
  const altered: number[] = [];
  let before = previousHash;
  try {
    const reader = provedBodyReader(block, previousHash);
    for (let i = 0; i < block.header.eventCount; i++) {
      try {
        const event = reader.event(i);
        const { hash } = loggedEvent({ ...event.record, previousHash: before }, event);
        if (hash !== event.hash) altered.push(event.record.sequence);
        before = event.hash;
      } catch {
        altered.push(block.header.firstSequence + i);
      }
    }
    return altered;
  } catch {
    return null;
  }
}
