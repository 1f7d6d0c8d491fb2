import pLimit from "p-limit";
import { type HashHex, type Height, height, type NodeId } from "../../shared/ids.js";
import { type Block, type BlockHeader, blockBytes } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { timestampMillis } from "../../shared/timestamp.js";
import type { LogReader, StoredBlock } from "../storage/port.js";
import { AlteredBlock, type Anchors, alteredAt, hasHash } from "./anchors.js";
import { type BlockNote, BlockNotes } from "./block-notes.js";
import { Places } from "./places.js";
import { owned, type ProvedBlock, proved } from "./proved-block.js";
import { ReadGarbage, ReadOnce } from "./read-once.js";
import { SharedRuns } from "./shared-runs.js";

/** What a kept block takes of the heap beside its body. */
const BLOCK_HEAP_BYTES = 2_048;
/** What is noted of blocks, kept or not. */
const NOTES_BYTES_MAX = 4 * 1024 * 1024;
/** Reads of the store at once; each may bring `READ_BYTES_MAX` and one block. */
const READS_MAX = 2;
/** Blocks that one read brings from the store: the driver has all of it in memory twice, until it is collected. */
const READ_BYTES_MAX = 1024 * 1024;
/** Single blocks that one read of the store brings, fewer where they are large. */
const SINGLES_AT_ONCE = 16;
/** Until blocks were read each is taken to have so many bytes; of those that are, each one's size counts so much. */
const BLOCK_BYTES_FIRST = 64 * 1024;
const SIZE_WEIGHT = 0.1;
/** Times of blocks that searches have looked at: the first looks of each search are at the same ones. */
const TIMES_MAX = 10_000;

interface Cached {
  readonly block: ProvedBlock;
  readonly weight: number;
  /** Since it was looked at when room was made. */
  isUsed: boolean;
}

interface Waiting {
  readonly resolve: (block: ProvedBlock) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Committed blocks, each proved before anything of it is given out: its header's hash is the noted one, its body's hash
 * is the header's. The newest and those that were lately read again are kept, bounded in bytes of the heap.
 */
export class ProvedBlocks {
  private readonly cache = new Map<Height, Cached>();
  private bytes = 0;
  private readonly limit = pLimit(READS_MAX);
  private readonly reading = new SharedRuns<Height, ProvedBlock>();
  private readonly waiting = new Map<Height, Waiting>();
  readonly places = new Places();
  private readonly notes = new BlockNotes(NOTES_BYTES_MAX);
  private readonly readOnce: ReadOnce;
  private readonly garbage = new ReadGarbage();
  private readonly times = new Map<Height, number>();
  /** About so many bytes has a block. */
  private blockBytes = BLOCK_BYTES_FIRST;

  constructor(
    private readonly parts: {
      readonly reader: Pick<LogReader, "readBlocks" | "readHeaders" | "holding">;
      readonly anchors: Anchors;
      readonly bytesMax: number;
      /** As for the anchors. */
      readonly heldThrough: () => Height;
      /** Told of each block that is not what was committed. */
      readonly onAltered: (error: AlteredBlock) => void;
    },
  ) {
    this.readOnce = new ReadOnce(parts.bytesMax);
  }

  /** A block that has just been committed, and was verified before. */
  add(block: Block, previousHash: HashHex | ""): void {
    const { header } = block;
    if (header.eventCount === 0) return;
    if (!this.places.add({ height: header.height, first: header.firstSequence, count: header.eventCount })) return;
    const kept = proved(owned(block), previousHash);
    this.notes.add(kept);
    this.keep(header.height, kept);
  }

  /** What is known of a block that may not be in memory any more. */
  noteOf(at: Height): BlockNote | null {
    const kept = this.notes.of(at) === null ? this.cache.get(at) : undefined;
    // Reads of many others have driven it out.
    if (kept !== undefined) this.notes.add(kept.block);
    return this.notes.of(at);
  }

