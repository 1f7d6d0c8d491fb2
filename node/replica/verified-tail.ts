import type { BlockIds, BootState } from "../../cluster/types.js";
import { type HashHex, type Height, height, type NodeId } from "../../shared/ids.js";
import { BLOCK_BYTES_MAX } from "../../shared/limits.js";
import type { Block } from "../../shared/log/block.js";
import { type BlockFault, type ChainState, EMPTY_CHAIN, rangeMatches } from "../../shared/log/chain.js";
import { applyControl, type Membership } from "../../shared/log/control.js";
import type { LoggedEvent } from "../../shared/log/event.js";
import type { BlockIndex } from "../../shared/log/index.js";
import type { IncidentKind } from "../storage/incident.js";
import { type LogStore, type OpenedStore, type StoredBlock, StoreError } from "../storage/port.js";
import { AlteredBlock, hasHash } from "./anchors.js";
import { compareEntries } from "./compare-entries.js";
import type { LostBlocks } from "./memory.js";
import type { RecoveryOptions } from "./recovery.js";
import { isStray } from "./stray.js";

/** A node ends rather than go on with a log that somebody has altered where it cannot do without. */
export class AlteredLog extends StoreError {
  constructor(
    readonly at: Height,
    readonly kind: IncidentKind,
    message: string,
  ) {
    super("unfit", message);
    this.name = "AlteredLog";
  }
}

/** As what it is told that a stored block fails its check so. Anything else is in its header. */
const KINDS: Partial<Readonly<Record<BlockFault, IncidentKind>>> = {
  bad_link: "link_broken",
  bad_signature: "signature_invalid",
  bad_body: "payload_modified",
};

/** So much of the log's end is re-verified at every start: its ids are what repeated writes are recognised by. */
export interface VerifiedTail {
  readonly events: number;
  readonly blocksMax: number;
  /** A log of empty blocks has no events to count: this many blocks are re-verified in any case. */
  readonly blocksMin: number;
}
const VERIFIED_TAIL: VerifiedTail = { events: 100_000, blocksMax: 5_000, blocksMin: 256 };
const READ_LIMIT = { bytesMax: BLOCK_BYTES_MAX / 4, blocksMax: 64 };
/** So many altered blocks a start passes over to find one to begin with. What is missing does not count. */
const PASSED_OVER_MAX = 64;

export interface RecoveredBlock {
  readonly block: Block;
  readonly next: ChainState;
  readonly events: readonly LoggedEvent[];
  /** null where the body was altered. */
  readonly index: BlockIndex | null;
}

export type Chain = Pick<BootState, "base" | "tail" | "ids" | "idsFrom" | "campaignsLate">;
export interface Strays {
  readonly strayFrom: Height;
  readonly detail: string;
}
export const membersFounding = ({ hardState }: OpenedStore): Membership =>
  new Map((hardState?.forming ?? []).map((member) => [member.id, member]));
/** Before the genesis, those that founded. */
const membersKnown = ({ members }: ChainState, opened: OpenedStore): Membership =>
  members.size > 0 ? members : membersFounding(opened);

/** Where nothing that may be committed is: above what the mark and this process know of. Where all of that is lost, nothing is. */
const isAboveCommitted = (
  { identity, remembered, publishedHeight }: RecoveryOptions,
  at: Height,
  lost: LostBlocks | null,
): boolean =>
  lost?.isShorter === true ||
  at > Math.max(identity.identity.mark?.height ?? 0, remembered?.committed.height ?? 0, publishedHeight ?? 0);

/** Verifies the end of the log, block by block; or says from where on what is stored does not belong to it. */
export async function verifyTail(
  options: RecoveryOptions,
  opened: OpenedStore,
  { commitHeight, lost }: { readonly commitHeight: Height; readonly lost: LostBlocks | null },
): Promise<Chain | Strays> {
  const { log, publishedHeight } = options;
  const through = Math.min(commitHeight, publishedHeight ?? commitHeight);
  let state = await startingPoint(options, opened.tailHeight, through);
  let base = state;
  const tail: RecoveredBlock[] = [];
  let ids: BlockIds[] = [];
  let idsFrom = height(state.height + 1);
  let campaignsLate = false;
  const memberships = new Set([membersKnown(state, opened)]);
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
        const isAbove = at > commitHeight && isAboveCommitted(options, at, lost);
        const mayGo = lost?.isShorter !== false && isAbove && options.memberCount > 1;
        if (mayGo && isStray(options.verifyBlock, { ...state, memberships }, stored.block))
          return { strayFrom: at, detail: verdict.detail };
        const next = isNeeded ? null : headerOnly(state, stored);
        const { header, blockHash } = stored.block;
        // It is a whole one of above, and nothing stands here.
        if (next === null && header.height > at && hasHash(header, blockHash)) throw missingBlock(at);
        if (next === null) throw invalidLog(options, at, verdict.detail, KINDS[verdict.fault]);
        options.onInvalidBlock(at, verdict.detail);
        campaignsLate = true;
        state = next;
        // Which events it held is not known any more.
        ids = [];
        idsFrom = height(at + 1);
      } else state = verdict.next;
      memberships.add(membersKnown(state, opened));
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
    if (opened.index !== null) await compareEntries(options, verified, opened.index, opened.tailHeight);
  }
  return { base, tail, ids, idsFrom, campaignsLate };
}

