import { type Height, height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { ReadEvent } from "../../shared/log/event.js";
import type { BlockIndex } from "../../shared/log/index.js";
import { AlteredBlock } from "../replica/anchors.js";
import { isOther } from "../replica/compare-entries.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import type { FoundBy, Range } from "../storage/incident.js";
import type { IntegrityStore } from "../storage/integrity-port.js";
import type { IndexEntry, StoredEntry } from "../storage/port.js";
import type { IncidentFinding } from "./incidents.js";

const AT_ONCE = 32;
/** Where more differ of those that are looked at together, all entries of the log are made anew. */
const SINGLE_MAX = 16;

export interface EntryInspectorParts {
  readonly nodeId: string;
  readonly store: Pick<IntegrityStore, "entriesBetween">;
  readonly readBlocks: (heights: readonly Height[]) => Promise<readonly ProvedBlock[]>;
  /** What belongs beside a block. */
  readonly entryOf: (events: readonly ReadEvent[], index?: BlockIndex) => IndexEntry | null;
  /** False while entries are missing by right. */
  readonly isWhole: () => boolean;
  readonly heldThrough: () => Height;
  /** Makes the entry of a block anew, and keeps the one that differs. */
  readonly makeAnew: (at: Height) => void;
  /** So many differ that the whole index is made anew. */
  readonly makeAllAnew: () => void;
  readonly note: (finding: IncidentFinding) => void;
}

interface Due {
  readonly block: Pick<Block, "header" | "blockHash">;
  readonly events: readonly ReadEvent[];
  readonly index?: BlockIndex;
}

/** Compares stored entries with what their blocks give. */
export class EntryInspector {
  constructor(private readonly parts: EntryInspectorParts) {}

  /** Reads entries and blocks of these heights; those that are not committed yet are left out. */
  async inspect(heights: readonly Height[], foundBy: FoundBy, changedAt?: string): Promise<void> {
    const { store, heldThrough, isWhole } = this.parts;
    const due = [...new Set(heights)].filter((at) => at <= heldThrough()).sort((a, b) => a - b);
    for (let i = 0; i < due.length && isWhole(); i += AT_ONCE) {
      const some = due.slice(i, i + AT_ONCE);
      const blocks = await this.blocksOf(some);
      for (const [first, last] of runsOf(some)) {
        const entries = await store.entriesBetween(height(first), height(last));
        const here = blocks.filter(({ header }) => header.height >= first && header.height <= last);
        this.compare(
          here.map((block) => ({ block, events: block.events.all() })),
          entries,
          foundBy,
          changedAt,
        );
      }
    }
  }

  /** Of verified blocks, with the entries that were read beside them. */
  compare(due: readonly Due[], entries: readonly StoredEntry[], foundBy: FoundBy, changedAt?: string): void {
    const { entryOf, isWhole, makeAnew, note, nodeId } = this.parts;
    if (!isWhole()) return;
    const stored = new Map(entries.map((entry) => [entry.height, entry]));
    let differing = 0;
    for (const { block, events, index } of due) {
      const at = block.header.height;
      const entry = entryOf(events, index);
      if (entry === null || !isOther(stored.get(at), { block, entry })) continue;
      const isMissing = !stored.has(at);
      note({
        kind: "index_differs",
        foundBy,
        heights: [at, at],
        sequences: [[block.header.firstSequence, block.header.treeSize - 1]],
        ...(changedAt === undefined ? {} : { changedAt }),
        detail: `the index entry of block ${at} of ${nodeId} is ${isMissing ? "missing" : "not what the block gives"}; it is made anew`,
      });
      differing += 1;
      if (differing <= SINGLE_MAX) makeAnew(at);
      else return this.parts.makeAllAnew();
    }
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

function runsOf(heights: readonly Height[]): Range[] {
  const runs: [number, number][] = [];
  for (const at of heights) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === at - 1) run[1] = at;
    else runs.push([at, at]);
  }
  return runs;
}
