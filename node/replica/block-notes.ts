import { utf8 } from "../../shared/bytes.js";
import type { Height } from "../../shared/ids.js";
import type { EventFilter } from "../../shared/log/filter.js";
import { nameHash } from "../../shared/log/proved-body.js";
import { timestampMillis } from "../../shared/timestamp.js";
import type { ProvedBlock } from "./proved-block.js";

/** What is noted of one block takes so much beside its hashes. */
const NOTE_HEAP_BYTES = 256;

/** The names that a filter asks for. */
export class WantedNames {
  readonly type?: Uint8Array;
  readonly source?: Uint8Array;
  private readonly typeHash: number = 0;
  private readonly sourceHash: number = 0;

  constructor({ eventType, sourceAppId }: EventFilter) {
    if (eventType !== undefined) {
      this.type = utf8(eventType);
      this.typeHash = nameHash(this.type);
    }
    if (sourceAppId !== undefined) {
      this.source = utf8(sourceAppId);
      this.sourceHash = nameHash(this.source);
    }
  }

  /** Positions, ascending, of the events that may be meant: all that are, and others whose names have the same hash. */
  in(hashes: Int32Array): number[] {
    const count = hashes.length >>> 1;
    const found: number[] = [];
    const { type, typeHash, source, sourceHash } = this;
    for (let i = 0; i < count; i++) {
      if (source !== undefined && hashes[count + i] !== sourceHash) continue;
      if (type === undefined || hashes[i] === typeHash) found.push(i);
    }
    return found;
  }
}

/** What is known of a block that was proved once in this process. */
export interface BlockNote {
  /** Of its events' names, as `nameHashes` gives them. */
  readonly hashes: Int32Array;
  /** Milliseconds since 1970. */
  readonly sealedAt: number;
}

/**
 * Notes of proved blocks, bounded in bytes: which events of a block a filter may mean, without its body. Committed blocks
 * do not change; what is shown comes from the block itself all the same.
 */
export class BlockNotes {
  private readonly notes = new Map<Height, BlockNote>();
  private bytes = 0;

  constructor(private readonly bytesMax: number) {}

  of(at: Height): BlockNote | null {
    return this.notes.get(at) ?? null;
  }

  add({ header, events }: Pick<ProvedBlock, "header" | "events">): void {
    if (this.notes.has(header.height)) return;
    const hashes = events.nameHashes();
    this.notes.set(header.height, { hashes, sealedAt: timestampMillis(header.sealedAt) ?? 0 });
    this.bytes += bytesOf(hashes);
    for (const [oldest, note] of this.notes) {
      if (this.bytes <= this.bytesMax) break;
      this.notes.delete(oldest);
      this.bytes -= bytesOf(note.hashes);
    }
  }
}

const bytesOf = (hashes: Int32Array): number => NOTE_HEAP_BYTES + hashes.byteLength;
