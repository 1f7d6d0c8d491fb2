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

/** Compares an entry with what its block gives, as far as headers commit to it. Throws Fault. */
export function checkEntry(
  entry: FoundEntry,
  { header, blockHash, index }: { readonly header: Header; readonly blockHash: string; readonly index: CommittedIndex },
): void {
  const due = { first: header.firstSequence, count: header.eventCount, sealedAt: millisOf(header.sealedAt), blockHash };
  for (const [name, expected] of Object.entries(due)) {
    const stored = entry[name as keyof typeof due];
    if (numberOf(stored) !== expected) throw bad(name, stored, expected);
  }
  const { names, keys, times } = index;
  const { runs, terms, places } = entry;
  if (!Array.isArray(runs) || !Array.isArray(terms) || runs.length !== 3) throw bad("runs", runs);
  const [inNames, inKeys, own] = runs.map(numberOf);
  if (inNames !== names.terms.length || inKeys !== keys.terms.length) throw bad("runs", runs);
  if (terms.length !== inNames + inKeys + (own as number)) throw bad("terms", `${terms.length} terms`);
  const dueTerms = [...names.terms, ...keys.terms];
  for (const [i, term] of dueTerms.entries()) if (terms[i] !== term.readBigInt64BE()) throw bad("terms", terms[i]);
  checkPlaces(places, terms.length, [...names.places, ...keys.places]);
  if (entry.times === null || !entry.times.equals(times)) throw bad("times", "other bytes");
}

function checkPlaces(places: Buffer | null, count: number, due: readonly Buffer[]): void {
  const table = 4 * count;
  if (places === null || places.length < table) throw bad("places", "no table");
  let start = table;
  for (const [i, expected] of due.entries()) {
    const end = table + places.readUInt32BE(4 * i);
    if (!places.subarray(start, end).equals(expected)) throw bad("places", "other bytes");
    start = end;
  }
  // The node's own terms follow: no header commits to them.
  if (count > 0 && table + places.readUInt32BE(4 * (count - 1)) !== places.length)
    throw bad("places", "bytes left over");
}

/** The driver gives 64-bit integers as bigint here. */
const numberOf = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);

function bad(field: string, stored: unknown, expected?: unknown): Fault {
  const about = { stored: shown(numberOf(stored)), ...(expected === undefined ? {} : { expected: shown(expected) }) };
  return new Fault("bad_entry", `entry.${field}`, "the index entry is not what the block gives", about);
}
