import type { Logger } from "pino";
import { type HashHex, type Height, height, type NodeId } from "../../shared/ids.js";
import type { Block, BlockHeader } from "../../shared/log/block.js";
import { rangeMatches } from "../../shared/log/chain.js";
import { type Clock, sleep } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { FoundBy, IncidentKind, Range } from "../storage/incident.js";
import type { FoundBlock, IntegrityStore } from "../storage/integrity-port.js";
import { StoreError } from "../storage/port.js";
import { type BlockDifference, blockDifference, headerHash } from "./difference.js";
import { EventsBetween } from "./events-between.js";
import { firstDifference, type IncidentFinding } from "./incident-record.js";
import { kindOfWritten, ownDifference } from "./own-difference.js";
import { isBlock, type PeerCopies } from "./peer-blocks.js";
import { PutOff } from "./put-off.js";
import { bothOf } from "./suspicion-of.js";

/** Blocks that are read at once: each may have 4 MiB. */
const AT_ONCE = 8;
/** So many of one heap of suspects are compared with a peer's copy; the others are judged by their own hashes. */
const COMPARED_MAX = 64;
const RETRY_MS = 500;
/** An altered block that is read again and again is looked at so often. */
const READ_AGAIN_MS = 1_000;
/** Beside a store that answers, a block that could not be looked at so often cannot be read. */
const FAILURES_MAX = 20;
const KEEP_TRIES = 3;
const NOT_KEPT = "what stands there could not be kept";

/** Why a height is looked at. */
export interface Suspicion {
  readonly foundBy: FoundBy;
  /** By MongoDB's own log. */
  readonly changedAt?: string;
  /** Members of the document that somebody has written. No update of a block is this node's. */
  readonly written?: readonly string[];
  /**
   * Its signature is in doubt as well, which no hash covers: it was deleted at least once, as the node's own truncations do, too, and
   * whatever stands there again was inserted; or it was shown to nobody because of it.
   */
  readonly isSealInDoubt?: true;
  /** Its signature does not verify: nothing else may be wrong with it. */
  readonly isSignatureBad?: true;
}

/** The hash of a committed block, and of the newest event below it. */
export interface Proof {
  readonly blockHash: HashHex;
  readonly previousHash: HashHex | "";
}

/** And of the block below it. */
interface LinkedProof extends Proof {
  readonly previousBlockHash: HashHex;
}

type Suspected = readonly [Height, Suspicion];

interface Verdict {
  readonly at: Height;
  readonly finding: IncidentFinding;
  /** Of the committed block, where it is known. */
  readonly header: BlockHeader | null;
  /** It still stands so: it was not put back. */
  readonly isAltered: boolean;
}

export interface InspectorParts {
  readonly nodeId: NodeId;
  readonly store: Pick<IntegrityStore, "blocksAt" | "blocksFrom" | "keep">;
  readonly peers: { copies(at: Height, committed: HashHex): Promise<Pick<PeerCopies, "agreeing" | "block">> };
  /** Whether a member has signed it that led when it was sealed; null: it cannot be said. */
  readonly sealOf: (block: Block) => Promise<boolean | null>;
  readonly committedAt: (at: Height) => Promise<LinkedProof>;
  /** The store must hold every block up to here as it was committed. */
  readonly heldThrough: () => Height;
  readonly clock: Clock;
  readonly note: (finding: IncidentFinding) => void;
  /** When a pass last verified this height; null if none has. */
  readonly verifiedAt: (at: Height) => string | null;
  /** A committed block of this node is not what it was. */
  readonly onAltered: () => void;
  /** More was suspected before it was committed than is remembered: the whole log has to be looked at. */
  readonly onForgotten: () => void;
  readonly logger: Pick<Logger, "warn">;
}

/** Looks at what somebody suspects: reads it once more, and compares it with what was committed. */
export class Inspector {
  private readonly waiting = new Map<Height, Suspicion>();
  private readonly later = new PutOff();
  /** Heights that were found altered, and when, in monotonic milliseconds. */
  private readonly alteredAt = new Map<Height, number>();
  /** What reads have suspected of those since. */
  private readonly readAgain = new Map<Height, Suspicion>();
  /** The rounds until now: the last one takes all that waits. */
  private rounds: Promise<void> = Promise.resolve();
  private isRoundDue = false;
  private isStopped = true;
  private compared = 0;
  /** As what those were told that were compared. */
  private readonly alike = new Set<IncidentKind>();
  private readonly between = new EventsBetween();
  private readonly onLooks = new Set<() => void>();
  /** The last of those that are looked at together. It is always compared: so it says which events those before it have. */
  private end: Height | null = null;

