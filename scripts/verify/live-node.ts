import { ask, type BlockAnswer, type EventAnswer, NoAnswer } from "./api.js";
import {
  type Chain,
  chainAfter,
  differs,
  NO_BLOCKS,
  verifyDerived,
  verifyHeader,
  verifySignature,
  verifySizes,
} from "./block.js";
import type { Event } from "./body.js";
import { sha256Hex } from "./bytes.js";
import { verifyShown } from "./event-view.js";
import type { ExpectedHead } from "./expected.js";
import { Fault } from "./fault.js";
import type { Findings } from "./findings.js";
import { type Header, headerOf, signedTextOf } from "./header.js";
import { indexOf } from "./index-hash.js";
import { Tree } from "./tree.js";

const PAGE_EVENTS = 500;

export interface LiveNodeOptions {
  readonly id: string;
  readonly url: string;
  readonly findings: Findings;
  readonly signatures: boolean;
  readonly expected: ExpectedHead | null;
}

/** One node of a live cluster: its blocks, and its events as it shows them, held against each other. */
export class LiveNode {
  chain: Chain = NO_BLOCKS;
  /** Why it could not be verified to the end. */
  silence: string | null = null;
  private isBroken = false;
  /** Blocks were passed over: keys that they have admitted are not known. */
  private hasGap = false;
  private isShowing = true;
  private isAtEnd = false;
  private waiting: EventAnswer[] = [];
  private cursor: string | null = null;

  constructor(readonly options: LiveNodeOptions) {}

  get id(): string {
    return this.options.id;
  }

  blockAt(height: number): Promise<BlockAnswer | Error> {
    return ask<BlockAnswer>(this.options.url, `/api/v1/blocks/${height}`, this.id).catch((error: Error) => error);
  }

  /** The next block, as it came; the hash that it has. */
  async judge(height: number, answer: BlockAnswer | Error, isLast: boolean): Promise<string | null> {
    const { id, findings } = this.options;
    if (answer instanceof Error) {
      if (!(answer instanceof NoAnswer)) throw answer;
      if (answer.code === "event_altered")
        findings.add({ node: id, height, field: "block", fault: "altered", detail: answer.message });
      else this.silence ??= answer.message;
      this.skip(height);
      return null;
    }
    try {
      return await this.verify(height, answer, isLast);
    } catch (error) {
      if (error instanceof NoAnswer) this.silence ??= error.message;
      else if (error instanceof Fault) findings.addFault(id, height, error);
      else throw error;
      this.skip(height);
      return null;
    }
  }

  private skip(height: number): void {
    this.chain = { ...this.chain, height };
    this.isBroken = true;
    this.hasGap = true;
  }

  private async verify(height: number, answer: BlockAnswer, isLast: boolean): Promise<string> {
    const { signatures, expected } = this.options;
    const header = headerOf(answer.header);
    const text = signedTextOf(answer.header) ?? "";
    const blockHash = sha256Hex(text);
    if (blockHash !== answer.blockHash) throw differs("bad_hash", "blockHash", answer.blockHash, blockHash);
    const before = this.isBroken ? this.before(header, answer) : this.chain;
    if (header.height !== height) throw differs("bad_link", "height", header.height, height);
    const keys = verifyHeader(before, header);
    const isSigned = signatures || isLast;
    if (isSigned && !this.hasGap)
      verifySignature(keys, { header, text, signature: Buffer.from(answer.signature, "hex") });
    verifySizes(before.tree, header);
    const stored = Tree.of(header.firstSequence, answer.frontierBefore.map(bytes));
    if (stored?.root !== before.tree.root)
      throw new Fault("bad_root", "frontierBefore", "it is not the tree of the log before");
    const leaves = answer.leaves.map(bytes);
    if (leaves.length !== header.eventCount) throw differs("bad_link", "eventCount", header.eventCount, leaves.length);
    const events = await this.events(header, leaves, this.isBroken ? null : before.headHash);
    const tree = verifyDerived(before, header, { events, index: events === null ? null : indexOf(events), leaves });
    if (!this.isBroken) expected?.pass(before.tree, leaves);
    this.chain = chainAfter(before, { header, keys, tree, blockHash });
    this.isBroken = false;
    return blockHash;
  }

  /** After what could not be verified: as the block itself says it. */
  private before(header: Header, { frontierBefore }: BlockAnswer): Chain {
    const { chain } = this;
    const tree = Tree.of(header.firstSequence, frontierBefore.map(bytes)) ?? new Tree();
    const headHash = header.eventCount === 0 ? header.headHash : chain.headHash;
    const clusterId = chain.clusterId || header.clusterId;
    return { ...chain, tree, headHash, clusterId, height: header.height - 1, blockHash: header.previousBlockHash };
  }

  /** Those of one block, each recomputed from what is shown; null where the node does not show them. */
  private async events(header: Header, leaves: readonly Buffer[], previous: string | null): Promise<Event[] | null> {
    const events: Event[] = [];
    let previousHash = previous;
    for (const [i, leaf] of leaves.entries()) {
      const sequence = header.firstSequence + i;
      const next = await this.nextShown(sequence);
      if (next === null) return null;
      const event = verifyShown(next, { sequence, previousHash });
      if (!event.leaf.equals(leaf))
        throw new Fault("bad_root", "leaves", "the block has another leaf for it", { sequence });
      events.push(event);
      previousHash = event.hash;
    }
    return events;
  }

  private async nextShown(sequence: number): Promise<EventAnswer | null> {
    while (this.isShowing && (this.waiting[0]?.sequence ?? -1) < sequence) {
      if (this.waiting.shift() === undefined) await this.nextPage(sequence);
    }
    return this.isShowing ? (this.waiting.shift() ?? null) : null;
  }

  private async nextPage(sequence: number): Promise<void> {
    const { url, id, findings } = this.options;
    if (this.isAtEnd) {
      this.isShowing = false;
      this.silence ??= `it does not show event ${sequence}, which one of its blocks has`;
      return;
    }
    const after = this.cursor === null ? "" : `&after=${encodeURIComponent(this.cursor)}`;
    const path = `/api/v1/events?order=asc&limit=${PAGE_EVENTS}${after}`;
    try {
      const page = await ask<{ events: EventAnswer[]; next?: string }>(url, path, id);
      this.waiting = page.events;
      this.isAtEnd = page.next === undefined || (page.events.length === 0 && page.next === this.cursor);
      this.cursor = page.next ?? null;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.isShowing = false;
      if (error.code === "event_altered")
        findings.add({
          node: id,
          field: "block",
          fault: "altered",
          detail: `it cannot show its events: ${error.message}`,
        });
      else this.silence ??= error.message;
    }
  }
}

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
