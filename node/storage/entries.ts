import { equalBytes } from "../../shared/bytes.js";
import { sha256Hex } from "../../shared/hash.js";
import type { Block } from "../../shared/log/block.js";
import type { Run } from "../../shared/log/index.js";
import { timestampMillis } from "../../shared/timestamp.js";
import type { FieldDifference } from "./incident.js";
import type { DifferingEntry, IndexEntry, PutOptions, StoredEntry } from "./port.js";

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
  { ownMayDiffer, isOwnOther }: Pick<PutOptions, "ownMayDiffer" | "isOwnOther">,
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
    (ownMayDiffer ? isOwnOther?.(found.own, entry.own) === true : !equalRuns(found.own, entry.own))
  );
}

const equalRuns = (a: Run, b: Run): boolean => equalLists(a.terms, b.terms) && equalLists(a.places, b.places);

function equalLists(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => equalBytes(bytes, b[i] as Uint8Array));
}

/**
 * In which fields a stored entry is not the one that is due, in the words of `npm run verify`: of what is long how much it is, and
 * its hash. `entry.own` are the terms that no header commits to.
 */
export function entryDifferences(
  at: number,
  there: StoredEntry | undefined,
  due: StoredEntry | null,
  isOwnOther: (found: Run, due: Run) => boolean = (found, own) => !equalRuns(found, own),
): FieldDifference[] {
  const differences: FieldDifference[] = [];
  const add = (name: string, one: Omit<FieldDifference, "height" | "field">): void => {
    differences.push({ height: at, field: name === "" ? "entry" : `entry.${name}`, ...one });
  };
  if (there === undefined || due?.entry == null) {
    const isNoneDue = due?.entry == null;
    add("", {
      ...(there === undefined ? {} : { stored: there.entry === null ? NO_SHAPE : said(wholeOf(there.entry)) }),
      ...(isNoneDue ? {} : { expected: said(wholeOf(due.entry)) }),
    });
    return differences;
  }
  for (const name of ["first", "count", "sealedAt", "blockHash"] as const) {
    const stored = there[name] === -1 || there[name] === "" ? NO_SHAPE : there[name];
    if (there[name] !== due[name]) add(name, { stored, expected: due[name] });
  }
  const expected = fieldsOf(due.entry);
  if (there.entry === null) {
    const name = there.broken ?? "terms";
    add(name, { stored: NO_SHAPE, expected: expected[name] });
    return differences;
  }
  const stored = fieldsOf(there.entry);
  for (const name of ["runs", "terms", "places", "times"] as const)
    if (stored[name] !== expected[name]) add(name, { stored: stored[name], expected: expected[name] });
  if (isOwnOther(there.entry.own, due.entry.own))
    add("own", { stored: said(listsOf(there.entry.own)), expected: said(listsOf(due.entry.own)) });
  return differences;
}

/** The same with its place, as it is told. */
export function differingEntry(
  { header: { height, firstSequence, treeSize } }: Pick<Block, "header">,
  there: StoredEntry | undefined,
  { due, ownMayDiffer, isOwnOther = () => false }: { readonly due: StoredEntry } & PutOptions,
): Omit<DifferingEntry, "kept"> {
  const differences = ownMayDiffer
    ? entryDifferences(height, there, due, isOwnOther)
    : entryDifferences(height, there, due);
  const missing = there === undefined ? ({ isMissing: true } as const) : {};
  return { height, sequences: [[firstSequence, treeSize - 1]], differences, ...missing };
}

const NO_SHAPE = "nothing that could stand there";

/** What headers commit to, each as a text of a few words. */
function fieldsOf({ index: { names, keys, times } }: IndexEntry): Readonly<Record<EntryField, string>> {
  return {
    runs: `${names.terms.length} names, ${keys.terms.length} keys`,
    terms: said([...names.terms, ...keys.terms]),
    places: said([...names.places, ...keys.places]),
    times: said([times]),
  };
}
type EntryField = NonNullable<StoredEntry["broken"]>;

const listsOf = ({ terms, places }: Run): Uint8Array[] => [...terms, ...places];
const wholeOf = ({ index: { names, keys, times }, own }: IndexEntry): Uint8Array[] => [
  ...[names, keys, own].flatMap(listsOf),
  times,
];

/** How much it is, and the first half of the hash of its parts, each behind its length. Somebody may have put there any number of them. */
function said(parts: readonly Uint8Array[]): string {
  const length = parts.reduce((sum, one) => sum + one.length, 0);
  const bytes = new Uint8Array(4 * parts.length + length);
  const view = new DataView(bytes.buffer);
  let end = 0;
  for (const one of parts) {
    view.setUint32(end, one.length);
    bytes.set(one, end + 4);
    end += 4 + one.length;
  }
  return `${length} bytes, sha256 ${sha256Hex(bytes).slice(0, 32)}`;
}