  constructor(private readonly parts: InspectorParts) {}

  /** What was suspected before waits until then. */
  start(): void {
    this.isStopped = false;
    this.run();
  }

  stop(): void {
    this.isStopped = true;
  }

  suspect(at: Height, suspicion: Suspicion): void {
    const { waiting } = this;
    if (suspicion.foundBy === "read" && this.isJustFound(at)) {
      this.readAgain.set(at, suspicion);
      return;
    }
    waiting.set(at, bothOf(waiting.get(at), suspicion));
    this.run();
  }

  /** What could not be judged before, as it was not committed; and what is read again and again. */
  lookAgain(): void {
    const read = [...this.readAgain];
    this.readAgain.clear();
    for (const [at] of this.alteredAt) if (!this.isJustFound(at)) this.alteredAt.delete(at);
    for (const [at, suspicion] of read) this.suspect(at, suspicion);
    const through = this.parts.heldThrough();
    for (const [at, suspicion] of this.later.take(through)) this.suspect(at, suspicion);
    if (this.later.isForgottenDue(through)) this.parts.onForgotten();
  }

  /** Suspects each of them, and resolves once they were looked at. */
  async suspectAll(from: Height, through: Height, suspicion: Suspicion): Promise<void> {
    for (let at = from as number; at <= through; at++) this.suspect(height(at), suspicion);
    await this.idle();
  }

  /**
   * Resolves once all that is suspected by now was looked at, in the round under way and the next one: whoever suspects one
   * block again and again keeps nobody waiting. Calls `onLook` for each part meanwhile.
   */
  async idle(onLook: () => void = () => {}): Promise<void> {
    this.onLooks.add(onLook);
    try {
      await this.rounds;
    } finally {
      this.onLooks.delete(onLook);
    }
  }

  private isJustFound(at: Height): boolean {
    const foundAt = this.alteredAt.get(at);
    return foundAt !== undefined && this.parts.clock.now() - foundAt < READ_AGAIN_MS;
  }

  private run(): void {
    if (this.isStopped || this.waiting.size === 0 || this.isRoundDue) return;
    this.isRoundDue = true;
    // What one look finds comes together.
    const round = (): Promise<void> => this.round();
    this.rounds = this.rounds.then(round, round);
  }

  private async round(): Promise<void> {
    this.isRoundDue = false;
    this.compared = 0;
    this.alike.clear();
    this.between.forget();
    const due = [...this.waiting].sort(([a], [b]) => a - b);
    this.waiting.clear();
    this.end = due.at(-1)?.[0] ?? null;
    for (let i = 0; i < due.length && !this.isStopped; i += AT_ONCE) await this.look(due.slice(i, i + AT_ONCE));
  }

  /** One that cannot be looked at hides no other, whatever the reason. */
  private async look(due: readonly Suspected[]): Promise<void> {
    if ((await this.failureOf(due)) === null) return;
    let left = due;
    for (let failures = 0; left.length > 0 && !this.isStopped; ) {
      const failed: Suspected[] = [];
      for (const one of left) {
        const error = await this.failureOf([one]);
        if (error === null) continue;
        if (failures >= FAILURES_MAX || !(error instanceof StoreError)) this.tellUnreadable(one, error);
        else failed.push(one);
      }
      left = failed;
      if (left.length === 0) return;
      // A store that answers nothing is told of elsewhere.
      if (await this.isAnswering()) failures += 1;
      await sleep(this.parts.clock, RETRY_MS);
    }
  }

  private async failureOf(due: readonly Suspected[]): Promise<unknown> {
    try {
      await this.inspect(due);
      this.tellOfLook();
      return null;
    } catch (error) {
      this.parts.logger.warn({ err: error }, "what seems altered cannot be looked at yet: trying again");
      return error;
    }
  }

  private tellOfLook(): void {
    for (const onLook of this.onLooks) onLook();
  }

  private async isAnswering(): Promise<boolean> {
    return this.parts.store.blocksAt([]).then(
      () => true,
      () => false,
    );
  }

