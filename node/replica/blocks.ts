import pLimit from "p-limit";
import { type HashHex, type Height, height } from "../../shared/ids.js";
import { type Block, bodyReader, hashHeader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import type { ReadEvent } from "../../shared/log/event.js";
import { type LogStore, type StoredBlock, StoreError } from "../storage/port.js";
import { AlteredBlock, type Anchors } from "./anchors.js";
import { LoggedRequests, RememberedPlaces } from "./logged-requests.js";
import type { ProvedBlock } from "./proved-block.js";
import type { ProvedBlocks } from "./proved-blocks.js";
import { SharedRuns } from "./shared-runs.js";

const BLOCKS_MAX = 64;

/** A block of this node's log, whether or not it is committed. */
export interface SoundBlock {
  readonly block: Pick<Block, "header" | "blockHash">;
  readonly requests: LoggedRequests;
}

/** Reads of this node's own blocks for the replica: of which only those are given out that are what they should be. */
export class StoredBlocks {
  private readonly places = new RememberedPlaces();
  private readonly reading = new SharedRuns<Height, ProvedBlock>();
  private readonly limit = pLimit(1);

  constructor(
    private readonly parts: {
      readonly log: LogStore;
      readonly proved: ProvedBlocks;
      readonly anchors: Pick<Anchors, "proofOf" | "proofAtHand">;
      /** What was published, also while the log is recovered. */
      readonly commitHeight: () => Height;
      /** As for the anchors. */
      readonly heldThrough: () => Height;
      /** What the replica knows to be durable: above it an insert that was given up may have arrived. */
      readonly durableHeight: () => Height;
      readonly onInvalidBlock: (at: Height, detail: string) => void;
    },
  ) {}

  /** Consecutive blocks from `from` on, up to the first that is not intact: a peer that has it sound can serve it as leader. */
  async readIntact(from: Height, bytesMax: number): Promise<Block[]> {
    const blocks: Block[] = [];
    // What is not committed when it is read may have been replaced, and another one be committed, when it is judged.
    const held = this.parts.heldThrough();
    const through = this.parts.durableHeight();
    for (const { block } of await this.parts.log.readBlocks(from, { bytesMax, blocksMax: BLOCKS_MAX })) {
      const expected = height(from + blocks.length);
      if (expected > through) break;
      if (block.header.height !== expected) {
        this.parts.onInvalidBlock(expected, "it is missing, though later ones are there");
        break;
      }
      const fault = faultOf(block);
      if (fault !== null) {
        this.parts.onInvalidBlock(block.header.height, fault);
        break;
      }
      blocks.push(block);
    }
    for (const [i, block] of blocks.entries()) {
      const fault = await this.faultOfPlace(block, blocks[i - 1], held);
      if (fault === null) continue;
      this.parts.onInvalidBlock(fault.at, fault.text);
      return blocks.slice(0, i);
    }
    return blocks;
  }

  /** Whether it is the block that was committed at its height; above, whether it follows the one before. */
  private async faultOfPlace(
    { header, blockHash }: Block,
    before: Block | undefined,
    held: Height,
  ): Promise<{ at: Height; text: string } | null> {
    const { anchors, heldThrough } = this.parts;
    if (header.height > Math.min(held, heldThrough())) {
      const isLinked = before === undefined || before.blockHash === header.previousBlockHash;
      return isLinked ? null : { at: header.height, text: "the block before it is another one" };
    }
    try {
      const proof = anchors.proofAtHand(header.height) ?? (await anchors.proofOf(header.height));
      return proof.blockHash === blockHash ? null : { at: header.height, text: "its header is another one" };
    } catch (error) {
      if (error instanceof AlteredBlock) return { at: error.height, text: error.fault };
      throw error;
    }
  }

  /** Whether it is the hash of the block that was committed at this height. */
  async isCommitted(at: Height, blockHash: HashHex): Promise<boolean> {
    const { anchors } = this.parts;
    try {
      return (anchors.proofAtHand(at) ?? (await anchors.proofOf(at))).blockHash === blockHash;
    } catch (error) {
      if (error instanceof AlteredBlock) return false;
      throw error;
    }
  }

  /** A stored block with its requests, or null if it is missing, not what it should be, or above what is known to be stored. */
  async soundBlock(at: Height): Promise<SoundBlock | null> {
    if (at <= this.parts.commitHeight()) return this.committedBlock(at);
    // The header before it says which hash its first event links to, and its own header which that is.
    const from = height(Math.max(1, at - 1));
    const stored = await this.parts.log.readBlocks(from, {
      bytesMax: Number.POSITIVE_INFINITY,
      blocksMax: at - from + 1,
    });
    const found = stored.find(({ block }) => block.header.height === at)?.block;
    // Above, whatever stands there is not this log's: what arrived late is no alteration.
    if (found === undefined || at > this.parts.durableHeight()) return null;
    const below = stored.find(({ block }) => block.header.height === at - 1)?.block;
    const faultBelow = below === undefined ? null : faultOf(below);
    if (faultBelow !== null) {
      // Whether the block follows the one that was there cannot be told.
      this.parts.onInvalidBlock(from, faultBelow);
      return null;
    }
    const before = below?.header;
    const isLinked = at === 1 || (before !== undefined && hashHeader(before) === found.header.previousBlockHash);
    const fault = isLinked ? faultOf(found) : "the block before it is another one";
    if (fault === null)
      return { block: found, requests: LoggedRequests.of(bodyReader(found, before?.headHash ?? "").all()) };
    this.parts.onInvalidBlock(at, fault);
    return null;
  }

  /** Over the log's own connections. */
  private readOne(at: Height): Promise<StoredBlock[]> {
    return this.parts.log.readBlocks(at, { bytesMax: 0, blocksMax: 1, isForClient: true });
  }

  private async provedBlock(at: Height): Promise<ProvedBlock> {
    const { proved } = this.parts;
    let isRead = false;
    const read = async (): Promise<StoredBlock[]> => {
      const stored = await this.readOne(at);
      isRead = true;
      const [found] = stored;
      const fault = found?.block.header.height === at ? faultOf(found.block) : null;
      // It is told of now: what is noted of the block may have to be read first.
      if (fault !== null) this.parts.onInvalidBlock(at, fault);
      return stored;
    };
    try {
      // Who comes later shares no more than this: it may be answered by then.
      return await this.reading.run(at, () => this.limit(() => proved.oneBy(at, read)));
    } catch (error) {
      // The log is opened again, perhaps: clients' connections outlive that.
      if (error instanceof StoreError && !isRead) return proved.one(at);
      throw error;
    }
  }

  private async committedBlock(at: Height): Promise<SoundBlock | null> {
    try {
      const proved = await this.provedBlock(at);
      const event = (i: number): ReadEvent => proved.events.event(i);
      return { block: proved, requests: LoggedRequests.within(this.places.of(proved, event), event) };
    } catch (error) {
      // It has been told of already.
      if (error instanceof AlteredBlock) return null;
      throw error;
    }
  }
}

/** What is wrong with a stored block by itself: its header has a hash, and its header names that of its body. */
function faultOf(block: Block): string | null {
  if (hashHeader(block.header) !== block.blockHash) return "its header does not match its hash";
  return bodyHash(block) === block.header.bodyHash ? null : "its body is not the one that was sealed";
}
