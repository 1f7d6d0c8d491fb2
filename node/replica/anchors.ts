import { fromHex, toHex } from "../../shared/bytes.js";
import { ZERO_HASH } from "../../shared/hash.js";
import { type HashHex, type Height, height } from "../../shared/ids.js";
import { type Block, type BlockHeader, hashHeader } from "../../shared/log/block.js";
import type { ChainState } from "../../shared/log/chain.js";
import { type LogReader, type LogStore, StoreError } from "../storage/port.js";
import { SharedRuns } from "./shared-runs.js";

const NOTE_BYTES = 64;
/** Pages in memory; one of 256 heights is 16 KiB. */
const PAGES_MAX = 64;
/** Places where walks ended that are remembered. */
const BREAKS_MAX = 64;
/** So many pages that were made anew go into one write, and who makes them waits beyond twice as many. */
const PAGES_AT_ONCE = 32;

export interface AnchorMemory {
  /** Heights of one page: another number makes other pages. */
  readonly pageHeights: number;
  /** Heights that are noted in memory though their page is written. */
  readonly notesMax: number;
}
export const ANCHOR_MEMORY: AnchorMemory = { pageHeights: 256, notesMax: 16 * 256 };

/** A walk came to a header that is not what the next one names. */
interface Break {
  readonly at: Height;
  readonly expected: HashHex;
  readonly fault: string;
  /** Which page was walked; the header may be the lowest of the one above. */
  readonly page: number;
  /** Notes of the heights of that page above it. */
  readonly bytes: Uint8Array;
  /** Down to this page nothing can be walked before it is put back. */
  lowest: number;
}

/** What is noted of a committed block: its hash, and the hash of the newest event up to and with it. */
export interface Note {
  readonly blockHash: HashHex;
  readonly headHash: HashHex | "";
}

/** What is noted of a height, and what its block follows. */
interface NotedProof {
  readonly blockHash: HashHex;
  readonly previousBlockHash: HashHex;
  /** Of the newest event below it. */
  readonly previousHash: HashHex | "";
}

const proofBy = ({ blockHash }: Note, before: Note): NotedProof => ({
  blockHash,
  previousBlockHash: before.blockHash,
  previousHash: before.headHash,
});

/** A stored block is not the one that was committed at its height. */
export class AlteredBlock extends Error {
  constructor(
    readonly height: Height,
    readonly fault: string,
  ) {
    super(`Stored block ${height} is not what was committed: ${fault}`);
    this.name = "AlteredBlock";
  }
}

/** What a block is that is not there, or another one: altered, or above what the store must hold. */
export function alteredAt(at: number, fault: string, heldThrough: Height): AlteredBlock | StoreError {
  if (at <= heldThrough) return new AlteredBlock(height(at), fault);
  return new StoreError("unknown", `Block ${at} cannot be read while the log is recovered: ${fault}.`);
}

export function hasHash(header: BlockHeader, blockHash: HashHex): boolean {
  try {
    return hashHeader(header) === blockHash;
  } catch {
    // What JSON cannot carry is no header.
    return false;
  }
}

/**
 * Which block was committed at each height. The newest are in memory, added as they are committed; older ones stand in
 * pages that only this node can have written. Where a page is missing its headers are walked from the notes above it:
 * each header names the hash of the one before. A signature proves no more than that a block was proposed.
 */
export class Anchors {
  /** Notes of the heights from `recentFrom` on, without a gap. */
  private recent: Note[] = [];
  private recentFrom = 0;
  private readonly pages = new Map<number, Uint8Array>();
  private readonly loading = new SharedRuns<number, Uint8Array>();
  private writtenThrough = -1;
  private isWriting = false;
  /** Pages that were made anew from headers. */
  private readonly unwritten = new Map<number, Uint8Array>();
  private writing: Promise<void> | null = null;
  private breaks: Break[] = [];
  private loads = 0;
  /** A write has failed; until something is committed again none is tried. */
  private isRefused = false;
  private clusterId: HashHex = "";
  private readonly pageHeights: number;
  private readonly notesMax: number;

