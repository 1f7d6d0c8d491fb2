import type { ReplicaFooting } from "../../../cluster/types.js";
import { ZERO_HASH } from "../../../shared/hash.js";
import type { Block } from "../../../shared/log/block.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";

/** I8: which forged blocks a follower cannot but judge; it must refuse them with an alert. */
export class ForgeryChecker {
  private readonly forged = new WeakMap<Block, string>();
  /** Messages that nobody can take, in whatever state they are heard. */
  private readonly lies = new WeakMap<PeerMessage, string>();

  /** A liar is about to send this block. */
  add({ block, what }: { readonly block: Block; readonly what: string }): void {
    this.forged.set(block, what);
  }

  /** The same of a whole message, of which whoever tells it knows that it is refused. */
  addMessage(message: PeerMessage, what: string): void {
    this.lies.set(message, what);
  }

  /**
   * What `node` must raise an alert about, now that it takes this message; null where that is not certain. Its log is taken
   * from its disk, so a node is asked for nothing while a write is under way or its disk was tampered with.
   */
  mustRefuse(node: SimNode, message: PeerMessage, { hardState, tail, commitHeight }: ReplicaFooting): string | null {
    const { body, blocks } = message;
    const lie = this.lies.get(message);
    if (lie !== undefined) return lie;
    if (body.kind !== "append") return null;
    const block = blocks.find((it) => this.forged.has(it));
    if (block === undefined || message.term < hardState.term) return null;
    const { disk } = node;
    const isKnown =
      !node.isDoubtful && disk.altered.size === 0 && disk.at(disk.tailHeight)?.block.blockHash === tail.blockHash;
    const { view } = node;
    const isOfThisCluster = view.clusterId !== "" && view.clusterId === message.clusterId;
    const isMember = view.members.some(({ id }) => id === message.from) && message.from !== node.id;
    if (!isKnown || !isOfThisCluster || !isMember || view.durableHeight !== tail.height) return null;
    const hashAt = (at: number): string | undefined => (at === 0 ? ZERO_HASH : disk.at(at)?.block.blockHash);
    if (hashAt(body.previousHeight) !== body.previousHash) return null;
    // Below the commit height nothing is compared. A wrong content under the hash of a block that is here is not read.
    const at = body.previousHeight + 1 + blocks.indexOf(block);
    if (at < commitHeight || hashAt(at) === block.blockHash) return null;
    const what = this.forged.get(block);
    return this.isBelievable(message, block) ? null : `the forged ${what} of block ${at}`;
  }

  /** A leader of two terms that puts its last block into the later one has signed a block that nobody can refuse. */
  private isBelievable({ blocks, from, term }: PeerMessage, block: Block): boolean {
    const { header } = block;
    const isLast = blocks.at(-1) === block;
    return this.forged.get(block) === "term" && isLast && header.leaderId === from && header.term <= term;
  }
}
