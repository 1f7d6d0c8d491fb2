import type { HashHex } from "../../shared/ids.js";
import { type Height, height } from "../../shared/ids.js";
import { type BlockVerifier, type ChainState, EMPTY_CHAIN } from "../../shared/log/chain.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import type { BlockIndex } from "../../shared/log/index.js";
import { type Clock, sleep } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { FoundBlock, IntegrityStore } from "../storage/integrity-port.js";
import type { StoredEntry } from "../storage/port.js";
import type { IncidentFinding } from "./incident-record.js";
import type { Proof, Suspicion } from "./inspector.js";
import type { Keeping } from "./keeping.js";
import type { Paced } from "./own-records.js";
import { type Haste, Pace } from "./pace.js";
import type { KeptPlaces } from "./place-file.js";
import { isCommitted, isConsistent, pastUnknown, stateBySelf, unprovedFindings } from "./unproved.js";

const READ_LIMIT = { bytesMax: 1024 * 1024, blocksMax: 64 };
const NOT_HELD_MS = 500;
/** Missing blocks that are looked at together. */
const MISSING_AT_ONCE = 256;
/** Heights of one page of anchors. */
const PAGE_HEIGHTS = 256;

/** A block that verified, as far as its entry needs it. */
export interface VerifiedBlock {
  readonly found: FoundBlock;
  readonly events: readonly LoggedEvent[];
  readonly index: BlockIndex;
}

/** What the running pass found that no anchor proves, as a page of them is gone and the headers do not lead there. */
interface Unproved {
  /** The block that is in the way. */
  readonly at: number;
  /** Nothing is asked for a proof of up to here. */
  readonly through: number;
}

export interface ScrubParts {
  readonly store: Pick<IntegrityStore, "blocksAt" | "blocksFrom" | "entriesBetween" | "anchorStanding">;
  readonly places: Pick<KeptPlaces, "places" | "set">;
  readonly verifyBlock: BlockVerifier;
  readonly committedAt: (at: Height) => Promise<Proof>;
  readonly heldThrough: () => Height;
  /** The state after a block whose header and frontier are what they should be; null if they are not. */
  readonly stateAt: (found: FoundBlock) => Promise<ChainState | null>;
  /** Looks at it once more, and tells of it if it is not what was committed. */
  readonly inspect: (from: Height, through: Height, suspicion: Suspicion) => Promise<void>;
  /** What entries that are read from now on have terms of; null while they may be missing. */
  readonly paths: () => readonly string[] | null;
  readonly compareEntries: (
    blocks: readonly VerifiedBlock[],
    entries: readonly StoredEntry[],
    paths: readonly string[] | null,
  ) => Promise<void>;
  /** Looks at what this node keeps beside its log, part by part. */
  readonly checkOwnRecords: (paced: Paced) => Promise<void>;
  readonly keeping: Pick<Keeping, "plantedAt">;
  readonly note: (finding: IncidentFinding) => void;
  readonly clock: Clock;
  /** Nothing else finds what is altered now. */
  readonly isAlone: () => boolean;
  /** No change from now on is missed. */
  readonly isSeen: () => boolean;
}

/** How far the log was verified where it lies. */
export interface Coverage {
  /** The last sequence that the newest pass over the whole log reached; -1 before the first. */
  readonly verifiedThrough: number;
  readonly lastPassAt: string | null;
  /** When the block that waits longest for its next look was verified, at the latest; null if it never was. */
  readonly oldestVerifiedAt: string | null;
  /** The height up to which the running pass has come; null between two passes. */
  readonly passHeight: number | null;
  /** Of the running or the newest pass, rests included; null before this process has verified anything. */
  readonly passBlocksPerSecond: number | null;
}

/**
 * Reads all blocks, entries and anchors again and again, from the genesis on, and recomputes every hash, link, root, signature
 * and term; at the end of each pass it looks at what stands beside the log. It goes on where it was after a restart, and past what it finds.
 */
