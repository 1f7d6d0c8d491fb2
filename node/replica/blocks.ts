import { type Height, height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import type { Storage } from "../storage/port.js";
import { soundEvents } from "./recovery.js";

const BLOCKS_MAX = 64;

/** Reads of this node's own blocks, of which only those are given out that verify by themselves. */
export class StoredBlocks {
  constructor(
    private readonly storage: Storage,
    private readonly onInvalidBlock: (at: Height, detail: string) => void,
  ) {}

  /** Consecutive blocks from `from` on, up to the first that does not verify: a peer that has it sound can serve it as leader. */
  async readSound(from: Height, bytesMax: number): Promise<Block[]> {
    const blocks: Block[] = [];
    for (const { block } of await this.storage.log.readBlocks(from, { bytesMax, blocksMax: BLOCKS_MAX })) {
      const expected = height(from + blocks.length);
      if (block.header.height !== expected) {
        this.onInvalidBlock(expected, "it is missing, though later ones are there");
        break;
      }
      const sound = soundEvents(block);
      if ("fault" in sound) {
        this.onInvalidBlock(block.header.height, sound.fault);
        break;
      }
      blocks.push(block);
    }
    return blocks;
  }

  /** A stored block with its events, or null if it is missing or does not verify by itself. */
  async soundBlock(at: Height): Promise<{ block: Block; events: readonly LoggedEvent[] } | null> {
    const [stored] = await this.storage.log.readBlocks(at, { bytesMax: 0, blocksMax: 1 });
    if (stored === undefined || stored.block.header.height !== at) return null;
    const sound = soundEvents(stored.block);
    if (!("fault" in sound)) return { block: stored.block, events: sound.events };
    this.onInvalidBlock(at, sound.fault);
    return null;
  }

  /** Where the projection says that a key was logged. Throws unless the block there says the same. */
  async findKey(sourceAppId: string, idempotencyKey: string): Promise<{ height: Height } | null> {
    const hit = await this.storage.projection.findByKey(sourceAppId, idempotencyKey);
    if (hit === null) return null;
    const sound = await this.soundBlock(hit.height);
    const isThere = sound?.events.some(
      ({ record }) => record.idempotencyKey === idempotencyKey && record.sourceAppId === sourceAppId,
    );
    if (isThere !== true) throw new Error(`the projection names block ${hit.height} for a key that is not in it`);
    return { height: hit.height };
  }
}
