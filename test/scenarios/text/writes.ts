import type { Effect } from "../../../cluster/types.js";
import type { HashHex, Height } from "../../../shared/ids.js";

interface Pending {
  readonly name: string;
  place: { height: Height; blockHash: HashHex } | null;
}

/** What the clients of one process are told: a sealed write is decided by what is committed at its height. */
export class Writes {
  private pending = new Map<number, Pending>();
  private lastId = 0;

  constructor(private readonly say: (text: string) => void) {}

  begin(name: string): number {
    this.lastId += 1;
    this.pending.set(this.lastId, { name, place: null });
    return this.lastId;
  }

  onEffect(effect: Effect): void {
    if (effect.kind === "committed")
      for (const { block } of effect.blocks) this.decide(block.header.height, block.blockHash);
    if (!("proposalId" in effect)) return;
    const pending = this.pending.get(effect.proposalId);
    if (pending === undefined) return;
    const { name } = pending;
    switch (effect.kind) {
      case "sealed":
        pending.place = { height: effect.height, blockHash: effect.blockHash };
        return this.say(`seals ${name} in #${effect.height}`);
      case "duplicate":
        if (effect.blockHash === null) return this.answer(effect.proposalId, `is in #${effect.height} already`);
        pending.place = { height: effect.height, blockHash: effect.blockHash };
        return this.say(`finds ${name} in #${effect.height}, which is not decided yet`);
      case "in_progress":
        return this.answer(effect.proposalId, "is on its way already");
      case "refused":
        return this.answer(effect.proposalId, `is certainly not written (${effect.reason})`);
      case "head_differs":
        return this.answer(effect.proposalId, "is not written: the head is another one");
      default:
        return;
    }
  }

  /** The process ends: its clients hear nothing more. */
  die(): void {
    for (const { name } of this.pending.values()) this.say(`leaves the client of ${name} without an answer`);
    this.pending.clear();
  }

  private decide(at: Height, blockHash: HashHex): void {
    for (const [id, { place }] of this.pending) {
      if (place?.height !== at) continue;
      const isThere = place.blockHash === blockHash;
      this.answer(id, isThere ? `is written in #${at}` : `is not written: another block stands at #${at}`);
    }
  }

  private answer(id: number, fate: string): void {
    this.say(`answers: ${this.pending.get(id)?.name} ${fate}`);
    this.pending.delete(id);
  }
}
