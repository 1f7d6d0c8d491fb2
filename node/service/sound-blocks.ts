import type { Height, NodeId } from "../../shared/ids.js";
import { SOUND_BLOCKS_MAX } from "../../shared/limits.js";
import { type Block, type BlockHeader, decodeBlock, encodeBlock } from "../../shared/log/block.js";
import { parseHeader } from "../../shared/protocol/messages.js";
import type { AnswerTo, QuestionOf } from "../../shared/protocol/requests.js";
import { timestampMillis } from "../../shared/timestamp.js";
import type { Clock } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import type { ProvedBlocks } from "../replica/proved-blocks.js";
import { SharedRuns } from "../replica/shared-runs.js";
import { type LogReader, StoreError } from "../storage/port.js";
import { AskedInTurn, type AskLimits } from "./asked-in-turn.js";
import { LostPlace } from "./page-builder.js";
import type { PeerDesk } from "./parts.js";
import { PlaceFinder } from "./place-finder.js";

const PATH = "sound-blocks";
type Wanted = QuestionOf<typeof PATH>;

/** Other nodes' blocks that are kept, in bytes. */
const LENT_BYTES_MAX = 8 * 1024 * 1024;
/** One answer brings so much, and one block more. */
const GIVEN_BYTES_MAX = 1024 * 1024;
const FETCHES_AT_ONCE = 2;
const LIMITS: AskLimits = { atOnceMax: FETCHES_AT_ONCE, answerMsMax: 1_000, askMsMax: 2_000 };

/** Where searches find blocks. */
export type BlockSource = Pick<
  ProvedBlocks,
  "read" | "one" | "holding" | "header" | "sealedAt" | "knownSealedAt" | "places" | "noteOf" | "atHandAt"
> & {
  /** Another node's copy, if it is at hand. */
  lentAt?(at: Height): ProvedBlock | null;
};

/** This node's own copies are not what was committed, and nobody else's are at hand. */
export class Unproved extends AlteredBlock {
  constructor(
    first: AlteredBlock,
    readonly heights: readonly Height[],
  ) {
    super(first.height, first.fault);
  }
}

export interface SoundBlocksParts {
  readonly own: ProvedBlocks;
  readonly reader: LogReader;
  readonly commitHeight: () => Height;
  readonly desk: Pick<PeerDesk, "handle" | "request">;
  readonly others: readonly NodeId[];
  readonly clock: Pick<Clock, "now">;
}

/**
 * Committed blocks for reads. Where this node's own copy does not prove, another node's that was fetched before is given,
 * proved by the same hashes. Whoever is told that there is none can have it fetched, and then reads again.
 */
export class SoundBlocks implements BlockSource {
  private readonly lent = new Map<Height, ProvedBlock>();
  private bytes = 0;
  /** Further blocks of what was read last: they come with the next one that is asked for. */
  private wantedSoon: readonly Height[] = [];
  private readonly asked: AskedInTurn;
  private readonly fetching = new SharedRuns<string, boolean>();
  /** By this node's own copies alone: what others ask for is not asked for again. */
  private readonly ownPlaces: PlaceFinder;

  constructor(private readonly parts: SoundBlocksParts) {
    const { own, reader, commitHeight } = parts;
    this.asked = new AskedInTurn(parts.others, parts.clock, LIMITS);
    this.ownPlaces = new PlaceFinder({ reader, blocks: own, commitHeight });
    parts.desk.handle(PATH, (wanted) => this.give(wanted));
  }

  // --- For searches --------------------------------------------------------------------------------------------------

  get places(): ProvedBlocks["places"] {
    return this.parts.own.places;
  }
  noteOf(at: Height): ReturnType<ProvedBlocks["noteOf"]> {
    return this.parts.own.noteOf(at);
  }
  atHandAt(at: Height): ProvedBlock | null {
    return this.parts.own.atHandAt(at);
  }
  knownSealedAt(at: Height): number | null {
    return this.parts.own.knownSealedAt(at);
  }
  lentAt(at: Height): ProvedBlock | null {
    return this.lent.get(at) ?? null;
  }

  /** As of `ProvedBlocks`; throws Unproved in place of AlteredBlock. */
  async read(heights: readonly Height[]): Promise<ProvedBlock[]> {
    const blocks: ProvedBlock[] = [];
    const unproved: Height[] = [];
    let first: AlteredBlock | null = null;
    for (const [i, own] of (await this.parts.own.readEach(heights)).entries()) {
      const at = heights[i] as Height;
      const block = own instanceof AlteredBlock ? this.lentAt(at) : own;
      if (block === null) {
        first ??= own as AlteredBlock;
        unproved.push(at);
      } else if (first === null) blocks.push(block);
    }
    if (first !== null && blocks.length === 0) throw new Unproved(first, unproved);
    if (first !== null) this.wantedSoon = unproved;
    return blocks;
  }

  one(at: Height): Promise<ProvedBlock> {
    return this.orLent(
      at,
      () => this.parts.own.one(at),
      (lent) => lent,
    );
  }
  header(at: Height): Promise<BlockHeader> {
    return this.orLent(
      at,
      () => this.parts.own.header(at),
      ({ header }) => header,
    );
  }
  sealedAt(at: Height): Promise<number> {
    return this.orLent(
      at,
      () => this.parts.own.sealedAt(at),
      ({ header }) => timestampMillis(header.sealedAt) ?? 0,
    );
  }

