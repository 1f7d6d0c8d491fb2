import type { HardState } from "../../cluster/types.js";
import { type HashHex, height } from "../../shared/ids.js";
import type { ChainState } from "../../shared/log/chain.js";
import type { IdentityFile } from "../storage/identity.js";
import { type OpenedStore, StoreError } from "../storage/port.js";
import type { RecoveryOptions } from "./recovery.js";
import { readOne } from "./verified-tail.js";

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

/** Another database than this node had before, by the name that each is given when it is made. */
export const isAnotherStore = ({ identity }: Pick<RecoveryOptions, "identity">, { storeId }: OpenedStore): boolean =>
  identity.identity.storeId !== null && identity.identity.storeId !== storeId;

const isEmpty = ({ hardState, isStateAltered, tailHeight }: OpenedStore): boolean =>
  hardState === null && !isStateAltered && tailHeight === 0;

/**
 * The identity that wrote to this database is gone, and its secret with it. A start that died with the new one has left a
 * state under the old secret.
 */
export const isOfLostIdentity = ({ identity, remembered }: RecoveryOptions, opened: OpenedStore): boolean =>
  (identity.isNew || (identity.identity.storeId === null && opened.isStateAltered)) &&
  !isEmpty(opened) &&
  remembered === null;

/** Why this node's memory cannot be trusted, as a sentence; null when it can. */
export function whatWasLost(options: RecoveryOptions, opened: OpenedStore): string | null {
  const { remembered } = options;
  const lost = whatStateLost(options, opened);
  if (lost !== null || remembered === null) return lost;
  return opened.tailHeight < remembered.durable.height ? "its database has lost blocks that it had confirmed" : null;
}

/** The same, of all but its blocks. */
export function whatStateLost(options: RecoveryOptions, opened: OpenedStore): string | null {
  const { identity } = options.identity;
  const hasJoined = identity.formedClusterId !== null || identity.votedTerm > 0 || identity.mark !== null;
  if (isOfLostIdentity(options, opened)) return "its identity file is new, beside a database that is not";
  if (!hasJoined && isEmpty(opened)) return null;
  if (isAnotherStore(options, opened)) return "its database is another one than before";
  if (opened.isStateAltered) return "its term, its vote or a truncation in the database is not what it wrote there";
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
  return null;
}

export interface LostBlocks {
  readonly why: string;
  /** The log ends below them; else another block stands there. */
  readonly isShorter: boolean;
  /** One of them; and the hash that stands there instead. */
  readonly block: { readonly height: number; readonly hash: HashHex };
  readonly stored: HashHex | null;
}

/** What the mark, and this process, remember of the log's end. */
export function heldBlocks({ identity, remembered }: RecoveryOptions): LostBlocks["block"][] {
  const { mark } = identity.identity;
  const { durable } = remembered ?? {};
  const points = [mark, durable === undefined ? null : { height: durable.height, hash: durable.blockHash }];
  return points.filter((point) => point !== null && point.height > 0) as LostBlocks["block"][];
}

/** What the mark, or this process, remembers of its log and the database does not have; null when nothing. */
export async function markLost(options: RecoveryOptions, opened: OpenedStore): Promise<LostBlocks | null> {
  for (const point of heldBlocks(options)) {
    if (opened.tailHeight < point.height) {
      const why = `its log ends at block ${opened.tailHeight}, below block ${point.height} that it held`;
      return { why, isShorter: true, block: point, stored: null };
    }
    const { block } = await readOne(options.log, height(point.height));
    if (block.blockHash !== point.hash) {
      const why = `its block ${point.height} is not the one that it held`;
      return { why, isShorter: false, block: point, stored: block.blockHash };
    }
  }
  return null;
}

/** A node whose memory is in doubt takes a new join nonce, journaled before any message: it is a learner until admitted. */
export async function settleHardState(
  options: RecoveryOptions,
  opened: OpenedStore,
  lost: string | null,
): Promise<HardState> {
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
    // It may never be known that a write into an empty database was done: what is found there next is its own.
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
