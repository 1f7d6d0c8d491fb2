import { canonical } from "../judge/canonical.js";
import type { EventAnswer } from "./api.js";
import { type Event, payloadHashOf } from "./body.js";
import { sha256Hex } from "./bytes.js";
import { Fault } from "./fault.js";
import { shown } from "./header.js";
import { millisOf } from "./instant.js";
import { leafOf } from "./tree.js";

/** Recomputes both hashes of an event from what a node shows of it. Throws Fault, which names the field. */
export function verifyShown(
  shownEvent: EventAnswer,
  expected: { sequence: number; previousHash: string | null },
): Event {
  const { dataPayload, payloadSalt, hash, height: _, term: __, ...record } = shownEvent;
  const { sequence } = expected;
  const bad = (field: string, detail: string, stored: unknown, due: string): Fault =>
    new Fault("altered", field, detail, { sequence, stored: shown(stored), expected: shown(due) });
  if (record.sequence !== sequence)
    throw bad("sequence", "another event stands there", record.sequence, String(sequence));
  const payloadHash = payloadHashOf(Buffer.from(String(payloadSalt), "hex"), canonical(dataPayload));
  if (payloadHash !== record.payloadHash)
    throw bad(
      "dataPayload",
      "the payload is not the one that the record commits to",
      payloadHash,
      String(record.payloadHash),
    );
  const text = canonical(record);
  const recomputed = sha256Hex(text);
  if (recomputed !== hash) throw bad("hash", "the hash is not the record's", hash, recomputed);
  const { previousHash } = expected;
  if (previousHash !== null && record.previousHash !== previousHash)
    throw bad("previousHash", "it does not follow the event before", record.previousHash, previousHash);
  return {
    sequence,
    eventType: String(record.eventType),
    sourceAppId: String(record.sourceAppId),
    idempotencyKey: typeof record.idempotencyKey === "string" ? record.idempotencyKey : undefined,
    millis: millisOf(String(record.timestamp)) ?? Number.NaN,
    hash: recomputed,
    leaf: leafOf(Buffer.from(text)),
  };
}
