import { type Height, height } from "../../shared/ids.js";
import type { Block, BlockHeader } from "../../shared/log/block.js";
import type { ReadEvent } from "../../shared/log/event.js";
import type { BlockIndex } from "../../shared/log/index.js";
import { type Clock, sleep } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import { isOther, lacksOwn } from "../replica/compare-entries.js";
import type { IndexFinding } from "../replica/held-log.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import { entryDifferences, entryOf } from "../storage/entries.js";
import type { FoundBy, Range } from "../storage/incident.js";
import type { IndexAccount, IntegrityStore } from "../storage/integrity-port.js";
import type { IndexEntry, StoredEntry } from "../storage/port.js";
import { firstDifference, type IncidentFinding } from "./incident-record.js";
import { type Keeping, NOT_KEPT } from "./keeping.js";

const AT_ONCE = 32;
/** Where more differ of those that are looked at together, all entries of the log are made anew. */
const SINGLE_MAX = 16;
const MARKER_AGAIN_MS = 300;

export interface EntryInspectorParts {
  readonly nodeId: string;
  readonly store: Pick<IntegrityStore, "entriesBetween" | "keepEntry">;
  readonly keeping: Pick<Keeping, "kept">;
  readonly readBlocks: (heights: readonly Height[]) => Promise<readonly ProvedBlock[]>;
  /** What belongs beside a block. */
  readonly entryOf: (
    events: readonly ReadEvent[],
    index: BlockIndex | undefined,
    paths: readonly string[],
  ) => IndexEntry | null;
  /** Those that are being added are not among them. */
  readonly indexedPaths: () => readonly string[];
  /** False while entries are missing by right. */
  readonly isWhole: () => boolean;
  readonly heldThrough: () => Height;
  /** Makes the entry of a block anew, and keeps the one that differs. */
  readonly makeAnew: (at: Height) => void;
  /** So many differ that the whole index is made anew. */
  readonly makeAllAnew: () => void;
  /** What the index says of itself in the database. */
  readonly accountOf: () => Promise<IndexAccount>;
  readonly clock: Clock;
  readonly note: (finding: IncidentFinding) => void;
}

interface Due {
  readonly block: Pick<Block, "header" | "blockHash">;
  readonly events: readonly ReadEvent[];
  readonly index?: BlockIndex;
}

/** What was read, and when paths were asked for; and how it came to be looked at. */
interface Looked {
  readonly entries: readonly StoredEntry[];
  readonly paths: readonly string[] | null;
  readonly foundBy: FoundBy;
  readonly changedAt: string | undefined;
}

/** Compares stored entries with what their blocks give. */
export class EntryInspector {
  constructor(private readonly parts: EntryInspectorParts) {}

  /** Payload paths whose terms all entries have now; null: entries are missing by right. To be asked before entries are read. */
  get paths(): readonly string[] | null {
    return this.parts.isWhole() ? this.parts.indexedPaths() : null;
  }

  /** Whether the index's own account of itself is there where it should be; where it is not, all entries are made anew. */
  async isMarkerSound(): Promise<boolean> {
    const { isWhole, accountOf, clock, makeAllAnew } = this.parts;
    let account: IndexAccount = "whole";
    // Work on the index that ends just now says so in the database first.
    for (let look = 0; look < 2; look++) {
      if (!isWhole()) return true;
      account = await accountOf();
      if (account === "whole") return true;
      await sleep(clock, MARKER_AGAIN_MS);
    }
    makeAllAnew();
    // A write of this node's own, whose answer was lost, may arrive behind what it has written since.
    return account === "own work";
  }

  /**
   * Reads entries and blocks of these heights; those that are not committed yet are left out. False: entries are missing by
   * right at present, and not all were judged. Calls `onPart` for each part of them.
   */
  async inspect(
    heights: readonly Height[],
    foundBy: FoundBy,
    changedAt?: string,
    onPart: () => void = () => {},
  ): Promise<boolean> {
    const { store, heldThrough } = this.parts;
    if (this.paths === null) return false;
    const due = [...new Set(heights)].filter((at) => at <= heldThrough()).sort((a, b) => a - b);
    for (let i = 0; i < due.length; i += AT_ONCE) {
      const some = due.slice(i, i + AT_ONCE);
      const blocks = await this.blocksOf(some);
      for (const [first, last] of runsOf(some)) {
        const { paths } = this;
        const entries = await store.entriesBetween(height(first), height(last));
        const here = blocks.filter(({ header }) => header.height >= first && header.height <= last);
        const read = here.map((block) => ({ block, events: block.events.all() }));
        const differing = this.differing(read, entries, paths);
        // A log or an index that was given up meanwhile has fewer entries by right.
        const [held, areAllThere] = [heldThrough(), this.paths !== null];
        const judged = differing.filter(({ block }) => block.header.height <= held);
        if (await this.tell(judged, { entries, paths, foundBy, changedAt })) return true;
        if (paths === null || !areAllThere || judged.length < differing.length) return false;
      }
      onPart();
    }
    return true;
  }

