import type { IndexFinding } from "../../../node/replica/held-log.js";
import { entryDiffers, entryOf } from "../../../node/storage/entries.js";
import type { IndexEntry, StoredEntry } from "../../../node/storage/port.js";
import { equalBytes } from "../../../shared/bytes.js";
import { type Block, bodyReader } from "../../../shared/log/block.js";
import { blockIndex, ownRun } from "../../../shared/log/index.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { History } from "./history.js";

/**
 * I10: a durable block has its entry, which is what the block gives, and nothing else has one; but for what a crash left
 * since the last opening, for what arrived late, and for what somebody wrote there.
 */
export class IndexChecker {
  /** By block hash and indexed paths. */
  private readonly due = new Map<string, IndexEntry>();
  private readonly equal = new WeakMap<StoredEntry, { readonly of: Block; readonly paths: readonly string[] }>();
  /** Entries that somebody wrote or took away and that were found. */
  findings = 0;
  /** Who told of a key that was logged twice. */
  readonly repeats: string[] = [];

  constructor(private readonly history: History) {}

  /** Blocks have landed: each had its entry before. */
  onBlocks(node: SimNode, from: number): void {
    const { disk } = node;
    const { entries, blocks } = disk.database;
    for (let at = Math.max(1, from); at <= disk.tailHeight; at++) {
      const stored = disk.at(at);
      if (stored === undefined || stored.block.header.eventCount === 0 || this.isExcused(node, at)) continue;
      const { writeId } = blocks.get(stored.block.header.height) ?? { writeId: 0 };
      check(
        entries.get(stored.block.header.height)?.writeId === writeId,
        "I10",
        () => `${node.id}: block ${at} is stored and its entry is not`,
      );
    }
  }

  /** An opening is over, or all is calm. */
  atRest(node: SimNode, { isOpened }: { isOpened: boolean }): void {
    const { disk } = node;
    const { tailHeight } = disk;
    // What an opening surely compares, whatever else it verifies.
    const compared = isOpened && disk.isIndexWhole ? node.around.verifiedTail.blocksMin : 0;
    // An entry is stored before its block.
    if (isOpened || node.store.waiting === 0) this.nothingFrom(node, tailHeight + 1);
    for (const at of disk.touched) {
      const isCompared = at > tailHeight - compared && at <= tailHeight && disk.wasTouchedBefore(at);
      // What a block should give cannot be told where it is altered itself.
      if (disk.altered.has(at - 1) || disk.altered.has(at)) continue;
      // Without the index's account it is not known of which paths it has terms.
      if (!isCompared && (disk.database.marker === null || this.faultAt(node, at) !== null)) continue;
      disk.touched.delete(at);
      // It is gone with its block.
      if (at > tailHeight && disk.hasLost) disk.differing.delete(at);
      this.mustBeFound(node, at);
    }
    if (!disk.isIndexWhole) return;
    disk.dropped.clear();
    check(disk.account !== "taken", "I8", () => `${node.id}: somebody took its index's account, and nobody was told`);
    disk.account = "sound";
    for (let at = 1; at <= tailHeight; at++) {
      if (this.isExcused(node, at)) continue;
      const fault = this.faultAt(node, at);
      check(fault === null, "I10", () => `${node.id}: the entry of block ${at} ${fault}`);
    }
  }

  /** A truncation is over. */
  nothingFrom(node: SimNode, from: number): void {
    const { entries, arrivedLate } = node.disk.database;
    for (const at of entries.keys())
      check(at < from || arrivedLate.has(at), "I10", () => `${node.id}: an entry is left at ${at}, where no block is`);
  }

  /** An alert needs a cause. */
  onFinding(node: SimNode, finding: IndexFinding): void {
    if (finding.kind === "key_repeated") {
      this.repeats.push(node.id);
      const { height: by } = finding;
      return check(this.history.hasRepeats, "alert", () => `${node.id} says that a key was logged twice, by ${by}`);
    }
    const { disk } = node;
    if (finding.entry === undefined) {
      check(disk.account !== "sound", "alert", () => `${node.id} says that its sound index lost its account`);
      disk.account = "told";
      this.findings += 1;
      return;
    }
    const { touched, dropped } = disk;
    const { height: at } = finding.entry;
    // Beside another block than the one that was committed it differs, too.
    const isCause = touched.has(at) || dropped.has(at) || node.disk.isAlteredAt(at);
    check(isCause, "alert", () => `${node.id} says that its sound entry ${at} was altered`);
    this.findings += 1;
    node.disk.differing.delete(at);
  }

  private mustBeFound(node: SimNode, at: number): void {
    const isTold = !node.disk.differing.delete(at);
    check(isTold, "I8", () => `${node.id}: somebody altered entry ${at}, which was made anew and not told of`);
  }

  private isExcused({ disk }: SimNode, at: number): boolean {
    // What a block gives cannot be told where it, or the one that its events follow, is another one.
    const isAltered = disk.altered.has(at) || disk.altered.has(at - 1);
    return disk.database.arrivedLate.has(at) || disk.touched.has(at) || isAltered || !disk.isIndexWhole;
  }

  /** What is wrong with the entry of a stored block; null if nothing is. */
  faultAt({ disk }: Pick<SimNode, "disk">, at: number): string | null {
    const { entries, marker } = disk.database;
    const block = disk.at(at)?.block;
    if (block === undefined) return null;
    const stored = entries.get(block.header.height)?.stored;
    if (block.header.eventCount === 0) return stored === undefined ? null : "is beside no event";
    if (stored === undefined) return "is missing";
    const { paths } = marker ?? { paths: NO_PATHS };
    const equal = this.equal.get(stored);
    if (equal?.of === block && equal.paths === paths) return null;
    const due = this.dueOf(block, disk.at(at - 1)?.block, { name: `${block.blockHash} ${paths.join()}`, paths });
    if (entryDiffers(stored, entryOf(block, due), { ownMayDiffer: true })) return "is not what the block gives";
    if (!hasOwn(stored, due)) return "lacks terms that the block gives";
    this.equal.set(stored, { of: block, paths });
    return null;
  }

  private dueOf(block: Block, before: Block | undefined, of: { name: string; paths: readonly string[] }): IndexEntry {
    let due = this.due.get(of.name);
    if (due === undefined) {
      const events = bodyReader(block, before?.header.headHash ?? "").all();
      due = { index: blockIndex(events), own: ownRun(events, of.paths) };
      this.due.set(of.name, due);
    }
    return due;
  }
}

function hasOwn({ entry }: StoredEntry, { own }: IndexEntry): boolean {
  if (entry === null) return false;
  return own.terms.every((term, i) => {
    const at = entry.own.terms.findIndex((other) => equalBytes(other, term));
    return equalBytes(entry.own.places[at] ?? NOTHING, own.places[i] ?? NOTHING) && at !== -1;
  });
}
const NO_PATHS: readonly string[] = [];
const NOTHING = new Uint8Array(0);