  async holding(sequence: number): Promise<ProvedBlock | null> {
    const own = await this.parts.own.holding(sequence);
    if (own !== null) return own;
    for (const block of this.lent.values()) if (holds(block.header, sequence)) return block;
    return null;
  }

  private async orLent<T>(at: Height, own: () => Promise<T>, of: (lent: ProvedBlock) => T): Promise<T> {
    try {
      return await own();
    } catch (error) {
      if (!(error instanceof AlteredBlock)) throw error;
      const lent = this.lentAt(at);
      if (lent === null) throw new Unproved(error, [at]);
      return of(lent);
    }
  }

  // --- From other nodes ----------------------------------------------------------------------------------------------

  /** True once something of what a read could not have here has come from another node: it is to be done again. */
  async fetchFor(error: unknown): Promise<boolean> {
    const wanted = this.wantedBy(error);
    if (wanted === null) return false;
    return this.fetching.run(JSON.stringify(wanted), async () => (await this.fetch(wanted)) !== null);
  }

  /** As `read`, with what has to be fetched first. */
  async readAnywhere(heights: readonly Height[]): Promise<ProvedBlock[]> {
    try {
      return await this.read(heights);
    } catch (error) {
      if (await this.fetchFor(error)) return this.read(heights);
      throw error;
    }
  }

  private wantedBy(error: unknown): Wanted | null {
    if (error instanceof LostPlace) return { holding: error.sequence };
    if (!(error instanceof Unproved)) return null;
    const further = this.wantedSoon.filter((at) => !this.lent.has(at));
    this.wantedSoon = [];
    return { heights: [...new Set([...error.heights, ...further])].slice(0, SOUND_BLOCKS_MAX) };
  }

  private fetch(wanted: Wanted): Promise<unknown> {
    return this.asked.ask(async (peer, timeoutMs) => {
      const reply = await this.parts.desk.request(peer, PATH, wanted, { timeoutMs });
      let kept = 0;
      for (const text of reply.kind === "answered" ? reply.answer.blocks : [])
        if (await this.keep(text, wanted, peer)) kept += 1;
      return kept > 0 ? kept : null;
    });
  }

  private async keep(text: string, wanted: Wanted, peer: NodeId): Promise<boolean> {
    const block = blockIn(text);
    if (block === null) return false;
    const { header } = block;
    const isWanted = "holding" in wanted ? holds(header, wanted.holding) : wanted.heights.includes(header.height);
    const proved = isWanted ? await this.proved(block, peer) : null;
    if (proved === null) return false;
    const { height: at } = header;
    this.drop(at);
    this.lent.set(at, proved);
    this.bytes += proved.bytes;
    for (const oldest of this.lent.keys()) {
      if (this.bytes <= LENT_BYTES_MAX || oldest === at) break;
      this.drop(oldest);
    }
    return true;
  }

  private async proved(block: Block, peer: NodeId): Promise<ProvedBlock | null> {
    try {
      return await this.parts.own.proveCopy(block.header.height, block, peer);
    } catch (error) {
      if (isUnknown(error)) return null;
      throw error;
    }
  }

  private drop(at: Height): void {
    this.bytes -= this.lent.get(at)?.bytes ?? 0;
    this.lent.delete(at);
  }

  // --- For other nodes -----------------------------------------------------------------------------------------------

  private async give(wanted: Wanted): Promise<AnswerTo<typeof PATH>> {
    const blocks: string[] = [];
    let bytes = 0;
    for (const block of await this.ownOf(wanted)) {
      if (block instanceof AlteredBlock) continue;
      bytes += block.bytes;
      if (blocks.length > 0 && bytes > GIVEN_BYTES_MAX) break;
      blocks.push(textOf(block));
    }
    return { blocks };
  }

  /** What it cannot prove itself it does not give. */
  private async ownOf(wanted: Wanted): Promise<(ProvedBlock | AlteredBlock)[]> {
    const { own, commitHeight } = this.parts;
    try {
      if ("holding" in wanted) return [await this.ownPlaces.blockOf(wanted.holding)];
      return await own.readEach(wanted.heights.filter((at) => at >= 1 && at <= commitHeight()));
    } catch (error) {
      if (isUnknown(error)) return [];
      throw error;
    }
  }
}

const isUnknown = (error: unknown): boolean => error instanceof AlteredBlock || error instanceof StoreError;

const holds = ({ firstSequence, treeSize }: BlockHeader, sequence: number): boolean =>
  firstSequence <= sequence && sequence < treeSize;

/** Without its signature: what it proves is not asked for here. */
function textOf({ header, blockHash, events }: ProvedBlock): string {
  return Buffer.from(encodeBlock({ header, blockHash, signature: new Uint8Array(0), ...events.body })).toString(
    "base64",
  );
}

/** Its bytes are another node's word, and not signed: nothing is believed of them but what hashes prove. */
function blockIn(text: string): Block | null {
  try {
    return decodeBlock(new Uint8Array(Buffer.from(text, "base64")), parseHeader);
  } catch {
    return null;
  }
}