  /** Gives the verified blocks whose entries, which were read after `paths` was asked for, are not theirs. */
  differing(due: readonly Due[], entries: readonly StoredEntry[], paths: readonly string[] | null): Due[] {
    if (paths === null || !this.parts.isWhole()) return [];
    const stored = new Map(entries.map((entry) => [entry.height, entry]));
    return due.filter(({ block, events, index }) => {
      const entry = this.parts.entryOf(events, index, paths);
      const found = stored.get(block.header.height);
      return entry === null ? found !== undefined : isOther(found, { block, entry });
    });
  }

  /** Makes those anew, untold, that are not what their blocks give; false while the whole index is made anew. */
  async mend(heights: readonly Height[]): Promise<boolean> {
    for (let i = 0; i < heights.length; i += AT_ONCE) {
      const blocks = await this.blocksOf(heights.slice(i, i + AT_ONCE));
      const { paths } = this;
      if (paths === null) return false;
      const [first, last] = [heights[i], heights[Math.min(i + AT_ONCE, heights.length) - 1]] as [Height, Height];
      const entries = await this.parts.store.entriesBetween(first, last);
      const read = blocks.map((block) => ({ block, events: block.events.all() }));
      for (const { block } of this.differing(read, entries, paths)) this.parts.makeAnew(block.header.height);
    }
    return true;
  }

  /** An entry differed where it was made anew, and is kept; or what the index says of itself was taken. */
  tellOf({ kind, detail, entry }: Extract<IndexFinding, { kind: "index_differs" }>, foundBy: FoundBy): void {
    if (entry === undefined) return this.parts.note({ kind, foundBy, detail });
    const { height: at, sequences = [], differences = [], kept } = entry;
    const evidence = kept === null ? [] : [kept];
    this.parts.note({ kind, foundBy, heights: [at, at], sequences, differences, evidence, detail });
  }

  /** True: the whole index is made anew. */
  private async tell(differing: readonly Due[], { entries, paths, foundBy, changedAt }: Looked): Promise<boolean> {
    const { makeAnew, makeAllAnew, note, nodeId } = this.parts;
    const there = new Map(entries.map((entry) => [entry.height, entry]));
    for (const one of differing) {
      const { block } = one;
      const at = block.header.height;
      const found = there.get(at);
      if (isGivenUp(found, block.header)) continue;
      const hasEvents = block.header.eventCount > 0;
      const { differences, evidence, isKept } = await this.evidenceOf(one, found, paths);
      const what = !hasEvents
        ? "one that it cannot have"
        : found === undefined
          ? "missing"
          : "not what the block gives";
      const which = hasEvents && found !== undefined ? ` (${firstDifference(differences)})` : "";
      note({
        kind: "index_differs",
        foundBy,
        heights: [at, at],
        ...(hasEvents ? { sequences: [[block.header.firstSequence, block.header.treeSize - 1]] as const } : {}),
        ...(changedAt === undefined ? {} : { changedAt }),
        differences,
        evidence,
        detail: `the index entry of block ${at} of ${nodeId} is ${what}${which}; it is ${hasEvents ? "made anew" : "taken away"}${isKept ? "" : `; ${NOT_KEPT}`}`,
      });
    }
    if (differing.length > SINGLE_MAX) {
      makeAllAnew();
      return true;
    }
    for (const { block } of differing) makeAnew(block.header.height);
    return false;
  }

  /** Before it is made anew. What is kept may be another one by then: if it is the block's, it shows nothing. */
  private async evidenceOf(
    one: Due,
    found: StoredEntry | undefined,
    paths: readonly string[] | null,
  ): Promise<Required<Pick<IncidentFinding, "differences" | "evidence">> & { readonly isKept: boolean }> {
    const { store, keeping } = this.parts;
    const at = one.block.header.height;
    const entry = this.parts.entryOf(one.events, one.index, paths ?? []);
    const due = entry === null ? null : entryOf(one.block, entry);
    const ofWhat = (stored: StoredEntry | undefined) => entryDifferences(at, stored, due, lacksOwn);
    const kept = found === undefined ? null : await keeping.kept(() => store.keepEntry(at));
    const differences = kept === null ? [] : ofWhat(kept.entry);
    if (kept === null || differences.length === 0)
      return { differences: ofWhat(found), evidence: [], isKept: found === undefined || kept !== null };
    return { differences, evidence: [kept.name], isKept: true };
  }

  /** Those that are what they should be: the others are looked at for themselves. */
  private async blocksOf(heights: readonly Height[]): Promise<ProvedBlock[]> {
    const found: ProvedBlock[] = [];
    for (let i = 0; i < heights.length; ) {
      try {
        const blocks = await this.parts.readBlocks(heights.slice(i));
        found.push(...blocks);
        i += Math.max(1, blocks.length);
      } catch (error) {
        if (!(error instanceof AlteredBlock)) throw error;
        i += 1;
      }
    }
    return found;
  }
}

/**
 * An insert that was given up may leave its entry beside the block without events that took its place. Events are sealed on
 * what is committed: its first one would have come next.
 */
const isGivenUp = (found: StoredEntry | undefined, { eventCount, firstSequence }: BlockHeader): boolean =>
  eventCount === 0 && found?.first === firstSequence;

function runsOf(heights: readonly Height[]): Range[] {
  const runs: [number, number][] = [];
  for (const at of heights) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === at - 1) run[1] = at;
    else runs.push([at, at]);
  }
  return runs;
}
