import type { BlockIds, BootState, HardState } from "../../cluster/types.js";
import { type Height, height, type Term } from "../../shared/ids.js";
import { BLOCK_BYTES_MAX } from "../../shared/limits.js";
import { type Block, type BlockHeader, hashHeader } from "../../shared/log/block.js";
import { type BlockVerifier, type ChainState, EMPTY_CHAIN, rangeMatches } from "../../shared/log/chain.js";
import { applyControl, type Membership } from "../../shared/log/control.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import type { BlockIndex } from "../../shared/log/index.js";
import type { Clock } from "../clock.js";
import type { IdentityFile } from "../storage/identity.js";
import {
  type IndexEntry,
  type IndexStanding,
  type LogStore,
  type OpenedStore,
  type StoredBlock,
  StoreError,
} from "../storage/port.js";
import { compareEntries } from "./compare-entries.js";
import { isStray } from "./stray.js";

/** So much of the log's end is re-verified at every start: its ids are what repeated writes are recognised by. */
export interface VerifiedTail {
  readonly events: number;
  readonly blocksMax: number;
  /** A log of empty blocks has no events to count: this many blocks are re-verified in any case. */
  readonly blocksMin: number;
}
const VERIFIED_TAIL: VerifiedTail = { events: 100_000, blocksMax: 5_000, blocksMin: 256 };
const READ_LIMIT = { bytesMax: BLOCK_BYTES_MAX / 4, blocksMax: 64 };

export interface RecoveredBlock {
  readonly block: Block;
  readonly next: ChainState;
  readonly events: readonly LoggedEvent[];
  /** null where the body was altered. */
  readonly index: BlockIndex | null;
}

/** What recovery and the driver need of the identity file. */
export type NodeIdentity = Pick<IdentityFile, "folder" | "identity" | "isNew" | "settle" | "update" | "recordMark">;

/** What one process knows of its store from before: its term and vote, and what was durable and committed in it. */
export interface Remembered {
  readonly hardState: HardState;
  readonly durable: ChainState;
  readonly committed: ChainState;
  /** All blocks up to here were durable, whichever they were; nothing above was confirmed to anybody. */
  readonly heldThrough: number;
}

