import { equalBytes, toHex } from "../../shared/bytes.js";
import { type Height, height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { ReadEvent } from "../../shared/log/event.js";
import { WIDE } from "../../shared/log/filter.js";
import type { Run } from "../../shared/log/index.js";
import { entryDiffers, entryOf } from "../storage/entries.js";
import {
  type IndexEntry,
  type IndexStanding,
  LEFT_BEHIND_BLOCKS,
  type LogStore,
  type StoredEntry,
} from "../storage/port.js";

interface Verified {
  readonly block: Block;
  readonly events: readonly ReadEvent[];
}
interface Comparison<T> {
  readonly log: Pick<LogStore, "readEntries">;
  readonly entryOf: (block: T, standing: IndexStanding) => IndexEntry | null;
  readonly onDifferingEntries: (
    due: readonly { readonly block: Block; readonly entry: IndexEntry }[],
    standing: IndexStanding,
    settled: Height,
  ) => Promise<void>;
}

/** What a crash or somebody else left of the entries of verified blocks, in a log that ends at `tailHeight`. */
export async function compareEntries<T extends Verified>(
  options: Comparison<T>,
  verified: readonly T[],
  standing: IndexStanding,
  tailHeight: Height,
): Promise<void> {
  const due = verified.flatMap((recovered) => {
    const entry = recovered.events.length === 0 ? null : options.entryOf(recovered, standing);
    return entry === null ? [] : [{ block: recovered.block, entry }];
  });
  const byHeight = new Map<Height, StoredEntry>();
  for (let at = 0; at < due.length; ) {
    const from = due[at]?.block.header.height as Height;
    const stored = await options.log.readEntries(from, due.length - at);
    for (const entry of stored) byHeight.set(entry.height, entry);
    // Somebody may have put entries beside blocks that have none.
    const read = stored.at(-1)?.height ?? Number.POSITIVE_INFINITY;
    while (at < due.length && (due[at]?.block.header.height ?? 0) <= read) at += 1;
  }
  const differing = due.filter(({ block, entry }) => isOther(byHeight.get(block.header.height), { block, entry }));
  const settled = height(Math.max(0, tailHeight - LEFT_BEHIND_BLOCKS));
  if (differing.length > 0) await options.onDifferingEntries(differing, standing, settled);
}

/** Whether an entry is missing, or not the one that its block gives: it may have more own terms. */
export function isOther(
  stored: StoredEntry | undefined,
  { block, entry }: { readonly block: Pick<Block, "header" | "blockHash">; readonly entry: IndexEntry },
): boolean {
  if (stored?.entry == null || entryDiffers(stored, entryOf(block, entry), { ownMayDiffer: true })) return true;
  return lacksOwn(stored.entry.own, entry.own);
}

/** Whether a term is not there, or in other places. More terms, of paths that were left out again, hide nothing. */
export function lacksOwn(stored: Run, due: Run): boolean {
  const places = new Map(stored.terms.map((term, i) => [toHex(term), stored.places[i] as Uint8Array]));
  if (places.has(toHex(WIDE))) return false;
  return due.terms.some((term, i) => {
    const there = places.get(toHex(term));
    return there === undefined || !equalBytes(there, due.places[i] as Uint8Array);
  });
}
