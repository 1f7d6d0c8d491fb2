import { type Height, height } from "../../shared/ids.js";
import type { ReadEvent } from "../../shared/log/event.js";
import { type BlockIndex, blockIndex, type ownRun } from "../../shared/log/index.js";
import type { Clock } from "../clock.js";
import {
  type IndexEntry,
  type IndexStanding,
  LEFT_BEHIND_BLOCKS,
  type LogStore,
  type PutOptions,
  StoreError,
} from "../storage/port.js";
import { lacksOwn } from "./compare-entries.js";
import type { ProvedBlocks } from "./proved-blocks.js";

const CHUNK_BLOCKS = 32;
const NOTE_EVERY_MS = 5_000;
const RETRY_MS = 1_000;
const COMMIT_WAIT_MS = 10;

export interface IndexKeeperParts {
  readonly store: Pick<LogStore, "beginIndexWork" | "putEntries" | "endIndexWork">;
  readonly blocks: Pick<ProvedBlocks, "read">;
  readonly clock: Clock;
  /** Payload paths that are to be indexed. */
  readonly paths: readonly string[];
  readonly ownRun: typeof ownRun;
  /** Writes of the state are the storage operations' to order. */
  readonly inOrder: (operation: () => Promise<void>) => Promise<void>;
  readonly heights: () => { readonly committed: Height; readonly durable: Height };
  readonly onWhole: () => void;
  readonly onLost: () => void;
  /** What the index says of itself was taken away, or changed by somebody else. */
  readonly onTaken: () => void;
  /** Entries were found that differed from their blocks; they are in quarantine, and made anew. */
  readonly onDiffering: NonNullable<PutOptions["onDiffering"]>;
  /** Told before of keys whose entries are made: the ones that stood there may not have had them. */
  readonly onKeys: (terms: readonly Uint8Array[]) => void;
  readonly log: (level: "info" | "warn", text: string, error?: unknown) => void;
}

/**
 * Keeps the index whole: makes it anew from the proved log when it was lost, and adds the terms of new payload paths.
 * While it is not whole nothing is called absent.
 */
export class IndexKeeper {
  private standing: IndexStanding | null = null;
  private done = { through: 0, of: 0 };
  /** Counts openings and losses: a work that was begun before ends. */
  private work = 0;
  /** The store does one work at a time. */
  private turns: Promise<void> = Promise.resolve();
  private readonly repairing = new Set<Height>();
  /** Paths that are not to be indexed any more, while the index still says that it has them. */
  private leftPaths: readonly string[] = [];
  /** Counts what was found or mended in it: what was read of entries before may be wrong. */
  private mends = 0;
  /** Up to this height all entries were there: one that is missing is told of. */
  private noneMissingThrough = 0;
  /** Of the paths of now all entries had the terms. */
  private hadOwn = false;
  /** It was lost, and may not say so itself yet. */
  private isUnsaid = false;

  private readBlocks: ProvedBlocks["read"];

  constructor(private readonly parts: IndexKeeperParts) {
    this.readBlocks = (heights) => parts.blocks.read(heights);
  }

  /** By what has blocks of other nodes as well, proved like its own. */
  readWith(read: ProvedBlocks["read"]): void {
    this.readBlocks = read;
  }

  get isWhole(): boolean {
    return this.standing !== null;
  }
  /** Payload paths that can be asked for. */
  get indexedPaths(): readonly string[] {
    const { paths } = this.parts;
    return this.standing === null ? [] : this.standing.paths.filter((path) => paths.includes(path));
  }
  /** Another one: what was counted by it before, or in between, is not to be believed any more. */
  get version(): number {
    return this.mends;
  }
  get progress(): { readonly through: number; readonly of: number } {
    return this.done;
  }

  /** The entry of a block: null for one without events. It has the terms of all paths that the index says it has. */
  entryOf(
    events: readonly ReadEvent[],
    index?: BlockIndex,
    paths: readonly string[] = this.entryPaths,
  ): IndexEntry | null {
    return events.length === 0 ? null : { index: index ?? blockIndex(events), own: this.parts.ownRun(events, paths) };
  }
  private get entryPaths(): readonly string[] {
    return [...this.parts.paths, ...this.leftPaths];
  }