  /**
   * The blocks at these heights, in that order, as many as memory and one read bring; at least the first. Throws
   * AlteredBlock, or StoreError where the store cannot say.
   */
  async read(heights: readonly Height[]): Promise<ProvedBlock[]> {
    const blocks: ProvedBlock[] = [];
    for (const found of await this.readEach(heights)) {
      if (!(found instanceof AlteredBlock)) blocks.push(found);
      // Those before it are what they should be; whoever wants this one as well asks again, and is told.
      else if (blocks.length > 0) break;
      else throw found;
    }
    return blocks;
  }

  /** The same, each of them proved, or why it is not what was committed. */
  async readEach(heights: readonly Height[]): Promise<(ProvedBlock | AlteredBlock)[]> {
    const known = this.atHand(heights);
    if (known.size === heights.length) return [...known.values()];
    return this.limit(() => this.fetchMissing(heights));
  }

  private async fetchMissing(heights: readonly Height[]): Promise<(ProvedBlock | AlteredBlock)[]> {
    // Somebody else may have brought some while this read waited for its turn.
    const found = this.atHand(heights);
    const missing = heights.filter((at) => !found.has(at));
    const held = this.parts.heldThrough();
    const stored = missing.length === 0 ? [] : await this.readStored(missing);
    const blocks: (ProvedBlock | AlteredBlock)[] = [];
    let read = 0;
    for (const [i, at] of heights.entries()) {
      const known = found.get(at);
      if (known === undefined && i > 0 && stored[read] === undefined) break;
      try {
        if (known !== undefined) {
          blocks.push(known);
          continue;
        }
        let one = stored[read];
        // Nothing stands there, or something that says that it is another's.
        if (one?.block.header.height !== at) [one] = await this.parts.reader.readBlocks([at], 0);
        if (one !== undefined) read += 1;
        blocks.push(await this.prove(at, one, { held }));
      } catch (error) {
        if (error instanceof AlteredBlock) blocks.push(error);
        else if (i === 0) throw error;
        else break;
      }
    }
    return blocks;
  }

  private readStored(heights: readonly Height[], bytesMax = READ_BYTES_MAX): Promise<StoredBlock[]> {
    return this.reads(() => this.parts.reader.readBlocks(heights, bytesMax));
  }

  private async reads(read: () => Promise<StoredBlock[]>): Promise<StoredBlock[]> {
    this.garbage.collectIfDue();
    const stored = await read();
    for (const { block } of stored) this.garbage.add(blockBytes(block));
    return stored;
  }

  private atHand(heights: readonly Height[]): Map<Height, ProvedBlock> {
    const found = new Map<Height, ProvedBlock>();
    for (const at of heights) {
      const block = this.atHandAt(at);
      if (block !== null) found.set(at, block);
    }
    return found;
  }

  async one(at: Height): Promise<ProvedBlock> {
    return this.atHandAt(at) ?? this.reading.run(at, () => this.inTurn(at));
  }

  /** Whatever single blocks are waited for when a read's turn comes it brings together. */
  private inTurn(at: Height): Promise<ProvedBlock> {
    return new Promise((resolve, reject) => this.wait(at, { resolve, reject }));
  }

  private wait(at: Height, waiting: Waiting): void {
    this.waiting.set(at, waiting);
    void this.limit(() => this.fetchWaiting());
  }

  private async fetchWaiting(): Promise<void> {
    const some = Math.max(1, Math.min(SINGLES_AT_ONCE, Math.floor(READ_BYTES_MAX / this.blockBytes)));
    const due = [...this.waiting].slice(0, some);
    for (const [at] of due) this.waiting.delete(at);
    const heights = due.map(([at]) => at).sort((a, b) => a - b);
    const held = this.parts.heldThrough();
    try {
      const stored = heights.length < 2 ? [] : await this.readStored(heights);
      const found = new Map(stored.map((one) => [one.block.header.height, one]));
      const isSome = heights.some((at) => found.has(at));
      const last = Math.max(0, ...found.keys());
      // The read was full before it came to these.
      const isLater = (at: Height): boolean => isSome && at > last;
      for (const [at, waiting] of due) if (isLater(at)) this.wait(at, waiting);
      for (const [at, { resolve, reject }] of due)
        if (!isLater(at)) await this.proveWaiting(at, found.get(at), held).then(resolve, reject);
    } catch (error) {
      for (const [, { reject }] of due) reject(error as Error);
    }
  }