  private tellUnreadable([at, suspicion]: Suspected, error: unknown): void {
    const reason = error instanceof Error ? error.message : "";
    const detail = `block ${at} of ${this.parts.nodeId} cannot be read: ${reason}`;
    this.parts.note({ kind: "header_modified", ...this.about(at, suspicion), detail });
    this.onAltered([at, at]);
    this.tellOfLook();
  }

  private onAltered([first, last]: Range): void {
    for (let at = first; at <= last; at++) this.alteredAt.set(height(at), this.parts.clock.now());
    this.parts.onAltered();
  }

  private async inspect(due: readonly Suspected[]): Promise<void> {
    const through = this.parts.heldThrough();
    const judged = due.filter(([at]) => at <= through);
    for (const [at, suspicion] of due) if (at > through) this.later.put(at, suspicion);
    if (judged.length === 0) return;
    const found = new Map((await this.parts.store.blocksAt(judged.map(([at]) => at))).map((one) => [one.at, one]));
    const missing = judged.filter(([at]) => !found.has(at));
    const verdicts = judged.map(async ([at, suspicion]) => {
      const block = found.get(at);
      return block === undefined ? null : this.judge(at, block, suspicion);
    });
    for (const verdict of await Promise.all(verdicts)) {
      if (verdict === null) continue;
      const { at, finding, header } = verdict;
      this.parts.note(this.between.completed({ first: at, last: at, finding, from: header, to: header }));
      if (verdict.isAltered) this.onAltered([at, at]);
    }
    // A store that was lost meanwhile holds less by right.
    const held = this.parts.heldThrough();
    await this.judgeMissing(missing.filter(([at]) => at <= held));
  }

  private async judge(at: Height, found: FoundBlock, suspicion: Suspicion): Promise<Verdict | null> {
    const { alike } = this;
    const proof = await this.proofOf(at, suspicion);
    if (proof === null) return null;
    const written = suspicion.written ?? [];
    const isSound = isWhole(found, proof.blockHash);
    const isAltered = !isSound || suspicion.isSignatureBad === true || (await this.isUnsealed(found, suspicion));
    if (!isAltered && written.length === 0) return null;
    const evidence = isAltered ? await this.keep(at) : null;
    const copies = await this.copies(at, proof.blockHash);
    const sound = copies.block;
    const own = isAltered ? ownDifference(found, { ...proof, written, alike }) : null;
    const difference =
      sound === null ? own : blockDifference(found, { block: sound, previousHash: proof.previousHash });
    if (difference === null && written.length === 0) return null;
    if (sound !== null && difference !== null) alike.add(difference.kind);
    // Beside another link all of a header is as it was committed.
    const isOwnKnown = isSound || difference?.kind === "link_broken";
    const header = sound?.header ?? (isOwnKnown ? found.block.header : null);
    const finding: IncidentFinding = {
      ...(difference ?? { kind: kindOfWritten(written, sound === null ? alike : new Set()), differences: [] }),
      ...this.about(at, suspicion),
      sequences: sequencesOf(difference, header),
      agreeing: copies.agreeing,
      detail: `${describe(this.parts.nodeId, at, difference, written)}${isAltered && evidence === null ? `; ${NOT_KEPT}` : ""}`,
      ...(evidence === null ? {} : { evidence: [evidence] }),
    };
    return { at, finding, header, isAltered: difference !== null };
  }

  private async isUnsealed({ block }: FoundBlock, { isSealInDoubt }: Suspicion): Promise<boolean> {
    return isSealInDoubt === true && (await this.parts.sealOf(block)) === false;
  }

  /** Whoever alters a database may keep it from taking the evidence too: that is told without it. */
  private async keep(at: Height): Promise<string | null> {
    const { store, clock, logger } = this.parts;
    for (let tries = 1; ; tries++)
      try {
        return await store.keep(at);
      } catch (err) {
        logger.warn({ err }, `what stands in the place of block ${at} could not be kept`);
        if (tries === KEEP_TRIES) return null;
        await sleep(clock, RETRY_MS);
      }
  }

