import { equalBytes, fromUtf8, toHex } from "../../shared/bytes.js";
import { canonicalText, type JsonObject, type JsonValue } from "../../shared/canonical.js";
import type { HashHex } from "../../shared/ids.js";
import { type Block, type BlockHeader, hashHeader, provedBodyReader } from "../../shared/log/block.js";
import { type Body, bodyHash } from "../../shared/log/body.js";
import { rangeMatches } from "../../shared/log/chain.js";
import { loggedEvent, type ReadEvent } from "../../shared/log/event.js";
import type { FieldDifference, IncidentHashes, IncidentKind } from "../storage/incident.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import { jsonDifferences } from "./json-difference.js";

/** What a stored block has in the place of the committed one. */
export interface BlockDifference {
  readonly kind: IncidentKind;
  /** At least one. */
  readonly differences: readonly FieldDifference[];
  readonly hashes: IncidentHashes;
}

/** The committed block, and the hash of the event before its first. */
export interface SoundCopy {
  readonly block: Block;
  readonly previousHash: HashHex | "";
}

/** Compares a stored block, field by field, with the one that was committed at its height. Null: it is the same. */
export function blockDifference(found: FoundBlock, sound: SoundCopy): BlockDifference | null {
  const { block } = found;
  const header = headerDifferences(found, sound.block.header);
  const events = eventDifferences(block, sound);
  // What a person wants to know comes first: of many only the first are shown.
  const differences = [...events.differences, ...header, ...outside(found, sound.block)];
  if (differences.length === 0) return null;
  const recomputed = headerHash(found);
  const body = { recomputed: bodyHash(block), expected: sound.block.header.bodyHash };
  const isBodyOther = body.recomputed !== body.expected;
  return {
    kind: kindOf({ found, header, events, recomputed, isBodyOther, differences }),
    differences,
    hashes: {
      block: { height: found.at, stored: block.blockHash || null, recomputed, expected: sound.block.blockHash },
      ...(isBodyOther ? { body } : {}),
      ...(events.first === null ? {} : { event: events.first }),
    },
  };
}

/** The hash of the header as it stands; null where it is none. */
export function headerHash({ rawHeader }: FoundBlock): HashHex | null {
  try {
    return hashHeader(rawHeader as BlockHeader);
  } catch {
    return null;
  }
}

function kindOf(of: {
  readonly found: FoundBlock;
  readonly header: readonly FieldDifference[];
  readonly events: EventDifferences;
  readonly recomputed: HashHex | null;
  readonly isBodyOther: boolean;
  readonly differences: readonly FieldDifference[];
}): IncidentKind {
  const { found, header, events, recomputed, isBodyOther, differences } = of;
  if (header.length > 0) {
    const isBodyNamed = isBodyOther && found.block.header.bodyHash === bodyHash(found.block);
    if (recomputed === found.block.blockHash || isBodyNamed) return "hash_rewritten";
    return header.every(({ field }) => field === "header.previousBlockHash") ? "link_broken" : "header_modified";
  }
  if (isBodyOther) {
    if (events.isRehashed) return "hash_rewritten";
    return events.isRecordOther ? "record_modified" : "payload_modified";
  }
  return differences.every(({ field }) => field === "signature") ? "signature_invalid" : "header_modified";
}

function headerDifferences({ at, rawHeader }: FoundBlock, sound: BlockHeader): FieldDifference[] {
  return jsonDifferences("header", rawHeader as JsonValue, sound as unknown as JsonValue).map((one) => ({
    height: at,
    ...one,
  }));
}

/** What stands beside header and body. */
function outside({ at, block, frontier }: FoundBlock, sound: Block): FieldDifference[] {
  const found: FieldDifference[] = [];
  if (block.blockHash !== sound.blockHash)
    found.push({ height: at, field: "blockHash", stored: block.blockHash, expected: sound.blockHash });
  if (!equalBytes(block.signature, sound.signature))
    found.push({
      height: at,
      field: "signature",
      stored: toHex(block.signature).slice(0, 128),
      expected: toHex(sound.signature),
    });
  if (!rangeMatches({ size: sound.header.treeSize, hashes: frontier }, sound.header))
    found.push({ height: at, field: "frontier", stored: "its hashes do not fold to the root" });
  return found;
}

interface EventDifferences {
  readonly differences: readonly FieldDifference[];
  readonly isRecordOther: boolean;
  /** The hash that is noted of an altered event is the one of what stands there. */
  readonly isRehashed: boolean;
  readonly first: NonNullable<IncidentHashes["event"]> | null;
}