/** A block whose header still links, while its body does not verify: what follows can be checked, the block is not served. */
function headerOnly(before: ChainState, stored: StoredBlock): ChainState | null {
  const { block } = stored;
  const { header } = block;
  const range = rangeOf(stored);
  const isLinked = hasHash(header, block.blockHash) && header.previousBlockHash === before.blockHash;
  if (!isLinked || !rangeMatches(range, header)) return null;
  return stateAfter(stored, applyControl(before.members, header.control), before.clusterId || block.blockHash);
}

export function invalidLog(
  options: RecoveryOptions,
  at: Height,
  detail: string,
  kind: IncidentKind = "header_modified",
): AlteredLog {
  options.onInvalidBlock(at, detail);
  return new AlteredLog(
    at,
    kind,
    `Stored block ${at} fails its check (${detail}). No block was changed or deleted for that. Move this node's data away ` +
      `(its database and ${options.identity.folder}) as evidence and start it anew: it then copies the log from its peers.`,
  );
}

/**
 * The state after a block well below the tail, from which the rest is verified: O(log n) reads, whatever the log's size, and
 * however much of it somebody deleted. What was done to the few old blocks that it comes upon keeps no node from starting: it is
 * told of, and another block serves as well. Of what is missing in one place the first block is told: a pass finds the rest.
 */
async function startingPoint(options: RecoveryOptions, tailHeight: Height, through: number): Promise<ChainState> {
  const { events, blocksMax, blocksMin } = options.verifiedTail ?? VERIFIED_TAIL;
  const highest = Math.min(through, tailHeight - 1);
  // The highest block of those that need not be read again. By their heights alone it is none above, and no other below.
  let high = Math.max(0, Math.min(highest, tailHeight - blocksMin));
  let low = Math.max(0, Math.min(high, tailHeight - blocksMax));
  const recentFrom = low < high ? (await readOne(options.log, tailHeight)).block.header.treeSize - events : 0;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const header = await firstHeader(options, height(middle), high);
    if (header === null || header.treeSize > recentFrom) high = middle - 1;
    else low = header.height;
  }
  if (low === 0) return EMPTY_CHAIN;
  for (let passed = 0, from = low; passed <= PASSED_OVER_MAX; passed++) {
    const at = await options.log.nextHeight(height(from));
    const isHole = at !== from;
    // It reaches into what every start verifies.
    if (isHole && (at === null || at > Math.min(highest, tailHeight - blocksMin + 1))) throw missingBlock(height(from));
    if (at === null || at > highest) break;
    if (isHole) options.onInvalidBlock(height(from), "it is missing");
    from = at + 1;
    const stored = await readAt(options.log, at);
    // Above what is committed something that arrived late may stand, and says nothing of what is below.
    const next = at < highest ? await readAt(options.log, height(at + 1)) : null;
    const isSound = stored !== null && (await isSoundPoint(options.log, stored, next));
    if (!isSound) options.onInvalidBlock(at, "its header is not the committed one");
    // Nothing could be gone on with.
    if (!isSound || (next === null && at < highest)) continue;
    const { members, clusterId } = await knownMembers(options, stored.block);
    return stateAfter(stored, members, clusterId);
  }
  throw new AlteredLog(
    height(low),
    "header_modified",
    `No header of the stored blocks from ${low} on matches its hash and root. No block was changed for that.`,
  );
}

/**
 * The header at a height, or the next one above that stands in its place; null where there is none up to `through`. Of what it
 * passes over the first is told: a pass finds the rest.
 */
