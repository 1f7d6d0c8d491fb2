import { isDeepStrictEqual } from "node:util";
import { majority } from "../../cluster/quorum.js";
import type { HashHex, Height, NodeId } from "../../shared/ids.js";
import { height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { rangeMatches } from "../../shared/log/chain.js";
import { type Clock, sleep } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import { BLOCK_KINDS, type Range } from "../storage/incident.js";
import type { FoundBlock, IntegrityStore } from "../storage/integrity-port.js";
import { type AlertRecord, type StoredBlock, StoreError } from "../storage/port.js";
import type { RepairStore } from "../storage/repair-port.js";
import { isWhole, type Proof } from "./inspector.js";
import type { PeerBlocks } from "./peer-blocks.js";
import type { KeptPlaces } from "./place-file.js";
import { countOf, covers } from "./ranges.js";

/** Blocks that are compared, fetched and written together: each may have 4 MiB. */
const PIECE_BLOCKS = 8;
/** A store that is being opened again is waited for so long. */
const STORE_WAIT_MS = 30_000;
const RETRY_MS = 250;
const FORGED_ROUNDS_MAX = 64;

/** Why something is not repaired, as a sentence for the person who asked for it. */
export class RepairRefused extends Error {}

export interface RepairParts {
  readonly nodeId: NodeId;
  readonly store: Pick<IntegrityStore, "blocksAt" | "keep" | "strangers">;
  readonly repairs: Pick<RepairStore, "putBlocks" | "removeForged">;
  readonly peers: Pick<PeerBlocks, "copies">;
  readonly committedAt: (at: Height) => Promise<Proof>;
  readonly heldThrough: () => Height;
  /** null while the store is being recovered. */
  readonly durableHeight: () => Height | null;
  readonly memberCount: () => number;
  /** Whether a member has signed it that led when it was sealed. */
  readonly isSealed: (block: Block) => Promise<boolean>;
  /** Between the replica's own writes. */
  readonly inOrder: (work: () => Promise<void>) => Promise<void>;
  /** Makes entries of these blocks anew that are not theirs; false while the whole index is made anew. */
  readonly mendEntries: (heights: readonly Height[]) => Promise<boolean>;
  readonly places: () => KeptPlaces | null;
  /** Resolves when every change that was made before it has been judged; false: some will be later, or never. */
  readonly watched: () => Promise<boolean>;
  readonly clock: Clock;
}

export interface RepairEvents {
  readonly onProgress: (done: number, of: number) => void;
  /** What was there is kept under this name. */
  readonly onKept: (name: string) => void;
}

/** Puts back what was committed: each block is proved by the hash that this node noted before it replaces anything. */
export class Repair {
  private isUnderWay = false;

  constructor(private readonly parts: RepairParts) {}

  /** Null, or why this cannot be repaired. */
  refusalOf({ kind, heights, node }: AlertRecord): string | null {
    if (node !== this.parts.nodeId) return `It is ${node}'s alert.`;
    if (kind === "index_differs" || kind === "forged") return null;
    if (!BLOCK_KINDS.has(kind))
      return `What is told as ${kind} cannot be put back. Rebuild the node, or dismiss the alert.`;
    if (heights === undefined) return "The whole collection is concerned: rebuild the node.";
    return null;
  }

  /** A write of the watch's own node: it is judged by what stands there, and not for having been made. */
  isOwnWrite(at: Height): boolean {
    return covers(this.parts.places()?.places.repair?.ranges ?? [], at);
  }

  /** Throws RepairRefused. Can be called again after a crash: what is sound by then is passed over. */
  async run(alert: AlertRecord, events: RepairEvents): Promise<void> {
    if (alert.kind === "forged") return this.takeOut(alert, events);
    const ranges = (alert.heights ?? []).map(([first, last]): Range => [Math.max(1, first), last]);
    if (alert.kind === "index_differs") return this.mendIndex(ranges);
    const places = this.parts.places();
    this.isUnderWay = true;
    places?.set({ repair: { id: alert.id, ranges: ranges.map(([first, last]) => [first, last]) } });
    await places?.write();
    try {
      await this.mendAll(ranges, events);
    } finally {
      // The watch must have seen the writes as this node's, if not now, then when it goes on.
      const areJudged = await this.parts.watched();
      this.isUnderWay = false;
      if (areJudged) this.onAllJudged();
      await places?.write();
    }
  }

  /** Every change that was made until now has been judged: no write of an earlier repair is still to be seen. */
  onAllJudged(): void {
    if (!this.isUnderWay) this.parts.places()?.set({ repair: null });
  }

  private async mendAll(ranges: readonly Range[], events: RepairEvents): Promise<void> {
    const of = countOf(ranges);
    let done = 0;
    for (const piece of piecesOf(ranges)) {
      await this.mend(piece, events);
      done += piece.length;
      events.onProgress(done, of);
      await this.parts.clock.breathe();
    }
  }

  private async mend(piece: readonly Height[], events: RepairEvents): Promise<void> {
    const { store } = this.parts;
    this.assertHeld(piece);
    const found = new Map((await store.blocksAt(piece)).map((one) => [one.at, one]));
    const proved: StoredBlock[] = [];
    for (const at of piece) {
      const sound = await this.soundBlock(at, found.get(at) ?? null);
      if (sound === null) continue;
      // Before anything is replaced.
      const kept = found.has(at) ? await store.keep(at) : null;
      if (kept !== null) events.onKept(kept);
      proved.push(sound);
    }
    if (proved.length > 0)
      await this.patiently(() => {
        // The store may have been opened again since, and end lower: a block above its end would be a stranger there.
        this.assertHeld(piece);
        return this.parts.repairs.putBlocks(proved);
      });
    await this.assertSound(piece);
    await this.parts.mendEntries(piece);
  }

  /** What this node does not hold at present is not repaired, and must not be told as if it were. */
  private assertHeld(heights: readonly Height[]): void {
    const last = Math.max(...heights);
    if (last > this.parts.heldThrough())
      throw new StoreError(
        "not_stored",
        `This node does not hold block ${last} at present: its store is being opened, or its log is being copied.`,
      );
  }

  /** The committed block as it has to be stored; null where it stands there already. */
  private async soundBlock(at: Height, found: FoundBlock | null): Promise<StoredBlock | null> {
    const { peers, isSealed, memberCount, nodeId } = this.parts;
    const { blockHash } = await this.proofOf(at);
    if (found !== null && isWhole(found, blockHash) && (await isSealed(found.block))) return null;
    const copies = await peers.copies(at, blockHash);
    if (copies.contradicting.length >= majority(memberCount()))
      throw new RepairRefused(
        `${copies.contradicting.join(", ")} have noted another block ${at} than ${nodeId} has, and are a majority. Which log is the true one is not decided by their number: compare both with a copy that you trust, then rebuild the nodes that are wrong, or dismiss the alert.`,
      );
    const { block } = copies;
    if (block === null) throw new RepairRefused(noCopy(at, blockHash));
    const frontier = [copies.frontier, found?.frontier ?? []].find((hashes) =>
      rangeMatches({ size: block.header.treeSize, hashes }, block.header),
    );
    if (frontier === undefined)
      throw new RepairRefused(
        `No member has given the hashes of the tree after block ${at}. Nothing was replaced there.`,
      );
    return { block, frontier };
  }

  private async proofOf(at: Height): Promise<Proof> {
    try {
      return await this.parts.committedAt(at);
    } catch (error) {
      if (!(error instanceof AlteredBlock)) throw error;
      throw new RepairRefused(
        `Which block ${at} was committed cannot be proved by this node any more (${error.message}). Rebuild the node.`,
      );
    }
  }

  private async assertSound(due: readonly Height[]): Promise<void> {
    const found = new Map((await this.parts.store.blocksAt(due)).map((one) => [one.at, one]));
    for (const at of due) {
      const one = found.get(at);
      if (one === undefined || !isWhole(one, (await this.proofOf(at)).blockHash))
        throw new RepairRefused(`Block ${at} was altered again while it was repaired.`);
    }
  }

  private async mendIndex(ranges: readonly Range[]): Promise<void> {
    for (const piece of piecesOf(ranges)) {
      this.assertHeld(piece);
      if (!(await this.parts.mendEntries(piece)))
        throw new RepairRefused("The index is being made anew at present. Ask again when it is whole.");
    }
  }

  /** Documents that no node of this log wrote. */
  private async takeOut({ heights = [] }: AlertRecord, { onKept }: RepairEvents): Promise<void> {
    const { store, repairs, isSealed } = this.parts;
    const besides = heights.flatMap(([first, last]) => (first === last ? [first] : []));
    for (let round = 0; round < FORGED_ROUNDS_MAX; round++) {
      let taken: string[] = [];
      let isAnyNew = false;
      // Who was a member is proved before: a walk through headers writes in the same order, and would wait for itself there.
      const judged: { readonly block: Block; readonly isGood: boolean }[] = [];
      await this.patiently(async () => {
        judged.length = 0;
        for (const { block } of await store.strangers(this.durable()))
          if (isInPlace(block)) judged.push({ block: block.block, isGood: await isSealed(block.block) });
      }, atOnce);
      await this.patiently(async () => {
        const ids: unknown[] = [];
        for (const { rawId, block } of await store.strangers(this.durable())) {
          const known = isInPlace(block) ? judged.find((one) => isSame(one.block, block.block)) : { isGood: false };
          if (known === undefined) isAnyNew = true;
          else if (!known.isGood) ids.push(rawId);
        }
        taken = await repairs.removeForged(ids, besides);
      });
      for (const name of taken) onKept(name);
      if (taken.length === 0 && !isAnyNew) return;
    }
    throw new RepairRefused("Documents are put there faster than they are taken out.");
  }

  private durable(): Height {
    const durable = this.parts.durableHeight();
    if (durable === null) throw new StoreError("not_stored", "The store is being recovered.");
    return durable;
  }

  /** A store that is lost is opened again, and then it is tried once more. */
  private async patiently(work: () => Promise<void>, run = this.parts.inOrder): Promise<void> {
    const { clock } = this.parts;
    const until = clock.now() + STORE_WAIT_MS;
    for (;;) {
      try {
        return await run(work);
      } catch (error) {
        if (!(error instanceof StoreError) || clock.now() > until) throw error;
        await sleep(clock, RETRY_MS);
      }
    }
  }
}

const atOnce = (work: () => Promise<void>): Promise<void> => work();

const isInPlace = (found: FoundBlock | null): found is FoundBlock =>
  found !== null && found.block.header.height === found.at;

/** In all that says whether a member has signed it. */
const isSame = (a: Block, b: Block): boolean =>
  isDeepStrictEqual(a.signature, b.signature) && isDeepStrictEqual(a.header, b.header);

const noCopy = (at: number, blockHash: HashHex): string =>
  `No member that answers has block ${at} as it was committed (${blockHash.slice(0, 16)}…), signed by its leader. Nothing was replaced there.`;

function* piecesOf(ranges: readonly Range[]): Generator<Height[]> {
  let piece: Height[] = [];
  for (const [first, last] of ranges)
    for (let at = first; at <= last; at++) {
      piece.push(height(at));
      if (piece.length < PIECE_BLOCKS) continue;
      yield piece;
      piece = [];
    }
  if (piece.length > 0) yield piece;
}