  /** A store was opened, and its replica is there; before anything is given to the store. */
  begin(standing: IndexStanding | null): void {
    this.work += 1;
    // An opening makes entries anew.
    this.mends += 1;
    this.standing = this.isUnsaid ? null : standing;
    const { paths, heights } = this.parts;
    // The opening has taken entries away that crashes left beside the newest blocks.
    const settled = heights().durable - LEFT_BEHIND_BLOCKS;
    this.noneMissingThrough = standing === null ? Math.min(this.noneMissingThrough, settled) : settled;
    if (standing !== null) this.hadOwn = hasAll(standing, paths);
    this.leftPaths = standing === null ? [] : standing.paths.filter((path) => !paths.includes(path));
    if (standing === null || this.isUnsaid) {
      this.parts.onLost();
      this.makeAnew("the index is not whole: it is made anew from the log");
      return;
    }
    this.parts.onWhole();
    const missing = paths.filter((path) => !standing.paths.includes(path));
    if (missing.length > 0) this.makeAnew(`the terms of ${missing.join(", ")} are added to the index`);
    else if (this.leftPaths.length > 0)
      this.inTurn("the index could not be told which paths are left out", () => this.leavePathsOut(paths));
  }

  /** It was lost under this process: all entries were there, and those that are not any more are told of. */
  lost(): void {
    if (this.standing === null) return;
    this.standing = null;
    this.isUnsaid = true;
    this.noneMissingThrough = Number.MAX_SAFE_INTEGER;
    this.work += 1;
    this.parts.onLost();
    this.makeAnew("the index was lost: it is made anew from the log");
  }

  private onTaken(wasWhole: boolean): void {
    if (wasWhole) this.noneMissingThrough = Number.MAX_SAFE_INTEGER;
    this.parts.onTaken();
  }

  /** One entry is not what its block gives. */
  differs(at: Height): void {
    if (this.standing === null || this.repairing.has(at)) return;
    this.repairing.add(at);
    this.inTurn(`the index entry of block ${at} could not be made anew`, async (isOver) => {
      this.repairing.delete(at);
      const { standing } = this;
      if (standing === null || isOver()) return;
      await this.parts.inOrder(() => this.parts.store.beginIndexWork({ from: at, through: at }, false));
      await this.putChunk([at], { ownMayDiffer: false });
      if (!isOver()) await this.parts.inOrder(() => this.parts.store.endIndexWork(standing));
    });
  }

  stop(): void {
    this.work += 1;
  }

  private inTurn(failure: string, run: (isOver: () => boolean) => Promise<void>): void {
    const { work } = this;
    const isOver = (): boolean => work !== this.work;
    this.turns = this.turns
      .then(() => run(isOver))
      .catch((error) => {
        if (isOver()) return;
        this.parts.log("warn", failure, error);
        if (isLoss(error)) this.lost();
      })
      // Where it failed, some entries may have been made anew all the same.
      .finally(() => {
        this.mends += 1;
      });
  }

  /** Until the index says so itself, new entries have the terms of all its paths: whoever names one again must find it whole. */
  private async leavePathsOut(paths: readonly string[]): Promise<void> {
    const { inOrder, store } = this.parts;
    await inOrder(async () => {
      await store.beginIndexWork({ from: height(1), through: height(1) }, false);
      await store.endIndexWork({ paths });
      this.leftPaths = [];
      if (this.standing !== null) this.standing = { paths };
    });
  }

  private makeAnew(text: string): void {
    this.parts.log(this.standing === null ? "warn" : "info", text);
    this.inTurn("the index could not be made anew", async (isOver) => {
      while (!isOver()) {
        try {
          return await this.makeOnce(isOver);
        } catch (error) {
          if (isOver()) return;
          // What is not there cannot be added to: the store has told, where nobody else may for long.
          if (this.standing !== null && isLoss(error)) throw error;
          await this.beforeAnother(error);
        }
      }
    });
  }

