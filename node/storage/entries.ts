import { equalBytes } from "../../shared/bytes.js";
import type { Block } from "../../shared/log/block.js";
import type { Run } from "../../shared/log/index.js";
import { timestampMillis } from "../../shared/timestamp.js";
import type { IndexEntry, StoredEntry } from "./port.js";

/** The entry that belongs beside a block. */
export function entryOf({ header, blockHash }: Pick<Block, "header" | "blockHash">, entry: IndexEntry): StoredEntry {
  return {
    height: header.height,
    first: header.firstSequence,
    count: header.eventCount,
    sealedAt: timestampMillis(header.sealedAt) ?? 0,
    blockHash,
    entry,
  };
}

/** Whether an entry is not the one that is due. Own terms may be made of other paths than they were. */
export function entryDiffers(
  there: StoredEntry,
  due: StoredEntry,
  { ownMayDiffer }: { ownMayDiffer: boolean },
): boolean {
  const { first, count, sealedAt, blockHash, entry } = due;
  const found = there.entry;
  if (found === null || entry === null) return found !== entry;
  return (
    there.first !== first ||
    there.count !== count ||
    there.sealedAt !== sealedAt ||
    there.blockHash !== blockHash ||
    !equalRuns(found.index.names, entry.index.names) ||
    !equalRuns(found.index.keys, entry.index.keys) ||
    !equalBytes(found.index.times, entry.index.times) ||
    (!ownMayDiffer && !equalRuns(found.own, entry.own))
  );
}

const equalRuns = (a: Run, b: Run): boolean => equalLists(a.terms, b.terms) && equalLists(a.places, b.places);

function equalLists(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => equalBytes(bytes, b[i] as Uint8Array));
}