  private about(at: Height, { foundBy, changedAt }: Suspicion): Pick<IncidentFinding, "foundBy" | "heights"> {
    const lastKnownGoodAt = this.parts.verifiedAt(at);
    return {
      foundBy,
      heights: [at, at],
      ...(changedAt === undefined ? {} : { changedAt }),
      ...(lastKnownGoodAt === null ? {} : { lastKnownGoodAt }),
    };
  }

  /** Null: it cannot be said, because another block is altered, which is then looked at. */
  private async proofOf(at: Height, suspicion: Suspicion): Promise<LinkedProof | null> {
    try {
      return await this.parts.committedAt(at);
    } catch (error) {
      if (!(error instanceof AlteredBlock)) throw error;
      const detail = `block ${at} of ${this.parts.nodeId} cannot be proved: ${error.message}`;
      this.parts.note({ kind: "header_modified", ...this.about(error.height, suspicion), detail });
      this.onAltered([at, at]);
      return null;
    }
  }

  private async copies(at: Height, blockHash: HashHex): Promise<Pick<PeerCopies, "agreeing" | "block">> {
    if (this.compared >= COMPARED_MAX && at !== this.end) return { agreeing: [], block: null };
    this.compared += 1;
    return this.parts.peers.copies(at, blockHash);
  }

  private async judgeMissing(missing: readonly (readonly [Height, Suspicion])[]): Promise<void> {
    const { nodeId, note, store } = this.parts;
    for (let i = 0; i < missing.length; ) {
      const [first, suspicion] = missing[i] as readonly [Height, Suspicion];
      let last = first;
      while (missing[i + 1]?.[0] === last + 1) last = (missing[++i] as readonly [Height, Suspicion])[0];
      i += 1;
      const above = await store.blocksFrom(height(last + 1), { bytesMax: 0, blocksMax: 1 });
      const ends = await Promise.all([first, last].map((at) => this.committedCopy(at, suspicion)));
      const [from = null, to = null] = ends.map((copies) => copies?.block?.header);
      const hasEvents = from !== null && to !== null && to.treeSize > from.firstSequence;
      const begin = (from ?? to)?.firstSequence ?? 0;
      const sequences: Range[] = to !== null && to.treeSize > begin ? [[begin, to.treeSize - 1]] : [];
      const blocks = first === last ? `block ${first} is` : `blocks ${first} to ${last} are`;
      const events = hasEvents ? `, with events ${from.firstSequence} to ${to.treeSize - 1}` : "";
      const finding: IncidentFinding = {
        kind: above.length === 0 ? "truncated_tail" : "missing",
        ...this.about(first, suspicion),
        heights: [first, last],
        sequences,
        ...(ends[0] === null ? {} : { agreeing: ends[0]?.agreeing ?? [] }),
        detail: `${blocks} missing from the database of ${nodeId}${events}`,
      };
      note(this.between.completed({ first, last, finding, from, to }));
      this.onAltered([first, last]);
    }
  }

  private async committedCopy(
    at: Height,
    suspicion: Suspicion,
  ): Promise<Pick<PeerCopies, "agreeing" | "block"> | null> {
    const proof = await this.proofOf(at, suspicion);
    return proof === null ? null : this.copies(at, proof.blockHash);
  }
}

/** All of a stored block but its signature, which needs a member's key, or a sound copy. */
export function isWhole(found: FoundBlock, blockHash: HashHex): boolean {
  const { block, frontier } = found;
  return (
    headerHash(found) === blockHash &&
    block.blockHash === blockHash &&
    isBlock(block, blockHash) &&
    rangeMatches({ size: block.header.treeSize, hashes: frontier }, block.header)
  );
}

function sequencesOf(difference: BlockDifference | null, header: BlockHeader | null): Range[] {
  const named = (difference?.differences ?? []).flatMap(({ sequence }) => (sequence === undefined ? [] : [sequence]));
  if (named.length > 0) return [...new Set(named)].map((at) => [at, at]);
  if (header === null || header.eventCount === 0) return [];
  return [[header.firstSequence, header.treeSize - 1]];
}

function describe(nodeId: NodeId, at: Height, difference: BlockDifference | null, written: readonly string[]): string {
  const place = `block ${at} of ${nodeId}`;
  if (difference === null)
    return `${place} was changed and put back, or changed beside what is hashed (${[...new Set(written)].join(", ") || "all of it"})`;
  return `${place} is not what was committed: ${firstDifference(difference.differences)}`;
}
