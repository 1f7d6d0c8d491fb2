import { sha256Hex, u32 } from "./bytes.js";
import { Fault } from "./fault.js";
import { type Header, shown } from "./header.js";
import type { CommittedIndex } from "./index-hash.js";
import { millisOf } from "./instant.js";

/** What stands in an index entry's document. */
export interface FoundEntry {
  readonly first: unknown;
  readonly count: unknown;
  readonly sealedAt: unknown;
  readonly blockHash: unknown;
  readonly terms: unknown;
  readonly runs: unknown;
  readonly places: Buffer | null;
  readonly times: Buffer | null;
}

interface Due {
  readonly header: Header;
  readonly blockHash: string;
  readonly index: CommittedIndex;
}

/** Compares an entry with what its block gives, as far as headers commit to it. Throws Fault. */
export function checkEntry(entry: FoundEntry, due: Due): void {
  const [first] = entryFaults(entry, due);
  if (first !== undefined) throw first;
}

/** Every field of an entry that is not what its block gives. */
export function entryFaults(entry: FoundEntry, { header, blockHash, index }: Due): Fault[] {
  const faults: Fault[] = [];
  const due = { first: header.firstSequence, count: header.eventCount, sealedAt: millisOf(header.sealedAt), blockHash };
  for (const [name, expected] of Object.entries(due)) {
    const stored = entry[name as keyof typeof due];
    if (stored !== expected) faults.push(bad(name, stored, expected));
  }
  const { names, keys } = index;
  const runs = isRuns(entry.runs) ? entry.runs : null;
  const counts = [names.terms.length, keys.terms.length] as const;
  if (runs?.[0] !== counts[0] || runs[1] !== counts[1]) faults.push(bad("runs", entry.runs, counts));
  // The node's own terms follow: no header commits to them.
  const committed = runs === null ? counts[0] + counts[1] : runs[0] + runs[1];
  const dueTerms = [...names.terms, ...keys.terms];
  const terms = isTerms(entry.terms) ? entry.terms : null;
  const isWhole = terms !== null && (runs === null || terms.length === committed + runs[2]);
  const foundTerms = (terms ?? []).slice(0, committed).map(bytesOf);
  if (!isWhole || !areEqual(foundTerms, dueTerms)) faults.push(bad("terms", said(foundTerms), said(dueTerms)));
  const duePlaces = [...names.places, ...keys.places];
  const places = placesOf(entry.places, terms?.length ?? committed)?.slice(0, committed);
  if (places === undefined || !areEqual(places, duePlaces))
    faults.push(bad("places", places === undefined ? "no table" : said(places), said(duePlaces)));
  if (entry.times === null || !entry.times.equals(index.times))
    faults.push(bad("times", entry.times === null ? "no bytes" : said([entry.times]), said([index.times])));
  return faults;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRuns = (runs: unknown): runs is readonly [number, number, number] =>
  Array.isArray(runs) && runs.length === 3 && runs.every(isCount);
const isTerms = (terms: unknown): terms is readonly bigint[] =>
  Array.isArray(terms) && terms.every((term) => typeof term === "bigint");

function bytesOf(term: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(term);
  return bytes;
}

const areEqual = (found: readonly Buffer[], due: readonly Buffer[]): boolean =>
  found.length === due.length && found.every((bytes, i) => bytes.equals(due[i] as Buffer));

/** What the table of ends says of the places of so many terms; null where it says nothing. */
function placesOf(bytes: Buffer | null, count: number): Buffer[] | null {
  const table = 4 * count;
  if (bytes === null || bytes.length < table) return null;
  const places: Buffer[] = [];
  let start = table;
  for (let i = 0; i < count; i++) {
    const end = table + bytes.readUInt32BE(4 * i);
    if (end < start || end > bytes.length) return null;
    places.push(bytes.subarray(start, end));
    start = end;
  }
  return start === bytes.length ? places : null;
}

/** How much it is, and the first half of the hash of its parts, each behind its length. */
function said(parts: readonly Buffer[]): string {
  const length = parts.reduce((sum, one) => sum + one.length, 0);
  const hash = sha256Hex(Buffer.concat(parts.flatMap((one) => [u32(one.length), one])));
  return `${length} bytes, sha256 ${hash.slice(0, 32)}`;
}

function bad(field: string, stored: unknown, expected: unknown): Fault {
  const about = { stored: shown(carried(stored)), expected: shown(expected) };
  return new Fault("bad_entry", `entry.${field}`, "the index entry is not what the block gives", about);
}

/** The driver gives 64-bit integers as bigint here, which the node writes in terms only, and which JSON does not have. */
const carried = (value: unknown): unknown =>
  value === undefined
    ? undefined
    : JSON.parse(JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${one} (int64)` : one)));