  private async beforeAnother(error: unknown): Promise<void> {
    this.parts.log("warn", "the index could not be made anew: trying again", error);
    await new Promise<void>((resolve) => this.parts.clock.after(RETRY_MS, resolve));
  }

  private async makeOnce(isOver: () => boolean): Promise<void> {
    const { store, clock, heights, inOrder } = this.parts;
    const isLost = this.standing === null;
    let through = 0;
    await inOrder(() => {
      // All that was given to the store before is stored: an entry of it may be lost. What is stored later brings its own.
      through = heights().durable;
      const due = { from: height(1), through: height(through) };
      return store.beginIndexWork(due, isLost, (wasWhole) => this.onTaken(wasWhole));
    });
    if (isLost) this.isUnsaid = false;
    this.done = { through: 0, of: through };
    let saidAt = clock.now();
    for (let from = 1; from <= through; ) {
      if (isOver()) return;
      // What is not committed yet may be replaced; once it is committed it is made anew like the rest.
      const to = Math.min(from + CHUNK_BLOCKS - 1, through, heights().committed);
      if (to < from) {
        // What was truncated is nobody's any more: what comes in its place brings its own.
        through = Math.min(through, heights().durable);
        this.done = { through: from - 1, of: through };
        await new Promise<void>((resolve) => clock.after(COMMIT_WAIT_MS, resolve));
        continue;
      }
      // Also those without events: that a block has none is the proved header's to say, and that it is there.
      const due = Array.from({ length: to - from + 1 }, (_, i) => height(from + i));
      // Terms of paths that were not indexed before are no alteration.
      const own = { ownMayDiffer: true, ...(isLost && this.hadOwn ? { isOwnOther: lacksOwn } : {}) };
      await this.putChunk(due, { ...own, noneMissingThrough: this.noneMissingThrough }, isOver);
      from = to + 1;
      this.done = { through: to, of: through };
      if (clock.now() - saidAt >= NOTE_EVERY_MS) {
        saidAt = clock.now();
        this.parts.log("info", `the index is made anew: ${to} of ${through} blocks are done`);
      }
      await clock.breathe();
    }
    if (isOver()) return;
    const standing = { paths: this.parts.paths };
    await inOrder(async () => {
      await store.endIndexWork(standing);
      this.leftPaths = [];
    });
    if (isOver()) return;
    this.standing = standing;
    this.noneMissingThrough = Number.MAX_SAFE_INTEGER;
    this.hadOwn = true;
    this.parts.log("info", `the index is whole: ${through} blocks`);
    this.parts.onWhole();
  }

  /** With `isOver` it waits at a block that cannot be read, until then: it may be long before somebody repairs it. */
  private async putChunk(
    heights: readonly Height[],
    options: Omit<PutOptions, "onDiffering">,
    isOver: () => boolean = () => true,
  ): Promise<void> {
    for (let at = 0; at < heights.length; )
      try {
        at += await this.putSome(heights.slice(at), options);
      } catch (error) {
        const isFinal = (): boolean => isOver() || isLoss(error);
        if (!isFinal()) await this.beforeAnother(error);
        if (isFinal()) throw error;
      }
  }

  /** As many as one read brings. */
  private async putSome(heights: readonly Height[], options: Omit<PutOptions, "onDiffering">): Promise<number> {
    const { onDiffering, onKeys, store } = this.parts;
    const blocks = await this.readBlocks(heights);
    // One without events has no entry, though the one of an insert that was given up may have arrived there late.
    const entries = blocks.map((block) => ({ block, entry: this.entryOf(block.events.all()) }));
    for (const { entry } of entries) if (entry !== null) onKeys(entry.index.keys.terms);
    const { differing } = await store.putEntries(entries, { ...options, onDiffering });
    if (differing.length > 0) this.mends += 1;
    return blocks.length;
  }
}

const hasAll = (standing: IndexStanding, paths: readonly string[]): boolean =>
  paths.every((path) => standing.paths.includes(path));
const isLoss = (error: unknown): boolean => error instanceof StoreError && error.failure === "index_lost";