  /** What was not found among others is asked for alone: then it is told for certain. */
  private async proveWaiting(at: Height, found: StoredBlock | undefined, held: Height): Promise<ProvedBlock> {
    const stored = found ?? (await this.readStored([at], 0))[0];
    if (stored !== undefined) this.blockBytes += SIZE_WEIGHT * (blockBytes(stored.block) - this.blockBytes);
    return this.prove(at, stored, { held, isNoted: false });
  }

  /** The block that holds a sequence; null if none says so, or one that is not what was committed. */
  async holding(sequence: number): Promise<ProvedBlock | null> {
    const held = this.parts.heldThrough();
    const { reader, anchors } = this.parts;
    const one = async (): Promise<StoredBlock[]> => {
      const found = await reader.holding(sequence, anchors.newest);
      return found === null ? [] : [found];
    };
    const [stored] = await this.limit(() => this.reads(one));
    const at = stored?.block.header.height;
    if (stored === undefined || !(Number(at) >= 1)) return null;
    try {
      const block = this.atHandAt(at as Height) ?? (await this.prove(at as Height, stored, { held, isNoted: false }));
      const { firstSequence, treeSize } = block.header;
      if (sequence < firstSequence || sequence >= treeSize) return null;
      return block;
    } catch (error) {
      if (error instanceof AlteredBlock) return null;
      throw error;
    }
  }

  /** When the block was sealed, in milliseconds, by its proved header; never before the one below it. */
  async sealedAt(at: Height): Promise<number> {
    const known = this.knownSealedAt(at);
    if (known !== null) return known;
    const millis = timestampMillis((await this.provedHeader(at)).header.sealedAt) ?? 0;
    if (this.times.size >= TIMES_MAX) this.times.delete(this.times.keys().next().value as Height);
    this.times.set(at, millis);
    return millis;
  }

  /** The same if it is in memory. */
  knownSealedAt(at: Height): number | null {
    const known = this.times.get(at);
    if (known === undefined) {
      return this.notes.of(at)?.sealedAt ?? null;
    }
    // The order of the map is the order of their last use.
    this.times.delete(at);
    this.times.set(at, known);
    return known;
  }

  async header(at: Height): Promise<BlockHeader> {
    return (this.atHandAt(at) ?? (await this.provedHeader(at))).header;
  }

  private async provedHeader(at: Height): Promise<{ readonly header: BlockHeader }> {
    const held = this.parts.heldThrough();
    const [stored] = await this.parts.reader.readHeaders(at, at);
    return this.checked(at, held, async ({ blockHash }, altered) => {
      if (stored === undefined || stored.header.height !== at) throw altered(MISSING);
      if (!hasHash(stored.header, blockHash)) throw altered(ANOTHER_HEADER);
      return stored;
    });
  }

  /** `one` of what `read` brings: a look-up that writes wait for does not stand in line behind clients' reads. */
  async oneBy(at: Height, read: () => Promise<StoredBlock[]>): Promise<ProvedBlock> {
    const atHand = this.atHandAt(at);
    if (atHand !== null) return atHand;
    const held = this.parts.heldThrough();
    const [stored] = await this.reads(read);
    return this.prove(at, stored, { held, isNoted: false });
  }

  /** As stored, past the cache; throws AlteredBlock like `read`. */
  async fresh(at: Height): Promise<ProvedBlock> {
    const held = this.parts.heldThrough();
    const [stored] = await this.parts.reader.readBlocks([at], 0);
    return this.prove(at, stored, { mayKeep: false, held });
  }

