import type { BootState } from "../../cluster/types.js";
import { type HashHex, type Height, height, type Term } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { type BlockVerifier, rangeMatches } from "../../shared/log/chain.js";
import type { Clock } from "../clock.js";
import type { IndexEntry, IndexStanding, LogStore, OpenedStore } from "../storage/port.js";
import { hasHash } from "./anchors.js";
import { lateInserts } from "./late-inserts.js";
import {
  isOfLostIdentity,
  markLost,
  type NodeIdentity,
  type Remembered,
  settleHardState,
  whatWasLost,
} from "./memory.js";
import { noteLostBlocks, noteLostState } from "./start-findings.js";
import {
  invalidLog,
  type RecoveredBlock,
  rangeOf,
  readOne,
  type Strays,
  type VerifiedTail,
  verifyTail,
} from "./verified-tail.js";

export interface RecoveryOptions {
  readonly log: LogStore;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly verifyBlock: BlockVerifier;
  /** How many configured members there are: a node alone has nobody to learn a lost log from. */
  readonly memberCount: number;
  /** What this process remembers of its store from before; null at its start. */
  readonly remembered: Remembered | null;
  /** Which block the log has at a height below this one, of the log with this genesis. Throws AlteredBlock where none is. */
  readonly committedBelow: (from: Block) => (at: Height, clusterId: HashHex) => Promise<HashHex>;
  /** The highest block that this process has published; null at its start, when nothing needs to be. */
  readonly publishedHeight: Height | null;
  /** Told of every committed block that was verified, oldest first. Without its events where its body was altered. */
  readonly onCommitted: (block: RecoveredBlock) => void;
  /** The entry of a block with events, with the terms of the paths that the index says it has. */
  readonly entryOf: (block: RecoveredBlock, standing: IndexStanding) => IndexEntry | null;
  /** Blocks whose entries are not there, or not what the blocks give. Up to `settled` no crash has left one out. */
  readonly onDifferingEntries: (
    due: readonly { readonly block: Block; readonly entry: IndexEntry }[],
    standing: IndexStanding,
    settled: Height,
  ) => Promise<void>;
  readonly verifiedTail?: VerifiedTail | undefined;
  readonly onWarning: (text: string) => void;
  readonly onInvalidBlock: (at: Height, detail: string) => void;
}

export interface Recovered {
  readonly boot: BootState;
  readonly opened: OpenedStore;
}

/** Opens the store, decides whether this node's memory can be trusted, re-verifies the log's tail. Nothing is answered before. */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const opened = await options.log.open(options.identity.identity.bootCounter);
  // What it wrote under that secret would look like somebody else's.
  if (isOfLostIdentity(options, opened)) await options.log.forgetAnchors();
  // Before anything is written that hides it.
  await noteLostState(options, opened);
  const late = await lateInserts(options, opened);
  if (late !== null) {
    await removeStrays(options, opened, late);
    return recover(options);
  }
  const tail = await readTail(options, opened.tailHeight);
  const commitHeight = height(Math.max(tail?.header.commitHeight ?? 0, await knownCommitHeight(options, opened)));
  const lost = await markLost(options, opened);
  await noteLostBlocks(options, opened, lost);
  const hardState = await settleHardState(options, opened, whatWasLost(options, opened) ?? lost?.why ?? null);
  const chain = await verifyTail(options, opened, { commitHeight, lost });
  if (!("strayFrom" in chain)) return { opened, boot: { hardState, commitHeight, ...chain } };
  await removeStrays(options, opened, chain);
  return recover(options);
}

/**
 * An insert that was given up can arrive after its log's tail was replaced, or all of it cleared: its block then stands above a
 * hole, or on another history. It goes to quarantine. A process that remembers how far its log went has lost nothing with it; any
 * other cannot know what stood there, and joins anew first.
 */
async function removeStrays(
  options: RecoveryOptions,
  opened: OpenedStore,
  { strayFrom, detail }: Strays,
): Promise<void> {
  const text = `what is stored from block ${strayFrom} on does not continue its log (${detail})`;
  const isNothingLost = options.remembered !== null && options.remembered.heldThrough < strayFrom;
  if (isNothingLost) options.onWarning(`${text}: an insert arrived late, and is put in quarantine`);
  else await settleHardState(options, opened, text);
  const { term } = opened.hardState ?? { term: 0 as Term };
  await options.log.truncate(strayFrom, { term, leaderId: options.identity.identity.nodeId });
}

/**
 * The mark, and what this process remembers, say of a block that it is committed, and they say so of that very block only:
 * after a lost disk another, uncommitted one may stand at its height.
 */
async function knownCommitHeight({ identity, remembered, log }: RecoveryOptions, opened: OpenedStore): Promise<number> {
  const committed = remembered?.committed;
  const points = [
    identity.identity.mark,
    committed === undefined ? null : { height: committed.height, hash: committed.blockHash },
  ];
  let known = 0;
  for (const point of points) {
    if (point === null || point.height <= known || point.height > opened.tailHeight) continue;
    const { block } = await readOne(log, height(point.height));
    if (block.blockHash === point.hash) known = point.height;
  }
  return known;
}

async function readTail(options: RecoveryOptions, tailHeight: Height): Promise<Block | null> {
  if (tailHeight === 0) return null;
  const stored = await readOne(options.log, tailHeight);
  const { block } = stored;
  if (!hasHash(block.header, block.blockHash) || !rangeMatches(rangeOf(stored), block.header))
    throw invalidLog(options, tailHeight, "the newest block's header does not match its hash and root");
  return block;
}
