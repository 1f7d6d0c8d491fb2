import { fromHex, toHex } from "../../shared/bytes.js";
import { type Height, height, type NodeId } from "../../shared/ids.js";
import { type Block, type BlockHeader, hashHeader, headerBytes } from "../../shared/log/block.js";
import type { Membership } from "../../shared/log/control.js";
import { parseHeader } from "../../shared/protocol/messages.js";
import type { AnswerTo, QuestionOf } from "../../shared/protocol/requests.js";
import type { WordedAlert } from "../replica/wording.js";
import type { Parts } from "./parts.js";

/** So often a follower asks each fellow follower for its head: what a leader tells two of them is compared within two seconds. */
export const HEADS_EVERY_MS = 500;
/** So far down the first block that differs is looked for; more are not in memory. */
const SPAN_BLOCKS = 4_096;

export interface HeadsOptions {
  readonly everyMs: number;
}

export interface HeadExchangeParts
  extends Pick<Parts, "config" | "driver" | "peers" | "clock" | "logger" | "verifier"> {
  readonly heads: HeadsOptions;
  readonly onAlert: (alert: WordedAlert) => void;
}

/** A header as its leader has signed it, and how far the one who has it calls the log committed. */
interface Head {
  readonly header: BlockHeader;
  readonly hash: string;
  readonly signature: Uint8Array;
  readonly commitHeight: number;
}

/** One height, as this node and another one have it. */
interface Pair {
  readonly mine: Head;
  readonly theirs: Head;
}

/**
 * Followers compare what their leaders have told them, directly with each other and without a leader in between: each asks
 * the others for the signed header of its own newest block. Headers are chained, so equal hashes mean equal history.
 */
export class HeadExchange {
  private readonly asking = new Set<NodeId>();
  /** With whom a difference was found; told once, until the heads are equal again. */
  private readonly told = new Set<NodeId>();
  /** What these say could not even be compared; logged once, until it can. */
  private readonly senseless = new Set<NodeId>();
  private readonly cancel: () => void;

  constructor(private readonly parts: HeadExchangeParts) {
    parts.peers.handle("head", async (question) => this.own(question));
    this.cancel = parts.clock.every(parts.heads.everyMs, () => this.look());
  }

  stop(): void {
    this.cancel();
  }

  /** What this node has durable there, or as its newest block below. */
  private own({ height: at }: QuestionOf<"head">): AnswerTo<"head"> {
    const { driver } = this.parts;
    const footing = driver.footing();
    const block = footing === null ? undefined : driver.heldBlock(height(Math.min(at, footing.durableHeight)));
    if (footing === null || block === undefined || driver.standing()?.isLearner !== false) return { head: null };
    const { header, signature } = block;
    return { head: { header, signature: toHex(signature), commitHeight: footing.commitHeight } };
  }

  /** What a leader has is compared with each message that it sends; a learner's log counts for nothing. */
  private look(): void {
    const { driver, config } = this.parts;
    const view = driver.view();
    if (view === null || view.isLearner || view.role === "leader") return;
    const members = new Map(view.members.map((member) => [member.id, member]));
    for (const { id } of view.members)
      if (id !== config.nodeId && id !== view.leaderId && !this.asking.has(id)) void this.compare(id, members);
  }

  private async compare(peer: NodeId, members: Membership): Promise<void> {
    this.asking.add(peer);
    try {
      const pair = await this.pairAt(peer, this.parts.driver.footing()?.durableHeight);
      if (pair === null) return;
      this.senseless.delete(peer);
      if (pair.mine.hash === pair.theirs.hash) this.told.delete(peer);
      else if (!this.told.has(peer) && this.isFork(pair, members)) {
        this.tell(peer, await this.lowest(peer, pair, members));
        this.told.add(peer);
      }
    } catch (err) {
      // A fellow can say anything: it must not end this process with that.
      if (!this.senseless.has(peer))
        this.parts.logger.warn({ err }, `what ${peer} says of its newest block cannot be compared`);
      this.senseless.add(peer);
    } finally {
      this.asking.delete(peer);
    }
  }

  /** The height that both have, `at` or below; null where that is not known. */
  private async pairAt(peer: NodeId, at: Height | undefined): Promise<Pair | null> {
    const { peers, driver } = this.parts;
    if (at === undefined || at === 0) return null;
    const head = (await peers.ask(peer, "head", { height: at }))?.head ?? null;
    // What this node had when it asked may be replaced by now.
    const block = head === null ? undefined : driver.heldBlock(head.header.height);
    const commitHeight = driver.footing()?.commitHeight;
    if (head === null || block === undefined || commitHeight === undefined) return null;
    const header = parseHeader(head.header);
    const signature = fromHex(head.signature);
    return {
      mine: { ...signedPart(block), commitHeight },
      theirs: { header, hash: hashHeader(header), signature, commitHeight: head.commitHeight },
    };
  }

  /**
   * Two blocks of one term at one height, or two that are both committed. Blocks of different terms that are not are normal.
   * A header that no member has signed says nothing but that its sender has made it up.
   */
  private isFork({ mine, theirs }: Pair, members: Membership): boolean {
    const { height: at, term, leaderId } = theirs.header;
    const areCommitted = at <= mine.commitHeight && at <= theirs.commitHeight;
    if (mine.hash === theirs.hash || (term !== mine.header.term && !areCommitted)) return false;
    const key = members.get(leaderId)?.keys.block;
    return key !== undefined && this.parts.verifier.verify(key, headerBytes(theirs.header), theirs.signature);
  }

  /** The first height at which they differ, as far as both have it in memory. */
  private async lowest(peer: NodeId, found: Pair, members: Membership): Promise<Pair> {
    let lowest = found;
    let low = Math.max(1, found.mine.header.height - SPAN_BLOCKS);
    while (low < lowest.mine.header.height) {
      const middle = Math.floor((low + lowest.mine.header.height) / 2);
      const pair = this.parts.driver.heldBlock(height(middle)) && (await this.pairAt(peer, height(middle)));
      if (pair === null) break;
      if (pair === undefined || pair.mine.hash === pair.theirs.hash) low = middle + 1;
      else if (pair.mine.header.height === middle) lowest = pair;
      else break;
    }
    return this.isFork(lowest, members) ? lowest : found;
  }

  /**
   * Who has signed both lies. Of two terms both leaders may be honest: that the other block is committed is the peer's word
   * alone, which nobody has signed.
   */
  private tell(peer: NodeId, { mine, theirs }: Pair): void {
    const { config, logger, onAlert } = this.parts;
    const { height: at, term, leaderId } = theirs.header;
    const accused = term === mine.header.term ? leaderId : peer;
    const isOne = mine.header.leaderId === theirs.header.leaderId && mine.header.term === theirs.header.term;
    const what = isOne ? `two blocks of term ${term} at height ${at}, both signed by ${accused}` : `two blocks ${at}`;
    const told = ({ hash, header }: Head): string => `${hash.slice(0, 16)}… (term ${header.term}, ${header.leaderId})`;
    const detail = `${what}: ${config.nodeId} was given ${told(mine)}, and ${peer} ${told(theirs)}`;
    // The proof: whoever has the keys of the members can check it.
    const headers = [mine, theirs].map(({ header, signature }) => ({ header, signature }));
    const shown = headers.map(({ header, signature }) => ({ header, signature: toHex(signature) }));
    logger.error({ headers: shown }, detail);
    onAlert({ alertKind: "fork", accused, detail, height: at, headers });
  }
}

const signedPart = ({ header, blockHash, signature }: Block) => ({ header, hash: blockHash, signature });
