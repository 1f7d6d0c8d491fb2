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
}

/** What the members hold of one height. */
export interface PeerCopies {
  /** Whose database has the committed block. */
  readonly agreeing: readonly NodeId[];
  /** That block, from the first of them that gave it; null if nobody did. */
  readonly block: Block | null;
}

/** Questions to the other members for a committed block, and this node's answers to theirs. */
export class PeerBlocks {
  constructor(private readonly parts: PeerBlocksParts) {
    parts.desk.handle(PATH, ({ height: at, withBlock }) => this.own(at, withBlock));
  }

  /** Asks all who has it, and one of those for it. What comes is believed for its hash alone. */
  async copies(at: Height, committed: HashHex): Promise<PeerCopies> {
    const answers = await this.parts.desk.askAll(PATH, { height: at, withBlock: false });
    const claiming = answers.flatMap(({ peer, answer }) =>
      answer?.isSound === true && answer.blockHash === committed ? [peer] : [],
    );
    const agreeing = [...claiming];
    for (const peer of claiming) {
      const block = blockOf(await this.parts.desk.ask(peer, PATH, { height: at, withBlock: true }), committed);
      if (block !== null) return { agreeing, block };
      // It says that it has it, and does not give it.
      agreeing.shift();
    }
    return { agreeing, block: null };
  }

  private async own(at: Height, withBlock: boolean): Promise<Answer> {
    const { store, committedAt, heldThrough } = this.parts;
    if (at > heldThrough()) return { blockHash: null, isSound: false };
    try {
      const { blockHash } = await committedAt(at);
      const [found] = await store.blocksAt([at]);
      const isSound = found !== undefined && isBlock(found.block, blockHash);
      if (!isSound || !withBlock) return { blockHash, isSound };
      return { blockHash, isSound, block: Buffer.from(encodeBlock(found.block)).toString("base64") };
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