export class Scrub {
  /** Somebody waits for the end of a pass. */
  isAwaited = false;
  /** It is known that much was changed, and not what. */
  isHurried = false;
  private isStopped = false;
  private isAnew = false;
  private stepCount = 0;
  private blocksPerSecond: number | null = null;
  private readonly pace: Pace;
  private unproved: Unproved = { at: 0, through: 0 };
  /** They are those of blocks that are proved, as far as it went. */
  private areMembersKnown = true;
  /** The page of anchors that was looked at last, in this pass. */
  private page = { number: -1, isGone: false };
  /** This process has come to the log's end once. */
  private hasEnded = false;
  /** Up to here it went on where an earlier process was: what that one verified may have been altered while none ran. */
  private unreadThrough = Number.POSITIVE_INFINITY;

  constructor(private readonly parts: ScrubParts) {
    this.pace = new Pace(parts);
  }

  /** The first pass began amidst the log: what is below waits for another one. */
  get hasSkipped(): boolean {
    return this.hasEnded && this.unreadThrough > 0;
  }

  /** Grows with each part that was looked at, and with each pass. */
  get steps(): number {
    return this.stepCount;
  }

  get coverage(): Coverage {
    const { scrub, lastPass } = this.parts.places.places;
    return {
      verifiedThrough: lastPass?.lastSequence ?? -1,
      lastPassAt: lastPass?.endedAt ?? null,
      oldestVerifiedAt: lastPass?.startedAt ?? null,
      passHeight: scrub?.height ?? null,
      passBlocksPerSecond: this.blocksPerSecond,
    };
  }

  /** When a pass last had verified this height, at the earliest. */
  verifiedAt(at: Height): string | null {
    const { scrub, lastPass } = this.parts.places.places;
    if (scrub !== null && at <= scrub.height) return scrub.startedAt;
    return lastPass !== null && at <= lastPass.height ? lastPass.startedAt : null;
  }

  stop(): void {
    this.isStopped = true;
  }

  /** What the running pass has verified may have been altered since, and nobody has seen it. */
  beginAnew(): void {
    this.isAnew = true;
  }

  /** One pass over all that is committed as it begins; true if it came to its end. */
  async pass(): Promise<boolean> {
    const { places, clock, heldThrough } = this.parts;
    let state = await this.begin();
    // What comes later is the next pass's: a log that grows faster than it is verified would keep this one for ever.
    let end: Height | null = null;
    let [begunAt, from] = [clock.now(), state.height];
    while (!this.isStopped) {
      const held = heldThrough();
      if (held === 0) {
        // The store is being recovered, or holds nothing yet.
        await sleep(clock, NOT_HELD_MS);
        if (heldThrough() === 0 && state.height === 0) return false;
        continue;
      }
      // A log that was emptied or lost is copied anew: what was verified is not what is here.
      if (this.isAnew || held < state.height) {
        this.isAnew = false;
        places.set({ scrub: null });
        state = await this.begin();
        end = null;
        [begunAt, from] = [clock.now(), state.height];
      }
      end ??= held;
      const through = height(Math.min(end, held));
      if (state.height >= through) {
        await this.parts.checkOwnRecords((work) => this.paced(work));
        if (this.isStopped) return false;
        if (this.isAnew) continue;
        this.end(state);
        return true;
      }
      const before = state;
      state = await this.paced(async () => {
        const after = await this.step(before, through);
        // What was not looked at any more, or was lost meanwhile, comes again.
        if (this.isStopped || heldThrough() < after.height) return before;
        places.set({ scrub: { startedAt: clock.wall(), ...places.places.scrub, height: after.height } });
        if (this.hasEnded && after.height >= this.unreadThrough) this.unreadThrough = 0;
        return after;
      });
      this.blocksPerSecond = Math.round((state.height - from) / Math.max(0.001, (clock.now() - begunAt) / 1_000));
    }
    return false;
  }

