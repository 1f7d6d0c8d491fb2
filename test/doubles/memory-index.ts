import { differingEntry, entryDiffers, entryOf } from "../../node/storage/entries.js";
import {
  type IndexEntry,
  type IndexStanding,
  indexLost,
  LEFT_BEHIND_BLOCKS,
  type PutOptions,
  StoreError,
} from "../../node/storage/port.js";
import { type Height, height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { MemoryDatabase, MemoryEntry } from "./memory-database.js";

export function standingOf({ marker, hasTermsIndex }: MemoryDatabase): IndexStanding | null {
  return marker?.isWhole === true && hasTermsIndex ? { paths: marker.paths } : null;
}

/**
 * Before anything is inserted: entries above the tail go, and so do those near it that another insert than the block's
 * has left. The index of a log without blocks is whole.
 */
export async function tidy(database: MemoryDatabase, tailHeight: Height): Promise<void> {
  const { entries, blocks, marker } = database;
  const isStray = ([at, { writeId }]: [Height, MemoryEntry]): boolean =>
    at > tailHeight || (at > tailHeight - LEFT_BEHIND_BLOCKS && blocks.get(at)?.writeId !== writeId);
  const strays = [...entries].filter(isStray);
  const isNew = tailHeight === 0 && marker?.isWhole !== true;
  if (strays.length === 0 && !isNew) return;
  await database.write(() => {
    for (const [at, entry] of strays) {
      if (at <= tailHeight) keep(database, at, entry);
      if (entries.get(at) === entry) entries.delete(at);
    }
    if (!isNew || database.marker !== marker) return;
    database.marker = { isWhole: true, paths: [], work: null };
    database.hasTermsIndex = true;
  });
}

/** Names work on entries; a counter, so that a simulation stays repeatable. */
let nextWork = 1;

export interface MemoryWork {
  readonly name: number;
  readonly isLost: boolean;
  /** The oldest entry that it has put, where it makes all of them anew. */
  oldest: Height | null;
}

/** Resolves with the work, which alone may say that the index is whole again. */
export async function beginWork(
  database: MemoryDatabase,
  isLost: boolean,
  onTaken?: (wasWhole: boolean) => void,
): Promise<MemoryWork> {
  const name = nextWork++;
  if (isLost && isTaken(database)) onTaken?.(database.state?.indexWork === null);
  await database.write(() => {
    if (isLost) {
      database.marker = { isWhole: false, paths: [], work: name };
      database.hasTermsIndex = true;
      return;
    }
    if (database.marker?.isWhole !== true) throw indexLost();
    database.marker = { ...database.marker, work: name };
  });
  return { name, isLost, oldest: null };
}

/** Nothing of a node's own leaves the marker so. */
const isTaken = ({ marker }: MemoryDatabase): boolean => marker === null || (!marker.isWhole && marker.work === null);

export async function endWork(database: MemoryDatabase, work: MemoryWork, { paths }: IndexStanding): Promise<void> {
  await database.write(() => {
    const { entries, marker, hasTermsIndex } = database;
    if (marker?.work !== work.name || !hasTermsIndex) throw indexLost();
    if (work.oldest !== null && !entries.has(work.oldest)) throw indexLost();
    database.marker = { isWhole: true, paths, work: null };
  });
}

/** The heights whose entries were there and differed. */
export async function putEntries(
  database: MemoryDatabase,
  due: readonly { readonly block: Pick<Block, "header" | "blockHash">; readonly entry: IndexEntry | null }[],
  options: PutOptions & { readonly work: MemoryWork },
): Promise<Height[]> {
  const { blocks, entries } = database;
  const puts = due.map(({ block, entry }) => {
    const at = block.header.height;
    const stored = blocks.get(at);
    if (stored?.stored.block.blockHash !== block.blockHash)
      throw new StoreError("conflict", `Another block is stored at height ${at}.`);
    const there = entries.get(at);
    const { work } = options;
    if (work.isLost && entry !== null) work.oldest = height(Math.min(work.oldest ?? at, at));
    const fresh: MemoryEntry | null =
      entry === null ? null : { stored: entryOf(block, entry), writeId: stored.writeId };
    const differs = there !== undefined && fresh !== null && entryDiffers(there.stored, fresh.stored, options);
    return { at, block, there, fresh, differs };
  });
  const differing = puts.filter(({ differs }) => differs);
  const kept = puts.filter(({ there, fresh, differs }) => differs || (there !== undefined && fresh === null));
  const names = new Map<Height, string>();
  if (kept.length > 0)
    await database.write(() => {
      for (const { at, there } of kept) names.set(at, keep(database, at, there as MemoryEntry));
    });
  const told = differing.map(({ at, block, there, fresh }) => ({
    ...differingEntry(block, (there as MemoryEntry).stored, { ...options, due: (fresh as MemoryEntry).stored }),
    kept: names.get(at) ?? null,
  }));
  const missing = puts.flatMap(({ at, block, there, fresh }) =>
    at <= (options.noneMissingThrough ?? 0) && there === undefined && fresh !== null
      ? [{ ...differingEntry(block, undefined, { ...options, due: fresh.stored }), kept: null }]
      : [],
  );
  if (told.length + missing.length > 0) options.onDiffering?.([...told, ...missing]);
  await database.write(() => {
    // Each by its insert's name, and for itself, as in MongoDB.
    const missed: Height[] = [];
    for (const { at, there, fresh } of puts.slice(0, database.reach(puts.length))) {
      const isSame = entries.get(at)?.writeId === there?.writeId;
      if (fresh === null && isSame) entries.delete(at);
      if (fresh !== null && isSame) entries.set(at, fresh);
      if (fresh !== null && !isSame) missed.push(at);
    }
    if (missed.length > 0) throw new StoreError("conflict", `Entries at ${missed.join(", ")} were changed meanwhile.`);
  });
  return differing.map(({ at }) => at);
}

function keep({ quarantinedEntries }: MemoryDatabase, at: Height, { stored }: MemoryEntry): string {
  for (const [name, kept] of quarantinedEntries) if (kept === stored) return name;
  const name = `${at}-${quarantinedEntries.size}`;
  quarantinedEntries.set(name, stored);
  return name;
}

/** Deletes the entry of one insert. */
export function dropEntry({ entries }: MemoryDatabase, at: Height, writeId: number): void {
  if (entries.get(at)?.writeId === writeId) entries.delete(at);
}

export const entriesFrom = ({ entries }: MemoryDatabase, from: Height, limit: number): MemoryEntry[] =>
  [...entries.keys()]
    .filter((at) => at >= from)
    .sort((a, b) => a - b)
    .slice(0, limit)
    .map((at) => entries.get(height(at)) as MemoryEntry);
