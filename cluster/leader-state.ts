import { type Height, height, type NodeId } from "../shared/ids.js";
import { BLOCK_BYTES_MAX } from "../shared/limits.js";
import type { Control, Member } from "../shared/log/control.js";
import type { Core } from "./core.js";
import { Fifo } from "./fifo.js";
import type { Gathering } from "./gathering.js";
import type { LookUp } from "./idempotency.js";
import type { PendingRead, PendingRefusal } from "./read-index.js";
import type { Transfer } from "./transfer.js";
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
  /** How far it was told that the log is committed, as far as it could take that. */
  sentCommit: Height;
  joinNonce: string;
  isVoter: boolean;
  isStoreHealthy: boolean;
  learner: Member | null;
  /** What is being read for it from this node's own store. */
  reading: BlockRead | null;
  /** No blocks before this time: the last ones were refused, or could not be read. */
  pausedUntil: number;
}

/** Blocks from `from` on, asked for at `askedAt`. */
export interface BlockRead {
  readonly id: number;
  readonly from: Height;
  readonly askedAt: number;
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
  /** When something was committed last. */
  committedAt: number;
  hasSaidWhoIsMissing: boolean;
  /** How long nothing has come nearer to the commit of the block that is durable here and not committed. */
  stuckMs: number;
  lastTickAt: number;
  /** When the block on its way was sealed, and how many writes are in it. */
  sealed: { readonly at: number; readonly writes: number };
  gathering: Gathering | null;
  /** When the newest write came into the queue. */
  queuedAt: number;
}

/** Writes that are in no block. */
export const waitingWrites = ({ queue, lookUps, refusals }: LeaderState): number =>
  queue.length + lookUps.size + refusals.length;

export const waitingIds = ({ queue, lookUps, refusals }: LeaderState): number[] =>
  [...queue, ...lookUps.values(), ...refusals.map(({ queued }) => queued)].map(({ proposal }) => proposal.proposalId);

export const newLeader = (core: Core): LeaderState => ({
  progress: new Map(core.peerIds.map((id) => [id, newProgress(core)])),
  queue: new Fifo(),
  queueBytes: 0,
  controls: [],
  lookUps: new Map(),
  reserved: new Map(),
  mustConfirm: false,
  transfer: null,
  failedTransfers: 0,
  noTransferBefore: core.now + core.config.takeoverCooldownMs,
  reads: [],
  refusals: [],
  committedAt: core.now,
  hasSaidWhoIsMissing: false,
  stuckMs: 0,
  lastTickAt: core.now,
  sealed: { at: core.now, writes: 0 },
  gathering: null,
  queuedAt: core.now,
});

const newProgress = (core: Core): Progress => ({
  match: height(0),
  next: height(core.log.tail.height + 1),
  tailHeight: height(0),
  round: 0,
  inflight: null,
  answeredRound: 0,
  confirmRound: 0,
  lastContact: core.now,
  lastSentAt: Number.NEGATIVE_INFINITY,
  sentCommit: height(0),
  joinNonce: "",
  isVoter: false,
  isStoreHealthy: true,
  learner: null,
  reading: null,
  pausedUntil: 0,
  bulkBytesMax: BLOCK_BYTES_MAX,
});
