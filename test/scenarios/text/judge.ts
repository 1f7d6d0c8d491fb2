import type { CommittedBlock } from "../../../cluster/types.js";
import type { HashHex, Height, NodeId, Term } from "../../../shared/ids.js";
import type { Block } from "../../../shared/log/block.js";

/** What no story may break, whatever its expectations say: they are rewritten at a flag, this is not. */
export class Judge {
  private readonly leaders = new Map<Term, NodeId>();
  private readonly committed = new Map<Height, HashHex>();
  private isOff = false;

  /** Somebody lies: from here on the story can only show that it is noticed. */
  promisesNothing(): void {
    this.isOff = true;
  }

  /** I1: at most one leader in a term. */
  onLeader(id: NodeId, term: Term): void {
    const other = this.leaders.get(term);
    if (other !== undefined) throw new Error(`I1: ${other} and ${id} lead t${term}`);
    this.leaders.set(term, id);
  }

  /** I4: what is committed anywhere is committed everywhere. */
  onCommitted(id: NodeId, blocks: readonly CommittedBlock[]): void {
    for (const { block } of blocks) {
      const { height } = block.header;
      const known = this.committed.get(height) ?? block.blockHash;
      if (known !== block.blockHash && !this.isOff) throw new Error(`I4: ${id} commits another #${height}`);
      this.committed.set(height, known);
    }
  }

  /** I3: what is committed is never replaced. */
  onTruncated(id: NodeId, { header, blockHash }: Block): void {
    if (this.committed.get(header.height) === blockHash && !this.isOff)
      throw new Error(`I3: ${id} truncates #${header.height}, which is committed`);
  }
}
