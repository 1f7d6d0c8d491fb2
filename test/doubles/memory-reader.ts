import {
  type EntryQuery,
  type FoundEntry,
  indexLost,
  type KeyReader,
  type LogReader,
  type StoredBlock,
  type StoredEntry,
} from "../../node/storage/port.js";
import { equalBytes } from "../../shared/bytes.js";
import { type Height, height } from "../../shared/ids.js";
import { type BlockHeader, blockBytes } from "../../shared/log/block.js";
import { WIDE } from "../../shared/log/filter.js";
import type { Run } from "../../shared/log/index.js";
import type { MemoryDatabase } from "./memory-database.js";

/** The store that was opened: reads are answered by its server only. */
export interface MemoryOpening {
  assertReadable(): void;
}

/** Reads in memory: everything is looked at, one after the other, and at once. */
export class MemoryReader implements LogReader {
  constructor(
    private readonly database: MemoryDatabase,
    private readonly opening: MemoryOpening,
  ) {}

  async readBlocks(heights: readonly Height[], bytesMax: number): Promise<StoredBlock[]> {
    this.opening.assertReadable();
    const found: StoredBlock[] = [];
    let bytes = 0;
    for (const at of heights) {
      const stored = this.database.blocks.get(at)?.stored;
      if (stored === undefined) continue;
      bytes += blockBytes(stored.block);
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(readOf(stored));
    }
    return found;
  }

  async readHeaders(from: Height, to: Height): Promise<{ readonly header: BlockHeader; readonly blockHash: string }[]> {
    this.opening.assertReadable();
    const found: { readonly header: BlockHeader; readonly blockHash: string }[] = [];
    for (let at = from; at <= to; at = height(at + 1)) {
      const stored = this.database.blocks.get(at)?.stored;
      if (stored === undefined) continue;
      found.push(structuredClone({ header: stored.block.header, blockHash: stored.block.blockHash }));
    }
    return found;
  }

  async find(query: EntryQuery): Promise<FoundEntry[]> {
    assertWhole(this.database, this.opening);
    const found: FoundEntry[] = [];
    for (const entry of this.inRange(query.from, query.to, query.order)) {
      if (found.length >= query.limit) break;
      const terms = termsOf(entry);
      if (query.groups.every((group) => group.some((term) => terms.has(nameOf(term)))))
        found.push(viewOf(entry, query));
    }
    return found;
  }

  async heights(group: readonly Uint8Array[], range: Parameters<LogReader["heights"]>[1]): Promise<Height[]> {
    const found = await this.find({ ...range, groups: [group], names: [], own: [], wantsTimes: false });
    return found.map((entry) => entry.height);
  }

  async estimate(group: readonly Uint8Array[], range: { from: Height; to: Height }, cap: number): Promise<number> {
    this.opening.assertReadable();
    if (!this.database.hasTermsIndex) throw indexLost();
    let count = 0;
    for (const entry of this.inRange(range.from, range.to, "asc")) {
      if (count >= cap) break;
      const terms = termsOf(entry);
      if (group.some((term) => terms.has(nameOf(term)))) count += 1;
    }
    if (count === 0) assertWhole(this.database, this.opening);
    return count;
  }

  async holding(sequence: number, through: Height): Promise<StoredBlock | null> {
    this.opening.assertReadable();
    let first: StoredBlock | null = null;
    for (const [at, { stored }] of this.database.blocks) {
      const { treeSize } = stored.block.header;
      if (at > through || stored.block.header.height !== at) continue;
      if (treeSize > sequence && treeSize < (first?.block.header.treeSize ?? Number.POSITIVE_INFINITY)) first = stored;
    }
    return first === null ? null : readOf(first);
  }

  async neighbours(from: Height, order: "asc" | "desc", limit: number): Promise<FoundEntry[]> {
    this.opening.assertReadable();
    const entries =
      order === "asc" ? this.inRange(from, Number.MAX_SAFE_INTEGER, "asc") : this.inRange(height(0), from, "desc");
    return entries.slice(0, Math.max(1, limit)).map((entry) => viewOf(entry));
  }

