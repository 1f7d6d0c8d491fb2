import type { HashHex, Height, NodeId } from "../shared/ids.js";
import type { Control, Member } from "../shared/log/control.js";
import type { Fifo } from "./fifo.js";
import type { Proposal } from "./types.js";

export interface Progress {
  /** Highest block that is durable there and equal to ours, as acknowledged in this term. */
  match: Height;
  next: Height;
  /** How far its log goes, by its newest answer; what is in it may differ from ours. */
  tailHeight: Height;
  round: number;
  /** The append with blocks of which nothing final is known. */
  inflight: Inflight | null;
  /** How large such a message may be: what the link took in half an election timeout, half of what failed. */
  bulkBytesMax: number;
  answeredRound: number;
  /** A majority must answer a round from here on before anything is acknowledged again (after a pause). */
  confirmRound: number;
  lastContact: number;
  lastSentAt: number;
  sentCommit: Height;
  joinNonce: string;
  isVoter: boolean;
  isStoreHealthy: boolean;
  learner: Member | null;
  /** Blocks from `readFrom` on are being read for it. */
  readId: number | null;
  readFrom: Height;
  /** No blocks before this time: the last ones were refused, or could not be read. */
  pausedUntil: number;
}

/** It is over when the follower answers it, or the transport says so; how long it takes depends on the link. */
export interface Inflight {
  readonly round: number;
  readonly bytes: number;
  readonly sentAt: number;
  /** When more of it arrived there; when it left, before anything did. */
  progressAt: number;
  /** The follower has it since then, and has not answered. */
  deliveredAt: number | null;
}

export interface Queued {
  readonly proposal: Proposal;
  readonly bytes: number;
}

export interface LookUp extends Queued {
  readonly askedAt: number;
  /** Keys of the write of which nothing has been heard. */
  open: number;
}

/** A hand-over under way, known to this leader in this term only. */
export interface Transfer {
  readonly target: NodeId;
  readonly reason: "take_over" | "hand_over";
  readonly deadline: number;
  isRunSent: boolean;
}

export interface PendingRead {
  readonly readId: number;
  readonly height: Height;
  readonly rounds: ReadonlyMap<NodeId, number>;
}

/** A write whose condition on the head does not hold, by what this node knows: whether it still led then is being asked. */
export interface PendingRefusal {
  readonly queued: Queued;
  readonly headHash: HashHex | "";
  readonly nextSequence: number;
  readonly rounds: ReadonlyMap<NodeId, number>;
}

/** What only a leader knows; gone with its role. */
export interface LeaderState {
  readonly progress: Map<NodeId, Progress>;
  readonly queue: Fifo<Queued>;
  queueBytes: number;
  controls: Control[];
  /** Proposals that wait for a key look-up. */
  readonly lookUps: Map<number, LookUp>;
  /** Ids and keys of proposals that are queued or being looked up; value: the proposal. */
  reserved: Map<string, number>;
  mustConfirm: boolean;
  /** A hand-over under way: nothing is sealed. It belongs to this term and is gone with it. */
  transfer: Transfer | null;
  failedTransfers: number;
  noTransferBefore: number;
  /** Reads that wait until a majority has answered rounds sent after they were asked for. */
  reads: PendingRead[];
  refusals: PendingRefusal[];
  noticeDueAt: number | null;
  hasSaidWhoIsMissing: boolean;
  /** Of the block that is durable here and not committed: how long nothing has come nearer to its commit. */
  stuckMs: number;
  lastTickAt: number;
  /** When the block on its way was sealed, and how many writes are in it. */
  sealed: { readonly at: number; readonly writes: number };
  /** After a commit: the next block waits for this many writes, until this time. */
  gathering: { readonly writes: number; readonly until: number } | null;
  waitingIds(): number[];
}

/** Writes that are in no block. */
export const waitingWrites = ({ queue, lookUps, refusals }: LeaderState): number =>
  queue.length + lookUps.size + refusals.length;
