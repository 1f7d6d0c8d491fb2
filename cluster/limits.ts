import { MESSAGE_BLOCKS_MAX } from "../shared/limits.js";

/** What bounds the memory of a replica. Each is reached at some time, so each is drawn small in simulations. */
export interface ReplicaLimits {
  /** Ids of events that repeated writes are recognised by; more are kept while one of the next two rules asks for them. */
  readonly idsMax: number;
  /** The ids of this many newest committed blocks are kept, and of all blocks above them. */
  readonly idsBlocksMin: number;
  /** Committed blocks kept in memory for followers that are slightly behind. */
  readonly cachedBlocksMax: number;
  readonly cachedBytesMax: number;
  /** Writes that wait for a block, in number and in bytes. */
  readonly queuedWritesMax: number;
  readonly queuedBytesMax: number;
  /** Messages that wait for a hard state to be saved; beyond this the newest are dropped, as a network may. */
  readonly gatedMessagesMax: number;
  /** Answers that wait for durability; a leader has one append with blocks on its way, the rest are repeats. */
  readonly pendingAnswersMax: number;
  /** Linearizable reads that wait for a majority's answers. */
  readonly waitingReadsMax: number;
  readonly waitingAdmissionsMax: number;
  /** Blocks in one message. */
  readonly messageBlocksMax: number;
  readonly messageBytesMax: number;
  /** A message that is smaller shows nothing of a link's width: however long it takes, a busy node may be why. */
  readonly linkBytesMin: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: ReplicaLimits = {
  idsMax: 100_000,
  idsBlocksMin: 64,
  cachedBlocksMax: 1_024,
  cachedBytesMax: 8 * MIB,
  queuedWritesMax: 20_000,
  queuedBytesMax: 64 * MIB,
  gatedMessagesMax: 1_024,
  pendingAnswersMax: 64,
  waitingReadsMax: 1_024,
  waitingAdmissionsMax: 16,
  messageBlocksMax: MESSAGE_BLOCKS_MAX,
  messageBytesMax: 2 * MIB,
  linkBytesMin: 64 * 1024,
};