  private inRange(from: number, to: number, order: "asc" | "desc"): StoredEntry[] {
    return entriesIn(this.database, from, to, order);
  }
}

const readOf = ({ block }: StoredBlock): StoredBlock => ({
  block: structuredClone({ ...block, signature: new Uint8Array(0) }),
  frontier: [],
});

/** Look-ups of keys in memory. */
export class MemoryKeys implements KeyReader {
  constructor(
    private readonly database: MemoryDatabase,
    private readonly opening: MemoryOpening,
  ) {}

  async heightsOfKey(term: Uint8Array, limit: number): Promise<Height[]> {
    assertWhole(this.database, this.opening);
    const name = nameOf(term);
    const found: Height[] = [];
    for (const { stored } of this.database.entries.values()) if (termsOf(stored).has(name)) found.push(stored.height);
    return found.sort((a, b) => a - b).slice(0, limit);
  }

  async keyTerms(from: Height, limit: number): Promise<{ readonly terms: Uint8Array[]; readonly next: Height | null }> {
    assertWhole(this.database, this.opening);
    const entries = entriesIn(this.database, from, Number.MAX_SAFE_INTEGER, "asc").slice(0, limit);
    const last = entries.at(-1);
    return {
      terms: entries.flatMap((stored) => readable(stored).index.keys.terms),
      next: last === undefined || entries.length < limit ? null : height(last.height + 1),
    };
  }
}

function assertWhole({ marker, hasTermsIndex }: MemoryDatabase, opening: MemoryOpening): void {
  opening.assertReadable();
  if (marker?.isWhole !== true || !hasTermsIndex) throw indexLost();
}

function entriesIn({ entries }: MemoryDatabase, from: number, to: number, order: "asc" | "desc"): StoredEntry[] {
  const heights = [...entries.keys()].filter((at) => at >= from && at <= to);
  heights.sort((a, b) => (order === "asc" ? a - b : b - a));
  return heights.map((at) => (entries.get(at) as { stored: StoredEntry }).stored);
}

/** An entry that has lost its shape may be one that should have been found. */
function readable({ entry }: StoredEntry): NonNullable<StoredEntry["entry"]> {
  if (entry === null) throw indexLost();
  return entry;
}

/** 8 bytes as text: only for being compared. */
const nameOf = (term: Uint8Array): string => {
  const at = (i: number): number => term[i] ?? 0;
  return String.fromCharCode(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
};

/** Nodes hand the runs of a block on. */
const namesIn = new WeakMap<Run, readonly string[]>();
function namesOf(run: Run): readonly string[] {
  let names = namesIn.get(run);
  if (names === undefined) {
    names = run.terms.map(nameOf);
    namesIn.set(run, names);
  }
  return names;
}

const named = new WeakMap<StoredEntry, ReadonlySet<string>>();
function termsOf(stored: StoredEntry): ReadonlySet<string> {
  let terms = named.get(stored);
  if (terms === undefined) {
    const { entry } = stored;
    const runs = entry === null ? [] : [entry.index.names, entry.index.keys, entry.own];
    terms = new Set(runs.flatMap(namesOf));
    named.set(stored, terms);
  }
  return terms;
}

function viewOf(stored: StoredEntry, asked?: EntryQuery): FoundEntry {
  const { height: at, first, count, sealedAt } = stored;
  const entry = asked === undefined ? null : readable(stored);
  return {
    height: at,
    first,
    count,
    sealedAt,
    isWide: entry !== null && placesIn(entry.own, WIDE) !== null,
    placesOf(term, run) {
      const wasAsked = asked?.[run].some((one) => equalBytes(one, term)) === true;
      return entry === null || !wasAsked ? null : placesIn(run === "own" ? entry.own : entry.index.names, term);
    },
    times: entry !== null && asked?.wantsTimes === true ? entry.index.times : new Uint8Array(0),
  };
}

function placesIn({ terms, places }: Run, term: Uint8Array): Uint8Array | null {
  const at = terms.findIndex((one) => equalBytes(one, term));
  return places[at] ?? null;
}