/** Parts of which one is another, each read beside the sound other part, so that one that is broken hides nothing of the other. */
function eventDifferences(block: Block, sound: SoundCopy): EventDifferences {
  const { height, firstSequence, eventCount } = sound.block.header;
  const isRecordOther = !equalBytes(block.records, sound.block.records);
  const isPayloadOther = !equalBytes(block.payloads, sound.block.payloads);
  const differences: FieldDifference[] = [];
  if (!isRecordOther && !isPayloadOther) return { differences, isRecordOther, isRehashed: false, first: null };
  const due = readerOf(sound.block, sound);
  const records = isRecordOther ? readerOf({ ...sound.block, records: block.records }, sound) : due;
  const payloads = isPayloadOther ? readerOf({ ...sound.block, payloads: block.payloads }, sound) : due;
  const broken = [
    { part: "records", isBroken: records.isBroken },
    { part: "payloads", isBroken: payloads.isBroken },
  ].filter(({ isBroken }) => isBroken);
  for (const { part } of broken)
    differences.push({ height, sequence: firstSequence, field: part, stored: "the table of its events is broken" });
  let isRehashed = false;
  let first: EventDifferences["first"] = null;
  for (let i = 0; i < eventCount; i++) {
    const expected = due.event(i) as ReadEvent;
    const there = { record: records.event(i), payload: payloads.event(i) };
    const found = [
      ...(records.isBroken ? [] : recordDifferences(there.record, expected)),
      ...(payloads.isBroken ? [] : payloadDifferences(there.payload, expected)),
    ];
    if (found.length === 0) continue;
    const sequence = firstSequence + i;
    differences.push(...found.map((one) => ({ height, sequence, ...one })));
    const recomputed = rehashed(there, i === 0 ? sound.previousHash : records.event(i - 1)?.hash);
    const stored = there.record?.hash ?? null;
    isRehashed ||= recomputed !== null && recomputed === stored;
    first ??= { sequence, stored, recomputed, expected: expected.hash };
  }
  // The order of bytes that say the same: it is another body, and nothing in it is another event.
  if (differences.length === 0)
    differences.push({ height, sequence: firstSequence, field: isRecordOther ? "records" : "payloads" });
  return { differences, isRecordOther, isRehashed, first };
}

interface PartReader {
  readonly isBroken: boolean;
  /** Null where its bytes say no event. */
  event(i: number): ReadEvent | null;
}

function readerOf(body: Body & Pick<Block, "header">, { previousHash }: SoundCopy): PartReader {
  try {
    const reader = provedBodyReader(body as Block, previousHash);
    return { isBroken: false, event: (i) => orNull(() => reader.event(i)) };
  } catch {
    return { isBroken: true, event: () => null };
  }
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** The hash of an event as its two stored parts say it. */
function rehashed(
  { record, payload }: { readonly record: ReadEvent | null; readonly payload: ReadEvent | null },
  previousHash: string | undefined,
): HashHex | null {
  if (record === null || payload === null || previousHash === undefined) return null;
  const { payloadHash } = payload.record;
  return loggedEvent({ ...record.record, payloadHash, previousHash }, payload).hash;
}

type Unplaced = Omit<FieldDifference, "height" | "sequence">;

const RECORD_FIELDS = ["id", "eventType", "timestamp", "sourceAppId", "idempotencyKey", "batch"] as const;

function recordDifferences(found: ReadEvent | null, expected: ReadEvent): Unplaced[] {
  if (found === null) return [{ field: "record", stored: "its bytes are no record" }];
  const fields = RECORD_FIELDS.flatMap((field) =>
    jsonDifferences(field, found.record[field] as JsonValue, expected.record[field] as JsonValue),
  );
  return [...fields, ...jsonDifferences("hash", found.hash, expected.hash)];
}

function payloadDifferences(found: ReadEvent | null, expected: ReadEvent): Unplaced[] {
  if (found === null) return [{ field: "dataPayload", stored: "its bytes are no payload" }];
  const salt = jsonDifferences("payloadSalt", toHex(found.payloadSalt), toHex(expected.payloadSalt));
  if (equalBytes(found.payload, expected.payload)) return salt;
  return [...jsonDifferences("dataPayload", payloadValue(found), payloadValue(expected)), ...salt];
}

/** As an object if it is one in its one form, else as text: so what says the same in other bytes differs too. */
function payloadValue({ payload }: ReadEvent): JsonValue {
  const text = new TextDecoder().decode(payload);
  const value = orNull(() => JSON.parse(fromUtf8(payload)) as JsonObject);
  return value !== null && orNull(() => canonicalText(value)) === text ? value : text;
}
