import { Fault } from "./fault.js";
import type { Head } from "./findings.js";
import { Tree } from "./tree.js";

/** Holds a log, block after block, against the head of an earlier one: does it extend that? */
export class ExpectedHead {
  #isMet: boolean;

  constructor(private readonly head: Head) {
    this.#isMet = head.size === 0 && head.root === new Tree().root;
  }

  /** The leaves that follow a tree. Throws Fault if the log is another one. */
  pass(before: Tree, leaves: readonly Buffer[]): void {
    const { size, root } = this.head;
    if (size <= before.size || size > before.size + leaves.length) return;
    const found = before.with(leaves.slice(0, size - before.size)).root;
    if (found !== root) throw differs(`the first ${size} events have another root`, found, root);
    this.#isMet = true;
  }

  /** At the log's end. Throws Fault if it never came by. */
  end(size: number): void {
    if (this.#isMet) return;
    const { root } = this.head;
    if (size < this.head.size)
      throw differs(
        `the log has ${size} events, fewer than the ${this.head.size} that were expected`,
        `${size} events`,
        root,
      );
    throw differs(`the root of the first ${this.head.size} events could not be computed`, "unknown", root);
  }
}

const differs = (detail: string, stored: string, expected: string): Fault =>
  new Fault("not_extended", "rootHash", `${detail}: this log does not extend the expected head`, { stored, expected });
