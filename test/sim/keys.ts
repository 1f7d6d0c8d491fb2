import type { StoredBlock } from "../../node/storage/port.js";
import { decodeBody } from "../../shared/log/block.js";

const known = new WeakMap<StoredBlock, ReadonlySet<string>>();

const keyOf = (sourceAppId: string, idempotencyKey: string): string => `${sourceAppId}\n${idempotencyKey}`;

/** Whether the index entry of a stored block names this key. */
export function indexNames(stored: StoredBlock, sourceAppId: string, idempotencyKey: string): boolean {
  return keysOf(stored).has(keyOf(sourceAppId, idempotencyKey));
}

/** What somebody writes over a block, or beside the others, changes no entry of the index. */
export function leaveEntry(written: StoredBlock, before: StoredBlock | null): void {
  known.set(written, before === null ? new Set() : keysOf(before));
}

function keysOf(stored: StoredBlock): ReadonlySet<string> {
  const there = known.get(stored);
  if (there !== undefined) return there;
  const keys = new Set<string>();
  for (const { record } of decodeBody(stored.block))
    if (record.idempotencyKey !== undefined) keys.add(keyOf(record.sourceAppId, record.idempotencyKey));
  known.set(stored, keys);
  return keys;
}