  constructor(
    private readonly parts: {
      readonly store: Pick<LogStore, "readAnchors" | "writeAnchors">;
      readonly reader: Pick<LogReader, "readHeaders">;
      readonly memory?: AnchorMemory;
      /** Up to here the store must hold what was committed; above it may have lost it, or be read anew just now. */
      readonly heldThrough: () => Height;
      /** Writes are the storage operations' to order. */
      readonly inOrder: (write: () => Promise<void>) => Promise<void>;
      readonly onWarning: (error: unknown, text: string) => void;
    },
  ) {
    const { pageHeights, notesMax } = parts.memory ?? ANCHOR_MEMORY;
    this.pageHeights = pageHeights;
    this.notesMax = notesMax;
  }

  /** Notes a committed block, verified as the next one. After a recovery they come again, and are what they were. */
  add(header: BlockHeader, blockHash: HashHex, clusterId: HashHex): void {
    this.clusterId = clusterId;
    this.isRefused = false;
    this.note(header.height, { blockHash, headHash: header.headHash });
    if (header.height % this.pageHeights === this.pageHeights - 1) void this.writePages();
  }

  /** The newest committed block that a recovery knows, where it verified none above. */
  begin(base: Pick<ChainState, "clusterId" | "height" | "blockHash" | "headHash">): void {
    const { height: at, blockHash, headHash } = base;
    this.clusterId = base.clusterId as HashHex;
    if (at > 0) this.note(at, { blockHash, headHash });
  }

  /**
   * For a recovery that begins at a block: which one stands at a height below it, in the log with this genesis. Throws
   * AlteredBlock where none does. What is noted in memory stays as it is, and nothing is written.
   */
  below({ header, blockHash }: Block): (at: Height, clusterId: HashHex) => Promise<HashHex> {
    const noWrites = { heldThrough: () => header.height, inOrder: async () => undefined };
    const walked = new Anchors({ ...this.parts, ...noWrites });
    return async (at, clusterId) => {
      walked.begin({ ...header, blockHash, clusterId });
      return (this.proofAtHand(at) ?? (await walked.proofOf(at))).blockHash;
    };
  }

  /** The hash of the genesis, which names the log; empty before anything is noted. */
  get genesis(): HashHex | "" {
    return this.clusterId;
  }

  /** The newest block of which something is noted. */
  get newest(): Height {
    return height(Math.max(0, this.recentFrom + this.recent.length - 1));
  }

  private note(at: Height, note: Note): void {
    const next = this.recentFrom + this.recent.length;
    if (this.recent.length > 0 && at < next) return;
    if (at !== next) {
      this.recent = [];
      this.recentFrom = at;
    }
    this.recent.push(note);
  }

  /** The notes of a height and of the one below it. Throws AlteredBlock where the headers do not lead there. */
  async proofOf(at: Height): Promise<NotedProof> {
    const own = this.inMemory(at) ?? (await this.noted(at));
    const before = this.inMemory(at - 1) ?? (await this.noted(height(at - 1)));
    return proofBy(own, before);
  }

  /** As `proofOf`, where nothing has to be read for it. */
  proofAtHand(at: Height): NotedProof | null {
    const own = this.inMemory(at);
    const before = this.inMemory(at - 1);
    return own === null || before === null ? null : proofBy(own, before);
  }

  private inMemory(at: number): Note | null {
    if (at === 0) return { blockHash: ZERO_HASH, headHash: "" };
    const recent = this.recent[at - this.recentFrom];
    if (recent !== undefined) return recent;
    const number = this.pageOf(at);
    const page = this.pages.get(number) ?? this.unwritten.get(number);
    return page === undefined ? null : this.noteIn(page, at);
  }