export interface RecoveryOptions {
  readonly log: LogStore;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly verifyBlock: BlockVerifier;
  /** How many configured members there are: a node alone has nobody to learn a lost log from. */
  readonly memberCount: number;
  /** What this process remembers of its store from before; null at its start. */
  readonly remembered: Remembered | null;
  /** The highest block that this process has published; null at its start, when nothing needs to be. */
  readonly publishedHeight: Height | null;
  /** Told of every committed block that was verified, oldest first. Without its events where its body was altered. */
  readonly onCommitted: (block: RecoveredBlock) => void;
  /** The entry of a block with events, with the terms of the paths that the index says it has. */
  readonly entryOf: (block: RecoveredBlock, standing: IndexStanding) => IndexEntry | null;
  /** Blocks whose entries are not there, or not what the blocks give. */
  readonly onDifferingEntries: (
    due: readonly { readonly block: Block; readonly entry: IndexEntry }[],
    standing: IndexStanding,
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
  const tail = await readTail(options, opened.tailHeight);
  const commitHeight = height(Math.max(tail?.header.commitHeight ?? 0, await knownCommitHeight(options, opened)));
  const lostBlocks = await markLost(options, opened);
  const hardState = await settleHardState(options, opened, whatWasLost(options, opened) ?? lostBlocks);
  const chain = await verifyTail(options, opened, { commitHeight, isHeldWhole: lostBlocks === null });
  if (!("strayFrom" in chain)) return { opened, boot: { hardState, commitHeight, ...chain } };
  await removeStrays(options, opened, chain);
  return recover(options);
}

/**
 * An insert that was given up can arrive after its log's tail was replaced: its block then stands above a hole, or on
 * another history. It goes to quarantine. A process that remembers how far its log went has lost nothing with it; any
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
  if (hashHeader(block.header) !== block.blockHash || !rangeMatches(rangeOf(stored), block.header))
    throw invalidLog(options, tailHeight, "the newest block's header does not match its hash and root");
  return block;
}

/** Why this node's memory cannot be trusted, as a sentence; null when it can . */
function whatWasLost(options: RecoveryOptions, opened: OpenedStore): string | null {
  const { identity, isNew } = options.identity;
  const isEmpty = opened.hardState === null && !opened.isStateAltered && opened.tailHeight === 0;
  const hasJoined = identity.formedClusterId !== null || identity.votedTerm > 0 || identity.mark !== null;
  if (isNew && !isEmpty && options.remembered === null)
    return "its identity file is new, beside a database that is not";
  if (!hasJoined && isEmpty) return null;
  if (identity.storeId !== null && identity.storeId !== opened.storeId)
    return "its database is another one than before";
  if (opened.isStateAltered) return "its term and vote in the database are not what it wrote there";
  if (opened.hardState === null) return "its database has lost the node's state";
  if (opened.previousBootCounter < identity.bootCounter) return "its database went back to an earlier start";
  if (opened.hardState.term < identity.votedTerm) return "its database has lost a vote";
  if (opened.hardState.term === identity.votedTerm && opened.hardState.votedFor === null && identity.votedTerm > 0)
    return "its database has lost a vote";
  const { remembered } = options;
  if (remembered === null) return null;
  const { term, votedFor } = remembered.hardState;
  if (opened.hardState.term < term) return "its database has lost a term";
  if (opened.hardState.term === term && votedFor !== null && opened.hardState.votedFor !== votedFor)
    return "its database has lost a vote";
  if (opened.tailHeight < remembered.durable.height) return "its database has lost blocks that it had confirmed";
  return null;
}

async function markLost(options: RecoveryOptions, opened: OpenedStore): Promise<string | null> {
  const { remembered } = options;
  const { mark } = options.identity.identity;
  const points = [
    mark,
    remembered === null ? null : { height: remembered.durable.height, hash: remembered.durable.blockHash },
  ];
  for (const point of points) {
    if (point === null || point.height === 0) continue;
    if (opened.tailHeight < point.height)
      return `its log ends at block ${opened.tailHeight}, below block ${point.height} that it held`;
    const { block } = await readOne(options.log, height(point.height));
    if (block.blockHash !== point.hash) return `its block ${point.height} is not the one that it held`;
  }
  return null;
}

/** A node whose memory is in doubt takes a new join nonce, journaled before any message: it is a learner until admitted. */
async function settleHardState(options: RecoveryOptions, opened: OpenedStore, lost: string | null): Promise<HardState> {
  const { identity } = options;
  if (lost !== null && options.memberCount === 1) {
    throw new StoreError(
      "unfit",
      `This one-node log cannot go on: ${lost}. Bring the database back, or move the folder ${identity.folder} away for a new log.`,
    );
  }
  let { bootCounter } = opened;
  if (lost !== null) options.onWarning(`${lost}: it joins anew and counts for nothing until it is admitted`);
  const known = opened.hardState;
  const votedTerm = identity.identity.votedTerm;
  const fresh: HardState = {
    term: (known?.term ?? 0) as HardState["term"],
    votedFor: null,
    joinNonce: "",
    forming: null,
  };
  let hardState = known ?? fresh;
  if (lost !== null && hardState.term <= votedTerm && votedTerm > 0) {
    // In that term a vote was given, to whom may be forgotten: this node's own name keeps it from giving another.
    const votedFor =
      hardState.term === votedTerm ? (hardState.votedFor ?? identity.identity.nodeId) : identity.identity.nodeId;
    hardState = { ...hardState, term: votedTerm as HardState["term"], votedFor };
  }
  if (known === null || lost !== null) {
    hardState = { ...hardState, joinNonce: options.clock.randomHex(16) };
    bootCounter = Math.max(opened.bootCounter, identity.identity.bootCounter + (lost === null ? 0 : 1));
    // Of a write into an empty database it may never be known that it was done: what is found there next is its own.
    if (lost === null) identity.settle();
    await options.log.saveState(hardState, bootCounter);
    identity.settle();
  }
  if (identity.identity.bootCounter > 0 && opened.previousBootCounter > identity.identity.bootCounter + 1)
    options.onWarning("the identity file is older than the database: it is brought up to date");
  await identity.update({
    storeId: opened.storeId,
    bootCounter,
    // The state may have been saved, and the file not, before this recovery: the vote is given again without another save.
    votedTerm: Math.max(votedTerm, hardState.votedFor === null ? 0 : hardState.term),
  });
  return hardState;
}

type Chain = Pick<BootState, "base" | "tail" | "ids" | "idsFrom" | "campaignsLate">;
interface Strays {
  readonly strayFrom: Height;
  readonly detail: string;
}
/** Before the genesis, those that founded. */
const membersKnown = ({ members }: ChainState, { hardState }: OpenedStore): Membership =>
  members.size > 0 ? members : new Map((hardState?.forming ?? []).map((member) => [member.id, member]));

/** Where nothing that may be committed is: above what the log, the mark and this process know of. */
const isAboveCommitted = ({ identity, remembered, publishedHeight }: RecoveryOptions, at: Height): boolean =>
  at > Math.max(identity.identity.mark?.height ?? 0, remembered?.committed.height ?? 0, publishedHeight ?? 0);

async function verifyTail(
  options: RecoveryOptions,
  opened: OpenedStore,
  { commitHeight, isHeldWhole }: { readonly commitHeight: Height; readonly isHeldWhole: boolean },
): Promise<Chain | Strays> {
  const { log, publishedHeight } = options;
  const recent = await recentPart(log, opened.tailHeight, options.verifiedTail ?? VERIFIED_TAIL);
  const through = Math.min(commitHeight, publishedHeight ?? commitHeight);
  let state = await startingPoint(log, opened.tailHeight, { through, recent });
  let base = state;
  const tail: RecoveredBlock[] = [];
  let ids: BlockIds[] = [];
  let idsFrom = height(state.height + 1);
  let campaignsLate = false;
  while (state.height < opened.tailHeight) {
    // A recovery within a living process leaves the event loop to others between its reads.
    await options.clock.breathe();
    const verified: RecoveredBlock[] = [];
    for (const stored of await readSome(log, height(state.height + 1))) {
      // A late insert may be there above it, of which nobody knows yet that it is in the journal: it is inserted again.
      if (state.height >= opened.tailHeight) break;
      const verdict = options.verifyBlock(state, stored.block);
      if (!verdict.ok) {
        const at = height(state.height + 1);
        const isNeeded = at > commitHeight || at === opened.tailHeight || at > (publishedHeight ?? at);
        // Where something below is not what it was, what is above need not be what does not belong there.
        const mayGo = isHeldWhole && at > commitHeight && isAboveCommitted(options, at) && options.memberCount > 1;
        const before = { ...state, members: membersKnown(state, opened) };
        if (mayGo && isStray(options.verifyBlock, before, stored.block))
          return { strayFrom: at, detail: verdict.detail };
        const next = isNeeded ? null : headerOnly(state, stored);
        if (next === null) throw invalidLog(options, at, verdict.detail);
        options.onInvalidBlock(at, verdict.detail);
        campaignsLate = true;
        state = next;
        // Which events it held is not known any more.
        ids = [];
        idsFrom = height(at + 1);
      } else state = verdict.next;
      const { events, index } = verdict.ok ? verdict : { events: [], index: null };
      const recovered = { block: stored.block, next: state, events, index };
      verified.push(recovered);
      ids.push({ height: state.height, ids: events.map(({ record }) => record.id) });
      if (state.height > commitHeight) tail.push(recovered);
      else {
        base = state;
        options.onCommitted(recovered);
      }
    }
    if (opened.index !== null) await compareEntries(options, verified, opened.index);
  }
  return { base, tail, ids, idsFrom, campaignsLate };
}

/** A block whose header still links, while its body does not verify: what follows can be checked, the block is not served. */
function headerOnly(before: ChainState, stored: StoredBlock): ChainState | null {
  const { block } = stored;
  const { header } = block;
  const range = rangeOf(stored);
  const isLinked = hashHeader(header) === block.blockHash && header.previousBlockHash === before.blockHash;
  if (!isLinked || !rangeMatches(range, header)) return null;
  return stateAfter(stored, applyControl(before.members, header.control), before.clusterId || block.blockHash);
}

function invalidLog(options: RecoveryOptions, at: Height, detail: string): StoreError {
  options.onInvalidBlock(at, detail);
  return new StoreError(
    "unfit",
    `Stored block ${at} fails its check (${detail}). No block was changed or deleted for that. Move this node's data away ` +
      `(its database and ${options.identity.folder}) as evidence and start it anew: it then copies the log from its peers.`,
  );
}

interface RecentPart {
  /** Whether a block is in it; all above it are, too. */
  begins(header: BlockHeader): boolean;
}

/** The end of the log that is verified at each start, by number of blocks and events. */
async function recentPart(log: LogStore, tailHeight: Height, verified: VerifiedTail): Promise<RecentPart> {
  if (tailHeight === 0) return { begins: () => true };
  const { header: tail } = (await readOne(log, tailHeight)).block;
  return {
    begins: (header) =>
      header.height > tailHeight - verified.blocksMin ||
      (header.height > tailHeight - verified.blocksMax && header.treeSize > tail.treeSize - verified.events),
  };
}

/** The state after a block well below the tail, from which the rest is verified: O(log n) reads, whatever the log's size. */
async function startingPoint(
  log: LogStore,
  tailHeight: Height,
  need: { through: number; recent: RecentPart },
): Promise<ChainState> {
  let low = 0;
  let high = Math.min(need.through, tailHeight);
  // The highest block of those that need not be read again.
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const { header } = (await readOne(log, height(middle))).block;
    if (!need.recent.begins(header)) low = middle;
    else high = middle - 1;
  }
  if (low === 0) return EMPTY_CHAIN;
  const stored = await readOne(log, height(low));
  if (hashHeader(stored.block.header) !== stored.block.blockHash || !rangeMatches(rangeOf(stored), stored.block.header))
    throw new StoreError(
      "unfit",
      `The header of stored block ${low} does not match its hash and root. No block was changed for that.`,
    );
  const { members, clusterId } = await membersAt(log, height(low));
  return stateAfter(stored, members, clusterId);
}