  /** Several as stored, in ascending order, as many as one read brings: each proved, or why it is not what was committed. */
  async freshOf(heights: readonly Height[]): Promise<(ProvedBlock | AlteredBlock)[]> {
    const held = this.parts.heldThrough();
    const stored = await this.limit(() => this.parts.reader.readBlocks(heights, READ_BYTES_MAX));
    const byHeight = new Map(stored.map((one) => [one.block.header.height, one]));
    // What stands below the last one that was brought, and was not, is missing.
    const through = Math.max(heights[0] ?? 0, ...byHeight.keys());
    const wanted = heights.filter((at) => at <= through);
    return Promise.all(
      wanted.map((at) =>
        this.prove(at, byHeight.get(at), { mayKeep: false, held }).catch((error: unknown) => {
          if (error instanceof AlteredBlock) return error;
          throw error;
        }),
      ),
    );
  }

  private async prove(
    at: Height,
    stored: StoredBlock | undefined,
    { mayKeep = true, isNoted = true, held = this.parts.heldThrough() } = {},
  ): Promise<ProvedBlock> {
    return this.checked(at, held, async (proof, altered) => {
      if (stored === undefined || stored.block.header.height !== at) throw altered(MISSING);
      const { block } = stored;
      if (!hasHash(block.header, proof.blockHash)) throw altered(ANOTHER_HEADER);
      if (bodyHash(block) !== block.header.bodyHash) throw altered("its body is another one");
      const isKept = mayKeep && this.readOnce.isAgain(at, BLOCK_HEAP_BYTES + blockBytes(block));
      const found = proved(isKept ? owned(block) : block, proof.previousHash);
      if (isNoted) this.notes.add(found);
      if (isKept) this.keep(at, found);
      return found;
    });
  }

  /** Another node's copy, proved like one's own and not kept; null if it is not the committed block. */
  async proveCopy(at: Height, block: Block, from: NodeId): Promise<ProvedBlock | null> {
    const { blockHash, previousHash } = this.parts.anchors.proofAtHand(at) ?? (await this.parts.anchors.proofOf(at));
    const isCommitted = hasHash(block.header, blockHash) && bodyHash(block) === block.header.bodyHash;
    return isCommitted ? { ...proved(owned(block), previousHash), from } : null;
  }

  /** What is not what was committed is told of. `held`: when it was read; a store that was recovered since may hold more. */
  private async checked<T>(
    at: Height,
    held: Height,
    check: (proof: Awaited<ReturnType<Anchors["proofOf"]>>, altered: (fault: string) => Error) => Promise<T>,
  ): Promise<T> {
    const { anchors, heldThrough } = this.parts;
    try {
      const proof = anchors.proofAtHand(at) ?? (await anchors.proofOf(at));
      return await check(proof, (fault) => alteredAt(at, fault, height(Math.min(held, heldThrough()))));
    } catch (error) {
      if (error instanceof AlteredBlock) this.parts.onAltered(error);
      throw error;
    }
  }

  /** The block if it is in memory. */
  atHandAt(at: Height): ProvedBlock | null {
    const cached = this.cache.get(at);
    if (cached === undefined) return null;
    cached.isUsed = true;
    return cached.block;
  }

  private keep(at: Height, block: ProvedBlock): void {
    this.drop(at);
    const weight = BLOCK_HEAP_BYTES + block.bytes;
    if (weight > this.parts.bytesMax / 2) return;
    this.put(at, { block, weight, isUsed: true });
    for (const [oldest, cached] of this.cache) {
      if (this.bytes <= this.parts.bytesMax) break;
      this.drop(oldest);
      // What was used meanwhile begins anew: a map that is reordered at each use is made anew all the time.
      if (cached.isUsed) this.put(oldest, { ...cached, isUsed: false });
    }
  }

  private put(at: Height, cached: Cached): void {
    this.cache.set(at, cached);
    this.bytes += cached.weight;
  }

  private drop(at: Height): void {
    const there = this.cache.get(at);
    if (there === undefined) return;
    this.cache.delete(at);
    this.bytes -= there.weight;
  }
}

const MISSING = "it is missing, or has another height";
const ANOTHER_HEADER = "its header is another one";