  private async noted(at: Height): Promise<Note> {
    const known = this.inMemory(at);
    if (known !== null) return known;
    if (at >= this.recentFrom + this.recent.length)
      throw new StoreError("unknown", `This node does not know yet that block ${at} is committed.`);
    const page = this.pageOf(at);
    const above = await this.aboveBreak(page, at);
    if (above !== null) return above;
    const note = this.noteIn(await this.loading.run(page, () => this.load(page)), at);
    if (note === null) throw new StoreError("unknown", `Nothing is noted of block ${at}.`);
    return note;
  }

  /**
   * Where a walk ended before, what it came to is known, and it does not begin again for each height: whether the block was
   * put back is one header to read. null: nothing is known to be in the way.
   */
  private async aboveBreak(page: number, at: Height): Promise<Note | null> {
    const found = this.breakOf(page);
    if (found === undefined) return null;
    const note = page === found.page && at > found.at ? this.noteIn(found.bytes, at) : null;
    if (note !== null) return note;
    const held = this.parts.heldThrough();
    const [stored] = await this.parts.reader.readHeaders(found.at, found.at);
    if (stored === undefined || !hasHash(stored.header, found.expected)) throw this.fault(found, held);
    this.breaks = this.breaks.filter((one) => one !== found);
    return null;
  }

  /** A store that was lost since `held` was asked for holds less by right. */
  private fault({ at, fault }: Break, held: Height): AlteredBlock | StoreError {
    return alteredAt(at, fault, height(Math.min(held, this.parts.heldThrough())));
  }

  private breakOf(page: number): Break | undefined {
    return this.breaks.find(({ lowest, page: highest }) => lowest <= page && page <= highest);
  }

  private async load(page: number): Promise<Uint8Array> {
    this.loads += 1;
    try {
      return await this.loadOne(page);
    } finally {
      this.loads -= 1;
      if (this.isWriteDue) this.writing ??= this.writeAnew();
    }
  }

  private async loadOne(page: number): Promise<Uint8Array> {
    const written = await this.parts.store.readAnchors(page, this.clusterId);
    const bytes = written ?? (await this.walk(page));
    if (this.pages.size >= PAGES_MAX) this.pages.delete(this.pages.keys().next().value as number);
    this.pages.set(page, bytes);
    const isWhole = this.noteIn(bytes, (page + 1) * this.pageHeights - 1) !== null;
    if (written === null && isWhole && !this.isRefused) {
      this.unwritten.set(page, bytes);
      if (this.unwritten.size >= 2 * PAGES_AT_ONCE) await this.writing;
    }
    return bytes;
  }

  /** A walk leads through many pages: as many as one write takes are written together, and those that are left at its end. */
  private get isWriteDue(): boolean {
    const { size } = this.unwritten;
    return size >= PAGES_AT_ONCE || (size > 0 && this.loads === 0);
  }

  /** One write after the other: a log without any page has thousands, and other writes come between. */
  private async writeAnew(): Promise<void> {
    try {
      while (this.isWriteDue) {
        const due = new Map([...this.unwritten].slice(0, PAGES_AT_ONCE));
        await this.write(due);
        for (const page of due.keys()) this.unwritten.delete(page);
      }
    } catch (error) {
      this.isRefused = true;
      this.unwritten.clear();
      this.parts.onWarning(error, UNWRITTEN);
    } finally {
      this.writing = null;
    }
  }

