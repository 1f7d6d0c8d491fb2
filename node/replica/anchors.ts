import { fromHex, toHex } from "../../shared/bytes.js";
import { ZERO_HASH } from "../../shared/hash.js";
import { type HashHex, type Height, height } from "../../shared/ids.js";
import { type BlockHeader, hashHeader } from "../../shared/log/block.js";
import type { LogReader, LogStore } from "../storage/port.js";
import { SharedRuns } from "./shared-runs.js";

export const PAGE_HEIGHTS = 256;
const NOTE_BYTES = 64;
/** Pages in memory; one is 16 KiB. */
const PAGES_MAX = 64;
/** Heights that are noted in memory before their page is written, at least. */
const RECENT_MAX = 16 * PAGE_HEIGHTS;

/** What is noted of a committed block: its hash, and the hash of the newest event up to and with it. */
export interface Note {
  readonly blockHash: HashHex;
  readonly headHash: HashHex | "";
}

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

  constructor(
    private readonly parts: {
      readonly store: Pick<LogStore, "readAnchors" | "writeAnchors">;
      readonly reader: Pick<LogReader, "readHeaders">;
      readonly onWarning: (error: unknown, text: string) => void;
    },
  ) {}

  /** Of a committed block, verified as the next one. After a recovery they come again from further below. */
  add(header: BlockHeader, blockHash: HashHex, clusterId: HashHex): void {
    const next = this.recentFrom + this.recent.length;
    if (header.height < next && header.height >= this.recentFrom) return;
    if (header.height !== next) {
      this.recent = [];
      this.recentFrom = header.height;
    }
    this.recent.push({ blockHash, headHash: header.headHash });
    if (header.height % PAGE_HEIGHTS === PAGE_HEIGHTS - 1) void this.writePages(clusterId);
  }

  /** The notes of a height and of the one below it. Throws AlteredBlock where the headers do not lead there. */
  async proofOf(at: Height): Promise<{ readonly blockHash: HashHex; readonly previousHash: HashHex | "" }> {
    const own = this.inMemory(at) ?? (await this.noted(at));
    const before = this.inMemory(at - 1) ?? (await this.noted(height(at - 1)));
    return { blockHash: own.blockHash, previousHash: before.headHash };
  }

  /** As `proofOf`, where nothing has to be read for it. */
  proofAtHand(at: Height): { readonly blockHash: HashHex; readonly previousHash: HashHex | "" } | null {
    const own = this.inMemory(at);
    const before = this.inMemory(at - 1);
    return own === null || before === null ? null : { blockHash: own.blockHash, previousHash: before.headHash };
  }

  private inMemory(at: number): Note | null {
    if (at === 0) return { blockHash: ZERO_HASH, headHash: "" };
    const recent = this.recent[at - this.recentFrom];
    if (recent !== undefined) return recent;
    const page = this.pages.get(Math.floor(at / PAGE_HEIGHTS));
    return page === undefined ? null : noteIn(page, at);
  }

  private async noted(at: Height): Promise<Note> {
    const known = this.inMemory(at);
    if (known !== null) return known;
    if (this.recent.length === 0 || at >= this.recentFrom + this.recent.length)
      throw new RangeError(`block ${at} is not known to be committed`);
    const page = Math.floor(at / PAGE_HEIGHTS);
    return noteIn(await this.loading.run(page, () => this.load(page)), at);
  }

  private async load(page: number): Promise<Uint8Array> {
    const bytes = (await this.parts.store.readAnchors(page)) ?? (await this.walk(page));
    if (this.pages.size >= PAGES_MAX) this.pages.delete(this.pages.keys().next().value as number);
    this.pages.set(page, bytes);
    return bytes;
  }

  /** Makes a page anew from the stored headers, down from the lowest height above it whose hash is known. */
  private async walk(page: number): Promise<Uint8Array> {
    const from = Math.max(1, page * PAGE_HEIGHTS);
    const top = height(Math.min((page + 1) * PAGE_HEIGHTS, this.recentFrom));
    let expected = (await this.noted(top)).blockHash;
    const headers = await this.parts.reader.readHeaders(height(from), top);
    const bytes = new Uint8Array(PAGE_HEIGHTS * NOTE_BYTES);
    for (let at = top as number; at >= from; at--) {
      const stored = headers[at - from];
      if (stored === undefined || stored.header.height !== at)
        throw new AlteredBlock(height(at), "a header is missing at or below it");
      if (hashHeader(stored.header) !== expected)
        throw new AlteredBlock(height(at), "its header is not the one that the next block names");
      if (at < (page + 1) * PAGE_HEIGHTS)
        writeNote(bytes, at, { blockHash: expected, headHash: stored.header.headHash });
      expected = stored.header.previousBlockHash;
    }
    for (let at = top + 1; at < (page + 1) * PAGE_HEIGHTS; at++) {
      const note = this.recent[at - this.recentFrom];
      if (note !== undefined) writeNote(bytes, at, note);
    }
    return bytes;
  }

  /** Pages all of whose heights are noted in memory are written, and then forgotten there. */
  private async writePages(clusterId: HashHex): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    try {
      for (;;) {
        const page = Math.max(this.writtenThrough + 1, Math.ceil((this.recentFrom - 1) / PAGE_HEIGHTS));
        const end = (page + 1) * PAGE_HEIGHTS;
        if (this.recentFrom + this.recent.length < end) break;
        const bytes = new Uint8Array(PAGE_HEIGHTS * NOTE_BYTES);
        for (let at = Math.max(1, page * PAGE_HEIGHTS); at < end; at++)
          writeNote(bytes, at, this.recent[at - this.recentFrom] as Note);
        await this.parts.store.writeAnchors(page, clusterId, bytes);
        this.writtenThrough = page;
        this.forget(end);
      }
    } catch (error) {
      this.parts.onWarning(error, "a page of anchors could not be written: it is tried again with the next one");
    } finally {
      this.isWriting = false;
    }
  }

  private forget(written: number): void {
    const drop = Math.min(written - 1 - this.recentFrom, this.recent.length - RECENT_MAX);
    if (drop <= 0) return;
    this.recent.splice(0, drop);
    this.recentFrom += drop;
  }
}

function noteIn(page: Uint8Array, at: number): Note {
  const start = (at % PAGE_HEIGHTS) * NOTE_BYTES;
  const headHash = toHex(page.subarray(start + 32, start + NOTE_BYTES));
  // No event has this hash; it stands for "none yet".
  return { blockHash: toHex(page.subarray(start, start + 32)), headHash: headHash === ZERO_HASH ? "" : headHash };
}

function writeNote(page: Uint8Array, at: number, note: Note): void {
  const start = (at % PAGE_HEIGHTS) * NOTE_BYTES;
  page.set(fromHex(note.blockHash), start);
  page.set(note.headHash === "" ? new Uint8Array(32) : fromHex(note.headHash), start + 32);
}
