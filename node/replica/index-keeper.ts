import { type Height, height } from "../../shared/ids.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import { blockIndex, ownRun } from "../../shared/log/index.js";
import type { Clock } from "../clock.js";
import type { IndexEntry, IndexStanding, LogReader, LogStore } from "../storage/port.js";
import type { ProvedBlocks } from "./proved-blocks.js";

const CHUNK_BLOCKS = 32;
const NOTE_EVERY_MS = 5_000;
const RETRY_MS = 1_000;

export interface IndexKeeperParts {
  readonly store: Pick<LogStore, "beginIndexWork" | "putEntries" | "endIndexWork">;
  readonly reader: Pick<LogReader, "readHeaders">;
  readonly blocks: Pick<ProvedBlocks, "read">;
  readonly clock: Clock;
  /** Payload paths that are to be indexed. */
  readonly paths: readonly string[];
  /** Writes of the state are the storage operations' to order. */
  readonly inOrder: (operation: () => Promise<void>) => Promise<void>;
  readonly heights: () => { readonly committed: Height; readonly durable: Height };
  readonly onWhole: () => void;
  readonly onLost: () => void;
  /** Entries were found that differed from their blocks; they are in quarantine, and made anew. */
  readonly onDiffering: (heights: readonly Height[]) => void;
  readonly log: (level: "info" | "warn", text: string, error?: unknown) => void;
}

/**
 * Keeps the index whole: makes it anew from the proved log when it was lost, and adds the terms of new payload paths.
 * While it is not whole nothing is called absent.
 */
export class IndexKeeper {
  private standing: IndexStanding | null = null;
  private done = { through: 0, of: 0 };
  /** Counts works: an earlier one ends when another replica, or a stop, has come. */
  private work = 0;

  constructor(private readonly parts: IndexKeeperParts) {}

  get isWhole(): boolean {
    return this.standing !== null;
  }
  /** Payload paths that can be asked for. */
  get indexedPaths(): readonly string[] {
    const { paths } = this.parts;
    return this.standing === null ? [] : this.standing.paths.filter((path) => paths.includes(path));
  }
  get progress(): { readonly through: number; readonly of: number } {
    return this.done;
  }

  /** The entry of a block: null for one without events. */
  entryOf(events: readonly LoggedEvent[], index = blockIndex(events)): IndexEntry | null {
    return events.length === 0 ? null : { index, own: ownRun(events, this.parts.paths) };
  }

  /** A store was opened, and its replica runs. */
  begin(standing: IndexStanding | null): void {
    const work = ++this.work;
    this.standing = standing;
    if (standing === null) {
      this.parts.onLost();
      void this.run(work, "the index is not whole: it is made anew from the log");
    } else {
      this.parts.onWhole();
      const missing = this.parts.paths.filter((path) => !standing.paths.includes(path));
      const isGone = standing.paths.some((path) => !this.parts.paths.includes(path));
      if (missing.length > 0) void this.run(work, `the terms of ${missing.join(", ")} are added to the index`);
      // A path that is indexed no longer has terms up to now only: it must not pass for whole later.
      else if (isGone)
        void this.parts
          .inOrder(() => this.parts.store.endIndexWork({ paths: this.parts.paths }))
          .catch(() => undefined);
    }
  }

  /** It was lost under this process. */
  lost(): void {
    if (this.standing === null) return;
    this.standing = null;
    this.parts.onLost();
    void this.run(++this.work, "the index was lost: it is made anew from the log");
  }

  /** One entry is not what its block gives. */
  differs(at: Height): void {
    if (this.standing === null) return;
    void this.repair(this.work, at);
  }

  stop(): void {
    this.work += 1;
  }

  private async repair(work: number, at: Height): Promise<void> {
    try {
      await this.parts.inOrder(() => this.parts.store.beginIndexWork({ from: at, through: at }, false));
      await this.putChunk([at]);
      if (work === this.work && this.standing !== null) {
        const { standing } = this;
        await this.parts.inOrder(() => this.parts.store.endIndexWork(standing));
      }
    } catch (error) {
      this.parts.log("warn", `the index entry of block ${at} could not be made anew`, error);
    }
  }

  private async run(work: number, text: string): Promise<void> {
    this.parts.log(this.standing === null ? "warn" : "info", text);
    for (;;) {
      try {
        await this.makeAnew(work);
        return;
      } catch (error) {
        if (work !== this.work) return;
        this.parts.log("warn", "the index could not be made anew: trying again", error);
      }
      await new Promise<void>((resolve) => this.parts.clock.after(RETRY_MS, resolve));
      if (work !== this.work) return;
    }
  }

  private async makeAnew(work: number): Promise<void> {
    const { store, clock, heights, inOrder } = this.parts;
    // Blocks that are stored from now on bring their entries with them.
    const through = heights().durable;
    this.done = { through: 0, of: through };
    const isLost = this.standing === null;
    await inOrder(() => store.beginIndexWork({ from: height(1), through }, isLost));
    let saidAt = clock.now();
    for (let from = 1; from <= through; ) {
      if (work !== this.work) return;
      // What is not committed yet may be replaced; once it is committed it is made anew like the rest.
      const to = Math.min(from + CHUNK_BLOCKS - 1, through, heights().committed);
      if (to < from) {
        await new Promise<void>((resolve) => clock.after(10, resolve));
        continue;
      }
      await this.putRange(height(from), height(to));
      from = to + 1;
      this.done = { through: to, of: through };
      if (clock.now() - saidAt >= NOTE_EVERY_MS) {
        saidAt = clock.now();
        this.parts.log("info", `the index is made anew: ${to} of ${through} blocks are done`);
      }
      await clock.breathe();
    }
    if (work !== this.work) return;
    const standing = { paths: this.parts.paths };
    await inOrder(() => store.endIndexWork(standing));
    if (work !== this.work) return;
    this.standing = standing;
    this.parts.log("info", `the index is whole: ${through} blocks`);
    this.parts.onWhole();
  }

  private async putRange(from: Height, to: Height): Promise<void> {
    const headers = await this.parts.reader.readHeaders(from, to);
    await this.putChunk(headers.filter(({ header }) => header.eventCount > 0).map(({ header }) => header.height));
  }

  private async putChunk(heights: readonly Height[]): Promise<void> {
    for (let at = 0; at < heights.length; ) {
      const blocks = await this.parts.blocks.read(heights.slice(at));
      const entries = blocks.flatMap((block) => {
        const entry = this.entryOf(block.events.all());
        return entry === null ? [] : [{ block, entry }];
      });
      const { differing } = await this.parts.store.putEntries(entries);
      if (differing.length > 0 && this.standing !== null) this.parts.onDiffering(differing);
      at += blocks.length;
    }
  }
}