export async function membersAt(
  log: Pick<LogStore, "readMembershipBlocks">,
  at: Height,
): Promise<{ members: Membership; clusterId: string }> {
  let members: Membership = new Map();
  let clusterId = "";
  for (const { block } of await log.readMembershipBlocks(at)) {
    if (block.header.height === 1) clusterId = block.blockHash;
    members = applyControl(members, block.header.control);
  }
  return { members, clusterId };
}

const rangeOf = ({ block, frontier }: StoredBlock) => ({ size: block.header.treeSize, hashes: frontier });

export function stateAfter(stored: StoredBlock, members: Membership, clusterId: string): ChainState {
  const { header, blockHash } = stored.block;
  return {
    clusterId,
    height: header.height,
    term: header.term,
    blockHash,
    headHash: header.headHash,
    range: rangeOf(stored),
    commitHeight: header.commitHeight,
    sealedAt: header.sealedAt,
    members,
  };
}

async function readSome(log: LogStore, from: Height): Promise<StoredBlock[]> {
  const blocks = await log.readBlocks(from, READ_LIMIT);
  if (blocks.length === 0) throw new StoreError("unknown", `Block ${from} is missing from the database.`);
  return blocks;
}

async function readOne(log: LogStore, at: Height): Promise<StoredBlock> {
  const [stored] = await log.readBlocks(at, { bytesMax: 0, blocksMax: 1 });
  if (stored === undefined || stored.block.header.height !== at)
    throw new StoreError(
      "unfit",
      `Block ${at} is missing from the database, though later blocks are there. Bring a whole copy of it back; or, ` +
        "where other nodes have the log, keep this database as evidence and start the node with an empty one.",
    );
  return stored;
}