async function firstHeader({ log, onInvalidBlock }: RecoveryOptions, from: Height, through: number) {
  for (let at: Height | null = from; at !== null && at <= through; at = await log.nextHeight(height(at + 1))) {
    const stored = await readAt(log, at);
    if (stored !== null) return stored.block.header;
    if (at === from) onInvalidBlock(at, "it is missing, or another block stands there");
  }
  return null;
}

/** Its header is whole, and the one that the next block names, unless that one is another itself: the block above it tells. */
async function isSoundPoint(log: LogStore, stored: StoredBlock, next: StoredBlock | null): Promise<boolean> {
  const { header, blockHash } = stored.block;
  if (!hasHash(header, blockHash) || !rangeMatches(rangeOf(stored), header)) return false;
  if (next === null || next.block.header.previousBlockHash === blockHash) return true;
  const above = await readAt(log, height(header.height + 2));
  const isNextNamed = above?.block.header.previousBlockHash === next.block.blockHash;
  return !(isNextNamed && hasHash(next.block.header, next.block.blockHash));
}

/**
 * Whoever counts is said by few old blocks, which nothing that is verified from here on leads to: each is proved by itself. The
 * genesis is named by every header, also where nothing is noted any more and all headers in between would have to be read.
 */
export async function knownMembers(
  options: RecoveryOptions,
  from: Block,
): Promise<{ members: Membership; clusterId: string }> {
  const { formedClusterId } = options.identity.identity;
  const { height: through, clusterId: named } = from.header;
  const genesis = formedClusterId ?? (through === 1 ? from.blockHash : named);
  const committedHash = options.committedBelow(from);
  try {
    return await membersAt(options.log, through, async (at, clusterId) =>
      at === 1 ? genesis : committedHash(at, clusterId),
    );
  } catch (error) {
    if (error instanceof AlteredBlock) throw invalidLog(options, error.height, error.fault);
    throw error;
  }
}

export interface MembersFound {
  readonly members: Membership;
  readonly clusterId: string;
  /** Since which block a node is a member with the store that it has now; founders, who are since the first, are not here. */
  readonly storeSince: ReadonlyMap<NodeId, Height>;
}

/**
 * The members by the blocks up to a height. Each must be the one that was committed at its height: anybody who writes to
 * the database can put another there. Throws AlteredBlock where one is not.
 */
export async function membersAt(
  log: Pick<LogStore, "readMembershipBlocks">,
  through: Height,
  committedHash: (at: Height, clusterId: HashHex) => Promise<HashHex>,
): Promise<MembersFound> {
  let members: Membership = new Map();
  let clusterId = "";
  const storeSince = new Map<NodeId, Height>();
  for (const { block } of await log.readMembershipBlocks(through)) {
    const { header } = block;
    if (header.height === 1) clusterId = String(block.blockHash);
    const hash = await committedHash(header.height, clusterId);
    if (!hasHash(header, hash))
      throw new AlteredBlock(header.height, "its header, which says who is a member, is another one");
    if (header.height === 1) clusterId = hash;
    const { control } = header;
    if (control?.kind === "node_admitted" && members.get(control.node)?.storeId !== control.storeId)
      storeSince.set(control.node, header.height);
    members = applyControl(members, control);
  }
  if (clusterId === "") throw new AlteredBlock(height(1), "it does not name the members any more");
  return { members, clusterId, storeSince };
}

export const rangeOf = ({ block, frontier }: StoredBlock) => ({ size: block.header.treeSize, hashes: frontier });

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

/** null: nothing stands there, or what says that it belongs elsewhere. */
async function readAt(log: LogStore, at: Height): Promise<StoredBlock | null> {
  const [stored] = await log.readBlocks(at, { bytesMax: 0, blocksMax: 1 });
  return stored?.block.header.height === at ? stored : null;
}

export async function readOne(log: LogStore, at: Height): Promise<StoredBlock> {
  const [stored] = await log.readBlocks(at, { bytesMax: 0, blocksMax: 1 });
  if (stored !== undefined && stored.block.header.height === at) return stored;
  // No block is there: it was deleted since the log was opened, as deletes of a broken connection may be.
  if (stored === undefined) throw new StoreError("unknown", `Block ${at} is not in the database any more.`);
  throw missingBlock(at);
}

const missingBlock = (at: Height): AlteredLog =>
  new AlteredLog(
    at,
    "missing",
    `Block ${at} is missing from the database, though later blocks are there. Bring a whole copy of it back; or, ` +
      "where other nodes have the log, keep this database as evidence and start the node with an empty one.",
  );
