import type { CommittedBlock } from "../../../cluster/types.js";
import { equalBytes, fromUtf8 } from "../../../shared/bytes.js";
import { ZERO_HASH } from "../../../shared/hash.js";
import type { HashHex, NodeId } from "../../../shared/ids.js";
import type { Block } from "../../../shared/log/block.js";
import type { LoggedEvent } from "../../../shared/log/event.js";
import { check } from "../violation.js";

export interface CommittedEvent {
  readonly event: LoggedEvent;
  /** What the payload's bytes say. */
  readonly payloadText: string;
  readonly height: number;
  readonly term: number;
}

export interface CommittedEntry {
  readonly hash: HashHex;
  /** The term of the leader that committed it first; at or above the block's own. */
  readonly committedIn: number;
  readonly block: CommittedBlock;
}

/** What has happened in the whole cluster, as an all-seeing observer writes it down; the checkers' common ground. */
export class History {
  /** Every block that was ever handed to a store. */
  private readonly blocks = new Map<HashHex, Block>();
  private readonly sealedAt = new Map<string, HashHex>();
  private readonly excused = new Set<HashHex>();
  /** Index 0 is the genesis. */
  readonly committed: CommittedEntry[] = [];
  /** All committed events, by sequence. */
  readonly events: CommittedEvent[] = [];
  private readonly committedIds = new Map<string, number>();
  private readonly committedKeys = new Map<string, number>();

  /** A liar has made it, and it stands in the log of somebody who cannot know better. */
  excuse({ blockHash }: Block): void {
    this.excused.add(blockHash);
  }

  /** Before there is a log: all begin anew, with empty disks. */
  beginAnew(): void {
    this.blocks.clear();
    this.sealedAt.clear();
  }

  /** I2: one header a (term, height), and headers are chained, so equal hashes mean equal history. */
  recordBlock(block: Block): void {
    const known = this.blocks.get(block.blockHash);
    if (known === block || this.excused.has(block.blockHash)) return;
    if (known !== undefined) {
      const isSame =
        equalBytes(known.signature, block.signature) &&
        equalBytes(known.records, block.records) &&
        equalBytes(known.payloads, block.payloads);
      return check(
        isSame,
        "I7",
        () => `block ${block.header.height} stands in a log with another content than its hash says`,
      );
    }
    const { height, term, previousBlockHash } = block.header;
    const parent = this.blocks.get(previousBlockHash);
    check(previousBlockHash === ZERO_HASH || parent !== undefined, "I2", () => `block ${height} has an unknown parent`);
    check(
      parent === undefined ? height === 1 : parent.header.height === height - 1 && parent.header.term <= term,
      "I2",
      () => `block ${height} of term ${term} does not continue its parent`,
    );
    const place = `${term}/${height}`;
    const earlier = this.sealedAt.get(place);
    check(earlier === undefined, "I2", () => `two headers of term ${term} at height ${height}: a fork`);
    this.sealedAt.set(place, block.blockHash);
    this.blocks.set(block.blockHash, block);
  }

  hasRecorded(block: Block | undefined): boolean {
    return block === undefined || this.blocks.has(block.blockHash) || this.excused.has(block.blockHash);
  }

  /** Whether the chain that ends in `tip` holds `hash` at `height`. */
  contains(tip: HashHex, hash: HashHex, height: number): boolean {
    let block = this.blocks.get(tip);
    while (block !== undefined && block.header.height > height) block = this.blocks.get(block.header.previousBlockHash);
    return block !== undefined && block.blockHash === hash;
  }

  /** I4 and I9: what is committed at a height stays, and holds no id and no key a second time. */
  recordCommitted(committed: CommittedBlock, leaderTerm: number): "new" | "known" {
    const { block, events } = committed;
    const { height } = block.header;
    const earlier = this.committed[height - 1];
    if (earlier !== undefined) {
      check(earlier.hash === block.blockHash, "I4", () => `height ${height} was committed with another hash`);
      return "known";
    }
    check(
      height === this.committed.length + 1,
      "I4",
      () => `height ${height} committed after ${this.committed.length}`,
    );
    const before = this.committed.at(-1);
    check(
      before === undefined || block.header.previousBlockHash === before.hash,
      "I4",
      () => `height ${height} does not follow the committed block before it`,
    );
    this.committed.push({ hash: block.blockHash, committedIn: leaderTerm, block: committed });
    for (const event of events) {
      const { record } = event;
      this.events.push({ event, payloadText: fromUtf8(event.payload), height, term: block.header.term });
      this.once(this.committedIds, record.id, record.sequence, "id");
      // A batch has its key once, whatever number of its events is of one source.
      const first = record.sequence - (record.batch?.[0] ?? 0);
      const key = `${record.sourceAppId}\n${record.idempotencyKey}`;
      if (record.idempotencyKey !== undefined && this.committedKeys.get(key) !== first)
        this.once(this.committedKeys, key, first, "key");
    }
    return "new";
  }

  /** Where a leader is made to log keys twice, that it did so is no violation. */
  toleratesRepeats = false;
  hasRepeats = false;

  private once(seen: Map<string, number>, what: string, sequence: number, name: string): void {
    if (seen.has(what)) this.hasRepeats = true;
    check(
      !seen.has(what) || this.toleratesRepeats,
      "I9",
      () => `${name} ${what} is logged twice: #${seen.get(what)} and #${sequence}`,
    );
    seen.set(what, sequence);
  }

  /** Where an event with this id is committed. */
  sequenceOf(id: string): number | undefined {
    return this.committedIds.get(id);
  }

  /** The committed event that holds a source's key. */
  holderOf(sourceAppId: string, key: string): CommittedEvent | undefined {
    const at = this.committedKeys.get(`${sourceAppId}\n${key}`);
    return at === undefined ? undefined : this.events[at];
  }

  knows(hash: HashHex): boolean {
    return this.blocks.has(hash);
  }

  latestNonce(node: NodeId): string | undefined {
    return this.committed.at(-1)?.block.next.members.get(node)?.joinNonce;
  }

  /** The join nonce that admits `node` for a block at `height`: what the committed log below it says. */
  admittedNonce(node: NodeId, height: number): string | undefined {
    // The genesis is decided by the members that it lists itself.
    const state = this.committed[Math.max(height - 1, 1) - 1];
    return state?.block.next.members.get(node)?.joinNonce;
  }
}