  /**
   * Makes a page anew from the stored headers, down from the lowest height above it whose hash is known. One that is not
   * whole yet has nothing noted of its upper heights.
   */
  private async walk(page: number): Promise<Uint8Array> {
    const end = (page + 1) * this.pageHeights;
    const from = Math.max(1, page * this.pageHeights);
    const top = height(Math.min(end, this.recentFrom));
    const held = this.parts.heldThrough();
    const bytes = new Uint8Array(this.pageHeights * NOTE_BYTES);
    for (let at = top + 1; at < end; at++) {
      const note = this.recent[at - this.recentFrom];
      if (note !== undefined) this.writeNote(bytes, at, note);
    }
    let expected = await this.hashAbove(page, top);
    // By what stands at each height: one that is missing moves no other.
    const headers = new Map(
      (await this.parts.reader.readHeaders(height(from), top)).map(({ header }) => [header.height, header]),
    );
    for (let at = top; at >= from; at = height(at - 1)) {
      const header = headers.get(at);
      if (header === undefined || !hasHash(header, expected)) {
        const fault = header === undefined ? "it is missing" : "its header is not the one that the next block names";
        const found = { at, expected, fault, page, bytes, lowest: page };
        const error = this.fault(found, held);
        if (error instanceof AlteredBlock) this.onBreak(found);
        throw error;
      }
      if (at < end) this.writeNote(bytes, at, { blockHash: expected, headHash: header.headHash });
      expected = header.previousBlockHash;
    }
    return bytes;
  }

  /** What is in the way of the page above is in the way of this one too. */
  private async hashAbove(page: number, top: Height): Promise<HashHex> {
    try {
      return (await this.noted(top)).blockHash;
    } catch (error) {
      const found = this.breakOf(this.pageOf(top));
      if (found !== undefined) found.lowest = Math.min(found.lowest, page);
      throw error;
    }
  }

  private onBreak(found: Break): void {
    this.breaks = [...this.breaks.slice(1 - BREAKS_MAX), found];
  }

  /** Pages all of whose heights are noted in memory are written, and then forgotten there. */
  private async writePages(): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    try {
      for (;;) {
        const page = Math.max(this.writtenThrough + 1, this.firstWholePage());
        const end = (page + 1) * this.pageHeights;
        if (this.recentFrom + this.recent.length < end) break;
        const bytes = new Uint8Array(this.pageHeights * NOTE_BYTES);
        for (let at = Math.max(1, page * this.pageHeights); at < end; at++)
          this.writeNote(bytes, at, this.recent[at - this.recentFrom] as Note);
        await this.write(new Map([[page, bytes]]));
        this.writtenThrough = page;
        this.forget(end);
      }
    } catch (error) {
      this.parts.onWarning(error, UNWRITTEN);
    } finally {
      this.isWriting = false;
    }
  }

  /** The lowest page of which nothing lies below what is noted in memory; height 0 is nobody's. */
  private firstWholePage(): number {
    return this.recentFrom <= 1 ? 0 : Math.ceil(this.recentFrom / this.pageHeights);
  }

  private write(pages: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const { store, inOrder } = this.parts;
    return inOrder(() => store.writeAnchors(this.clusterId, pages));
  }

  private forget(written: number): void {
    const drop = Math.min(written - 1 - this.recentFrom, this.recent.length - this.notesMax);
    if (drop <= 0) return;
    this.recent.splice(0, drop);
    this.recentFrom += drop;
  }

  private pageOf(at: number): number {
    return Math.floor(at / this.pageHeights);
  }

  /** null: nothing is noted there. */
  private noteIn(page: Uint8Array, at: number): Note | null {
    const start = (at % this.pageHeights) * NOTE_BYTES;
    const blockHash = toHex(page.subarray(start, start + 32));
    if (blockHash === ZERO_HASH) return null;
    const headHash = toHex(page.subarray(start + 32, start + NOTE_BYTES));
    // No event has this hash; it stands for "none yet".
    return { blockHash, headHash: headHash === ZERO_HASH ? "" : headHash };
  }

  private writeNote(page: Uint8Array, at: number, note: Note): void {
    const start = (at % this.pageHeights) * NOTE_BYTES;
    page.set(fromHex(note.blockHash), start);
    if (note.headHash !== "") page.set(fromHex(note.headHash), start + 32);
  }
}

const UNWRITTEN = "a page of anchors could not be written: its headers are walked instead, and it is tried again";
