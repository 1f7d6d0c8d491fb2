import type { HashHex } from "../ids.js";
import type { BlockHeader } from "./block.js";
import { type ShownEvent, shownEvent } from "./event.js";
import type { EventBytes, ProvedBodyReader } from "./proved-body.js";

/** An event that was found. Its members are made when they are asked for. */
export interface FoundEvent {
  readonly sequence: number;
  readonly hash: HashHex;
  readonly payloadBytes: number;
  shown(): ShownEvent;
}

/** One in its proved block, from whose bytes it can be shown without being decoded. */
export class StoredEvent implements FoundEvent {
  constructor(
    private readonly body: ProvedBodyReader,
    private readonly position: number,
    readonly block: Pick<BlockHeader, "height" | "term" | "sealedAt">,
    private readonly isAlone = false,
  ) {}

  get sequence(): number {
    return this.body.sequenceOf(this.position);
  }
  get hash(): HashHex {
    return this.body.hashOf(this.position);
  }
  /** Bits of the hash, enough to tell it from all others. */
  get hashBits(): number {
    return this.body.hashBits(this.position);
  }
  get previousHash(): HashHex | "" {
    return this.body.hashOf(this.position - 1);
  }
  get payloadBytes(): number {
    return this.body.payloadBytes(this.position);
  }
  shown(): ShownEvent {
    return shownEvent(this.body.event(this.position), this.block);
  }
  /** The same in memory of its own: a block that is not kept need not wait until its event is shown. */
  detached(): StoredEvent {
    return this.isAlone ? this : new StoredEvent(this.body.alone(this.position), 0, this.block, true);
  }
  locate(into: EventBytes): void {
    this.body.locate(this.position, into);
  }
}
