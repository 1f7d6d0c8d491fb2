import type { Height, Term } from "../shared/ids.js";
import type { Effect } from "./types.js";

type Send = Extract<Effect, { kind: "send" }>;

interface StoreOperation {
  readonly opId: number;
  readonly kind: "save_state" | "save_mark" | "store_block" | "truncate";
  readonly startedAt: number;
  readonly height: Height | 0;
  /** For a vote of its own: the term in which the saved state votes for this node. */
  readonly ownVoteTerm: Term | 0;
  /** The block was replaced while its insert was under way: its completion says nothing about the present log. */
  isVoid: boolean;
}

/**
 * Persist before send. Storage operations are done one after the other, each durable before the next. A message speaks for
 * the hard state of its moment, so it waits until that is durable. (What rests on a block is not sent before its
 * completion: commit.ts, follower.ts.)
 */
export class StoreQueue {
  private nextOpId = 1;
  private readonly operations: StoreOperation[] = [];
  private gated: Send[] = [];

  constructor(private readonly gatedMessagesMax: number) {}

  get gatedMessages(): number {
    return this.gated.length;
  }

  ageOfOldestMs(now: number): number {
    return now - (this.operations[0]?.startedAt ?? now);
  }

  begin(kind: StoreOperation["kind"], startedAt: number, of: { height?: Height; ownVoteTerm?: Term | 0 } = {}): number {
    const opId = this.nextOpId++;
    this.operations.push({
      opId,
      kind,
      startedAt,
      height: of.height ?? 0,
      ownVoteTerm: of.ownVoteTerm ?? 0,
      isVoid: false,
    });
    return opId;
  }

  send(effect: Send, effects: Effect[]): void {
    if (!this.isSavingState) effects.push(effect);
    else if (this.gated.length < this.gatedMessagesMax) this.gated.push(effect);
  }

  /** The blocks from `from` up were replaced, also those that are on their way to the store. */
  voidFrom(from: Height): void {
    for (const operation of this.operations)
      if (operation.kind === "store_block" && operation.height >= from) operation.isVoid = true;
  }

  /** Takes the completion of the oldest operation, and gives out what has waited for it. Null if the block was replaced. */
  complete(opId: number, effects: Effect[]): StoreOperation | null {
    const done = this.operations.shift();
    if (done === undefined || done.opId !== opId) throw new Error(`storage completed ${opId} out of order`);
    if (!this.isSavingState) {
      effects.push(...this.gated);
      this.gated = [];
    }
    return done.isVoid ? null : done;
  }

  private get isSavingState(): boolean {
    return this.operations.some(({ kind }) => kind === "save_state");
  }
}