  /** Does one part of a pass, and rests as long as belongs to it. */
  private async paced<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.parts;
    const startedAt = clock.now();
    const done = await work();
    this.stepCount += 1;
    await this.pace.rest(clock.now() - startedAt, this.haste);
    return done;
  }

  private get haste(): Haste {
    if (this.isAwaited) return "awaited";
    return this.isHurried || !this.hasEnded || this.hasSkipped ? "first" : "none";
  }

  private async begin(): Promise<ChainState> {
    this.unproved = { at: 0, through: 0 };
    this.areMembersKnown = true;
    this.page = { number: -1, isGone: false };
    const state = await this.beginning();
    if (!this.hasEnded) this.unreadThrough = Math.min(this.unreadThrough, state.height);
    return state;
  }

  private async beginning(): Promise<ChainState> {
    const { places, store, stateAt, clock } = this.parts;
    const { scrub } = places.places;
    if (scrub !== null && scrub.height > 0) {
      const [found] = await store.blocksFrom(height(scrub.height), { bytesMax: 0, blocksMax: 1 });
      const state = found?.at === scrub.height ? await stateAt(found) : null;
      if (state !== null) return state;
    }
    places.set({ scrub: { height: 0, startedAt: clock.wall(), isSeen: this.parts.isSeen() } });
    return EMPTY_CHAIN;
  }

  private end(state: ChainState): void {
    const { places, clock } = this.parts;
    const startedAt = places.places.scrub?.startedAt ?? clock.wall();
    const lastPass = { startedAt, endedAt: clock.wall(), height: state.height, lastSequence: state.range.size - 1 };
    places.set({ scrub: null, lastPass });
    this.stepCount += 1;
    // The log may be shorter than it was.
    if (this.hasEnded) this.unreadThrough = 0;
    this.hasEnded = true;
  }

  private async step(before: ChainState, through: Height): Promise<ChainState> {
    const { store, verifyBlock, inspect, clock } = this.parts;
    const from = height(before.height + 1);
    const found = (await store.blocksFrom(from, READ_LIMIT)).filter(({ at }) => at <= through);
    const last = found.at(-1);
    const paths = this.parts.paths();
    const entries = last === undefined ? [] : await store.entriesBetween(from, height(Math.floor(last.at)));
    for (const { at } of entries) if (!Number.isSafeInteger(at)) await this.tellOfStranger(at, 0 - at);
    const sound: VerifiedBlock[] = [];
    let state = before;
    for (const one of found) {
      if (!Number.isSafeInteger(one.at)) {
        await this.tellOfStranger(one.at, one.at);
        continue;
      }
      const next = height(state.height + 1);
      if (one.at < next) continue;
      if (one.at > next) {
        await this.inspectMissing(next, height(one.at - 1));
        // It cannot be checked against what is missing: it fails, and is looked at by its anchor.
        state = pastUnknown(state, one.at - 1);
      }
      await clock.breathe();
      let verdict = verifyBlock(state, one.block);
      await this.lookAtPage(next, verdict.ok ? verdict.next.clusterId : state.clusterId, through);
      const proof = await this.proofOf(height(one.at));
      if (!verdict.ok && proof !== null && !this.areMembersKnown) {
        const { members, clusterId } = await this.pastAltered(state, one, proof);
        verdict = verifyBlock({ ...state, members, clusterId }, one.block);
      }
      if (verdict.ok && isCommitted(one, proof?.blockHash ?? one.block.blockHash)) {
        state = verdict.next;
        sound.push({ found: one, events: verdict.events, index: verdict.index });
        continue;
      }
      if (proof === null) {
        state = await this.pastUnproved(state, one);
        continue;
      }
      const isSignatureBad = this.areMembersKnown && !verdict.ok && verdict.fault === "bad_signature";
      const at = height(one.at);
      await inspect(at, at, { foundBy: "scrub", ...(isSignatureBad ? { isSignatureBad } : {}) });
      state = await this.pastAltered(state, one, proof);
    }
    if (last === undefined) {
      await this.inspectMissing(from, through);
      return { ...state, height: through };
    }
    await this.parts.compareEntries(sound, entries, paths);
    return state;
  }

  /** Part by part: much takes long to look at, and is no silence. */
  private async inspectMissing(from: Height, through: Height): Promise<void> {
    for (let at = from; at <= through && !this.isStopped; at = height(at + MISSING_AT_ONCE)) {
      const last = height(Math.min(through, at + MISSING_AT_ONCE - 1));
      await this.paced(() => this.parts.inspect(at, last, { foundBy: "scrub" }));
    }
  }

  /** null: nothing proves it. What is in the way is looked at once; each block of such a page would lead there again. */
  private async proofOf(at: Height): Promise<Proof | null> {
    if (at <= this.unproved.through) return null;
    try {
      return await this.parts.committedAt(at);
    } catch (error) {
      if (!(error instanceof AlteredBlock)) throw error;
      const isNew = error.height !== this.unproved.at;
      this.unproved = { at: error.height, through: Math.max(at, error.height) };
      if (!isNew) return null;
      if (this.page.isGone)
        this.tellOfPage(this.page.number, `is gone, and cannot be made anew, as block ${error.height} is altered`);
      await this.parts.inspect(error.height, error.height, { foundBy: "scrub" });
      return null;
    }
  }

  /** Past a block that fails and that nothing proves. It was read a while ago: before anything is told, it is looked at once more. */
  private async pastUnproved(before: ChainState, found: FoundBlock): Promise<ChainState> {
    const { store, inspect, note } = this.parts;
    const at = height(found.at);
    if (!isConsistent(found, before)) {
      // What is in the way may have been put back.
      this.unproved = { ...this.unproved, through: 0 };
      const proof = await this.proofOf(at);
      if (proof !== null) {
        await inspect(at, at, { foundBy: "scrub" });
        return this.pastAltered(before, found, proof);
      }
      const again = await store.blocksAt([height(at - 1), at]);
      for (const finding of unprovedFindings(at, again, { before, altered: this.unproved.at })) note(finding);
    }
    this.areMembersKnown = false;
    return stateBySelf(before, found);
  }

  /**
   * If nothing of the block can be gone on from, the next one fails as well, is found sound by its anchor, and can. Where it is a
   * block of members that is altered, the header serves, with the members that were known before.
   */
  private async pastAltered(before: ChainState, found: FoundBlock, { blockHash }: Proof): Promise<ChainState> {
    const state = await this.parts.stateAt(found);
    this.areMembersKnown = state !== null;
    if (state !== null) return state;
    return isCommitted(found, blockHash) ? stateBySelf(before, found) : pastUnknown(before, found.at);
  }

  private async tellOfStranger(at: number, id: number): Promise<void> {
    const what = id > 0 ? "blocks, and no block" : "index entries, and no entry";
    const detail = `a document with the id ${id} stands among this node's ${what} has such an id`;
    const evidence = await this.parts.keeping.plantedAt(id, String(id));
    this.parts.note({ kind: "forged", foundBy: "scrub", heights: [Math.floor(at), Math.floor(at)], evidence, detail });
  }

  /** Before anything of it is proved: that makes one anew which is not ours. */
  private async lookAtPage(at: Height, clusterId: HashHex | "", through: Height): Promise<void> {
    const number = Math.floor(at / PAGE_HEIGHTS);
    const isWritten = (number + 1) * PAGE_HEIGHTS <= through + 1;
    if (number === this.page.number || clusterId === "" || !isWritten) return;
    const standing = await this.parts.store.anchorStanding(number, clusterId as HashHex);
    this.page = { number, isGone: standing === "absent" };
    if (standing === "altered") this.tellOfPage(number, "is not one that this node wrote");
  }

  private tellOfPage(number: number, what: string): void {
    const detail = `the page of anchors for blocks ${number * PAGE_HEIGHTS} to ${(number + 1) * PAGE_HEIGHTS - 1} ${what}`;
    this.parts.note({ kind: "state_altered", foundBy: "scrub", detail });
  }
}
