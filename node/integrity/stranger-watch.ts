import type { Height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { type Clock, sleep } from "../clock.js";
import type { FoundBlock, IntegrityStore, Stranger } from "../storage/integrity-port.js";
import type { IncidentFinding } from "./incident-record.js";
import { isWhole } from "./inspector.js";
import type { Keeping } from "./keeping.js";

const EVERY_MS = 2_000;

export interface StrangerWatchParts {
  readonly nodeId: string;
  readonly store: Pick<IntegrityStore, "strangers">;
  readonly keeping: Pick<Keeping, "plantedAt" | "forget">;
  readonly clock: Clock;
  readonly note: (finding: IncidentFinding) => void;
  /** Sealed by a member: an insert that was given up may have arrived. null while no member is known. */
  readonly isSealed: (block: FoundBlock) => boolean | null;
  /** The block that this node has in memory at a height, durable or not. */
  readonly held: (at: Height) => Block | undefined;
  /** null while the store is being recovered. */
  readonly durableHeight: () => Height | null;
}

/**
 * Looks for documents that were put where no block is. An insert is not watched: it would wake this process for every block.
 * What is above the log's end twice, and still then, is no block on its way.
 */
export class StrangerWatch {
  private isStopped = false;
  private seen = new Set<string>();
  private readonly told = new Set<string>();

  constructor(private readonly parts: StrangerWatchParts) {}

  start(): void {
    void this.run();
  }

  /** What was taken out is told of again if it comes back. */
  forget(): void {
    this.told.clear();
    this.parts.keeping.forget();
  }

  stop(): void {
    this.isStopped = true;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      await sleep(this.parts.clock, EVERY_MS);
      try {
        if (!this.isStopped) await this.look();
      } catch {
        // A store that does not answer is told of elsewhere.
      }
    }
  }

  /** One look; public for its test. */
  async look(): Promise<void> {
    const { store, durableHeight, note, nodeId, keeping } = this.parts;
    const before = durableHeight();
    if (before === null) return;
    const found = await store.strangers(before);
    const durable = durableHeight();
    // Opened again meanwhile: what is above may be its own.
    if (durable === null) return;
    const above = found.filter(({ block }) => block === null || (block.at > durable && !this.mayStand(block)));
    for (const { id, rawId, block } of above) {
      if (!this.seen.has(id) || this.told.has(id)) continue;
      this.told.add(id);
      const place = block === null ? {} : { heights: [block.at, block.at] as const };
      const isEntry = typeof rawId === "number" && rawId < 0;
      const what =
        block === null && !isEntry
          ? "which no block can have"
          : `${isEntry ? "beyond" : "above"} the log's end at ${durable}`;
      note({
        kind: "forged",
        foundBy: "watch",
        ...place,
        evidence: await keeping.plantedAt(rawId, id),
        detail: `a document stands among the ${isEntry ? "index entries" : "blocks"} of ${nodeId} with the id ${id}, ${what}`,
      });
    }
    this.seen = new Set(above.map(({ id }: Stranger) => id));
  }

  /** The very block that is being stored, for however long; or a member's. Where nobody is known to count nobody can say. */
  private mayStand(found: FoundBlock): boolean {
    const { height } = found.block.header;
    if (height !== found.at) return false;
    if (this.parts.isSealed(found) !== false) return true;
    const held = this.parts.held(height);
    return held !== undefined && isWhole(found, held.blockHash);
  }
}
