import { fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { EMPTY_TREE_ROOT, sha256Hex } from "../../shared/hash.js";
import { headerBytes } from "../../shared/log/block.js";
import { type EventView, payloadCommitment, recordOfView, recordText } from "../../shared/log/event.js";
import { appendLeaves, leafHash, rangeLength, rootOf } from "../../shared/merkle/compact-range.js";
import type { BlockView } from "../../shared/protocol/http.js";
import type { Evidence } from "./steps.js";

const FINDINGS_MAX = 100;

/** What is checked, and of what. */
export const CHECKS = {
  payload: "Commitment of the payload",
  record: "Hash of the record",
  link: "Link to the event before",
  leaf: "Leaf in its block",
  root: "Merkle root of the log up to the block",
  header: "Hash of the block's header",
  blockLink: "Link to the block before",
  signature: "Signature of the block's leader",
} as const;
export type CheckName = keyof typeof CHECKS;

export interface CheckCount {
  held: number;
  failed: number;
  /** Neither could be told: what it is held against is not there. */
  open: number;
}

export interface Finding {
  readonly check: string;
  readonly sequence?: number;
  readonly height?: number;
  readonly computed: string;
  readonly expected: string;
}

export interface RangeReport {
  readonly format: "quorumlog/check/v1";
  readonly source: string;
  readonly checkedAt: string;
  readonly verdict: "sound" | "altered" | "nothing";
  readonly events: number;
  readonly blocks: number;
  readonly first: number | null;
  readonly last: number | null;
  readonly headHash: string;
  readonly checks: Readonly<Record<CheckName, CheckCount>>;
  readonly findings: readonly Finding[];
  readonly furtherFindings: number;
}

type Place = Pick<Finding, "sequence" | "height">;

/** Checks events and their blocks, in the order of the log, by the code that nodes use. */
export class RangeChecker {
  private readonly checks = Object.fromEntries(
    Object.keys(CHECKS).map((name) => [name, { held: 0, failed: 0, open: 0 }]),
  ) as Record<CheckName, CheckCount>;
  private readonly findings: Finding[] = [];
  private furtherFindings = 0;
  private events = 0;
  private blocks = 0;
  private first: number | null = null;
  private previous: { sequence: number; hash: string } | null = null;
  private previousBlock: { height: number; blockHash: string } | null = null;
  /** Of events whose blocks have not come yet. */
  private readonly leaves = new Map<number, string>();

  /** `whole`: a node was asked for all of these events, so none of them may be missing. A file may have left some out. */
  constructor(
    private readonly isSigned: Evidence["isSigned"],
    private readonly whole: { readonly from: number; readonly to: number } | null = null,
  ) {}

  event(event: EventView): void {
    const { sequence } = event;
    // As text it would give the same record, and stand in no block.
    if (!Number.isSafeInteger(sequence)) throw new Error("There is an event whose sequence is no whole number.");
    const at = { sequence };
    const payload = utf8(canonicalText(event.dataPayload));
    const record = utf8(recordText(recordOfView(event)));
    this.equal("payload", at, payloadCommitment(fromHex(event.payloadSalt), payload), event.payloadHash);
    this.equal("record", at, sha256Hex(record), event.hash);
    this.link(event);
    this.leaves.set(sequence, toHex(leafHash(record)));
    this.previous = { sequence, hash: event.hash };
    this.first ??= sequence;
    this.events += 1;
  }

  private link({ sequence, previousHash }: EventView): void {
    const at = { sequence };
    const due = this.previous === null ? this.whole?.from : this.previous.sequence + 1;
    if (due !== undefined && this.isMisplaced(sequence, due))
      this.found("link", at, `event ${sequence}`, `event ${due}`);
    else if (sequence === 0) this.equal("link", at, "", previousHash);
    else if (this.previous !== null && sequence === due) this.equal("link", at, this.previous.hash, previousHash);
    else this.checks.link.open += 1;
  }

  /** What is there twice is not in the log: one of the two would pass for the other. */
  private isMisplaced(place: number, due: number): boolean {
    return place < due || (place > due && this.whole !== null);
  }

  async block(block: BlockView): Promise<void> {
    const { header, blockHash, leaves } = block;
    const at = { height: header.height as number };
    const bytes = headerBytes(header);
    this.equal("header", at, sha256Hex(bytes), blockHash);
    this.equal("root", at, rootAfter(block), header.rootHash);
    for (const [i, leaf] of leaves.entries()) {
      const sequence = header.firstSequence + i;
      const known = this.leaves.get(sequence);
      if (known === undefined) continue;
      this.equal("leaf", { sequence, ...at }, known, leaf);
      this.leaves.delete(sequence);
    }
    const due = this.previousBlock === null ? undefined : this.previousBlock.height + 1;
    if (due !== undefined && this.isMisplaced(header.height, due))
      this.found("blockLink", at, `block ${header.height}`, `block ${due}`);
    else if (this.previousBlock !== null && header.height === due)
      this.equal("blockLink", at, this.previousBlock.blockHash, header.previousBlockHash);
    else this.checks.blockLink.open += 1;
    this.previousBlock = { height: header.height, blockHash };
    await this.signature(block, bytes);
    this.blocks += 1;
  }

  private async signature({ header, signature, memberKeys }: BlockView, bytes: Uint8Array): Promise<void> {
    const key = memberKeys[header.leaderId];
    const at = { height: header.height as number };
    const verdict = key === undefined ? false : await this.isSigned(key, signature, bytes);
    if (verdict === null) this.checks.signature.open += 1;
    else if (verdict) this.checks.signature.held += 1;
    else this.found("signature", at, signature, key === undefined ? `a key of ${header.leaderId}` : `one by ${key}`);
  }

  private equal(check: CheckName, at: Place, computed: string, expected: string): void {
    if (computed === expected) this.checks[check].held += 1;
    else this.found(check, at, computed, expected);
  }

  private found(check: CheckName, at: Place, computed: string, expected: string): void {
    this.checks[check].failed += 1;
    if (this.findings.length < FINDINGS_MAX) this.findings.push({ check: CHECKS[check], ...at, computed, expected });
    else this.furtherFindings += 1;
  }

  report(source: string, checkedAt: string, { isStopped = false } = {}): RangeReport {
    // A node that is behind has not got them yet.
    if (this.whole !== null && !isStopped && (this.previous?.sequence ?? -1) < this.whole.to)
      this.checks.link.open += 1;
    // Their blocks never came.
    this.checks.leaf.open += this.leaves.size;
    this.leaves.clear();
    const isAltered = Object.values(this.checks).some(({ failed }) => failed > 0);
    const { events, blocks, first, previous, checks, findings, furtherFindings } = this;
    return {
      ...{ format: "quorumlog/check/v1", source, checkedAt },
      verdict: isAltered ? "altered" : events + blocks === 0 ? "nothing" : "sound",
      ...{ events, blocks, first, last: previous?.sequence ?? null, headHash: previous?.hash ?? "" },
      ...{ checks, findings, furtherFindings },
    };
  }
}

/** Whether something could not be told: but for what is before the range, which is no part of it. */
export function leavesOpen({ checks: { leaf, signature, link, blockLink }, first }: RangeReport): boolean {
  const isFromStart = first === null || first === 0;
  return leaf.open + signature.open > 0 || link.open > (isFromStart ? 0 : 1) || blockLink.open > 1;
}

function rootAfter({ header, frontierBefore, leaves }: BlockView): string {
  const size = header.firstSequence as number;
  if (leaves.length !== header.eventCount || frontierBefore.length !== rangeLength(size)) return "no tree of this size";
  if (header.treeSize === 0) return EMPTY_TREE_ROOT;
  return toHex(rootOf(appendLeaves({ size, hashes: frontierBefore.map(fromHex) }, leaves.map(fromHex))));
}
