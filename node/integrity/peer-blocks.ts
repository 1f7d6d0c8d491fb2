import { fromHex, toHex } from "../../shared/bytes.js";
import type { HashHex, Height, NodeId } from "../../shared/ids.js";
import { type Block, decodeBlock, encodeBlock, hashHeader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { parseHeader } from "../../shared/protocol/messages.js";
import type { AnswerOf, AnswerTo, QuestionOf, QuestionTo } from "../../shared/protocol/requests.js";
import type { IntegrityStore } from "../storage/integrity-port.js";

const PATH = "committed-block";
type Question = QuestionTo<typeof PATH>;
type Answer = AnswerOf<typeof PATH>;

interface AskedPeers {
  handle(path: typeof PATH, handler: (question: QuestionOf<typeof PATH>) => Promise<AnswerTo<typeof PATH>>): void;
  askAll(
    path: typeof PATH,
    question: Question,
  ): Promise<readonly { readonly peer: NodeId; readonly answer: Answer | null }[]>;
  ask(peer: NodeId, path: typeof PATH, question: Question): Promise<Answer | null>;
}

export interface PeerBlocksParts {
  readonly desk: AskedPeers;
  readonly store: Pick<IntegrityStore, "blocksAt">;
  /** What this node has noted; throws where it cannot say. */
  readonly committedAt: (at: Height) => Promise<{ readonly blockHash: HashHex }>;
  readonly heldThrough: () => Height;
  /** No hash covers a signature. */
  readonly isSealed: (block: Block) => Promise<boolean>;
}

/** What the members hold of one height. */
export interface PeerCopies {
  /** Whose database has the committed block. */
  readonly agreeing: readonly NodeId[];
  /** That block, from the first of them that gave it; null if nobody did. */
  readonly block: Block | null;
  /** The compact range after it, unchecked. */
  readonly frontier: readonly Uint8Array[];
  /** Members that have noted another block as the committed one. */
  readonly contradicting: readonly NodeId[];
}

/** Questions to the other members for a committed block, and this node's answers to theirs. */
export class PeerBlocks {
  constructor(private readonly parts: PeerBlocksParts) {
    parts.desk.handle(PATH, ({ height: at, withBlock }) => this.own(at, withBlock));
  }

  /** Asks all who has it, and one of those for it. What comes is believed for its hash and its signature alone. */
  async copies(at: Height, committed: HashHex): Promise<PeerCopies> {
    const answers = await this.parts.desk.askAll(PATH, { height: at, withBlock: false });
    const noted = answers.flatMap(({ peer, answer }) =>
      answer === null || answer.blockHash === null ? [] : [{ peer, isSame: answer.blockHash === committed, answer }],
    );
    const contradicting = noted.filter(({ isSame }) => !isSame).map(({ peer }) => peer);
    const claiming = noted.filter(({ isSame, answer }) => isSame && answer.isSound).map(({ peer }) => peer);
    const agreeing = [...claiming];
    for (const peer of claiming) {
      const answer = await this.parts.desk.ask(peer, PATH, { height: at, withBlock: true });
      const block = blockOf(answer, committed);
      if (block !== null && (await this.parts.isSealed(block)))
        return { agreeing, block, frontier: (answer?.frontier ?? []).map(fromHex), contradicting };
      // It says that it has it, and does not give it.
      agreeing.shift();
    }
    return { agreeing, block: null, frontier: [], contradicting };
  }

  private async own(at: Height, withBlock: boolean): Promise<Answer> {
    const { store, committedAt, heldThrough, isSealed } = this.parts;
    if (at > heldThrough()) return { blockHash: null, isSound: false };
    try {
      const { blockHash } = await committedAt(at);
      const [found] = await store.blocksAt([at]);
      const isSound = found !== undefined && isBlock(found.block, blockHash) && (await isSealed(found.block));
      if (!isSound || !withBlock) return { blockHash, isSound };
      const block = Buffer.from(encodeBlock(found.block)).toString("base64");
      return { blockHash, isSound, block, frontier: found.frontier.map(toHex) };
    } catch {
      // What it cannot prove itself it does not tell of.
      return { blockHash: null, isSound: false };
    }
  }
}

function blockOf(answer: Answer | null, committed: HashHex): Block | null {
  if (answer?.block === undefined) return null;
  try {
    const decoded = decodeBlock(new Uint8Array(Buffer.from(answer.block, "base64")), parseHeader);
    return isBlock(decoded, committed) ? decoded : null;
  } catch {
    return null;
  }
}

/** Whether header and body are those that this hash names. */
export const isBlock = (block: Block, blockHash: HashHex): boolean =>
  hashHeader(block.header) === blockHash && bodyHash(block) === block.header.bodyHash;
