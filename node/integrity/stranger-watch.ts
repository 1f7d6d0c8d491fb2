import type { Height } from "../../shared/ids.js";
import { type Clock, delay } from "../clock.js";
import type { FoundBlock, IntegrityStore, Stranger } from "../storage/integrity-port.js";
import type { IncidentFinding } from "./incident-record.js";

const EVERY_MS = 2_000;

export interface StrangerWatchParts {
  readonly nodeId: string;
  readonly store: Pick<IntegrityStore, "strangers">;
  readonly clock: Clock;
  readonly note: (finding: IncidentFinding) => void;
  /** Sealed by a member: an insert that was given up may have arrived. */
  readonly isSealed: (block: FoundBlock) => boolean;
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
  }

  stop(): void {
    this.isStopped = true;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      await delay(this.parts.clock, EVERY_MS);
      try {
        if (!this.isStopped) await this.look();
      } catch {
        // A store that does not answer is told of elsewhere.
      }
    }
  }

  /** One look; public for its test. */
  async look(): Promise<void> {
    const { store, durableHeight, note, nodeId, isSealed } = this.parts;
    const before = durableHeight();
    if (before === null) return;
    const found = await store.strangers(before);
    const durable = durableHeight();
    // Opened again meanwhile: what is above may be its own.
    if (durable === null) return;
    const above = found.filter(
      ({ block }) =>
        block === null || (block.at > durable && !(block.block.header.height === block.at && isSealed(block))),
    );
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
        detail: `a document stands among the ${isEntry ? "index entries" : "blocks"} of ${nodeId} with the id ${id}, ${what}`,
      });
    }
    this.seen = new Set(above.map(({ id }: Stranger) => id));
  }
}
