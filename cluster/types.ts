import type { HashHex, Height, NodeId, Term } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { BlockSigner, BlockVerifier, ChainState } from "../shared/log/chain.js";
import type { AlertRecords, Maintenance, Member } from "../shared/log/control.js";
import type { LoggedEvent, PreparedEvent } from "../shared/log/event.js";
import type { BlockIndex } from "../shared/log/index.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import type { Note, ReplicaAlert, RoleReason } from "./codes.js";
import type { ReplicaLimits } from "./limits.js";

/** What a node must never forget: one document, replaced as a whole, durable before any message that rests on it. */
export interface HardState {
  readonly term: Term;
  /** Whom this node voted for in `term`. */
  readonly votedFor: NodeId | null;
  /** Names this join of this node; a new one, made before any message, makes the node a learner until admitted. */
  readonly joinNonce: string;
  /** The founding members, once all have been heard; in force until a genesis is committed. */
  readonly forming: readonly Member[] | null;
}

export interface ReplicaConfig {
  /** This node as it introduces itself; its joinNonce is the one of the hard state. */
  readonly self: Omit<Member, "joinNonce">;
  /** The configured members: before forming they say who must be heard, afterwards they give addresses only. */
  readonly configured: readonly { readonly id: NodeId; readonly priority: number }[];
  readonly heartbeatMs: number;
  /** Randomised up to 1.3 times. */
  readonly electionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** No hand-over to a preferred node within this time of an election; doubled after each that failed. */
  readonly takeoverCooldownMs: number;
  /** Learners with new keys are admitted without a person. */
  readonly admitsNewKeys: boolean;
  /** What the log says of an admission for which no person has given a reason. */
  readonly admissionReasons: { readonly knownKeys: string; readonly newKeys: string };
  /** The identity says that this node belongs to this cluster: no other genesis is accepted. */
  readonly formedClusterId: HashHex | null;
  readonly limits: ReplicaLimits;
  /** Any 32-bit number; the only source of randomness. */
  readonly seed: number;
  /** A nonce for a genesis that this node may write: 32 hex digits. */
  readonly genesisNonce: string;
  /** A fresh join nonce, used if this node finds itself amnesiac while it runs. */
  readonly nextJoinNonce: string;
}

/** What recovery found in the store, verified. */
export interface BootState {
  readonly hardState: HardState;
  /** The state at `commitHeight` (or lower), from which `tail` continues. */
  readonly base: ChainState;
  /** Verified blocks above the base, oldest first, to the durable tail. */
  readonly tail: readonly {
    readonly block: Block;
    readonly next: ChainState;
    readonly events: readonly LoggedEvent[];
  }[];
  /** What is surely committed: the highest commitHeight in a stored header (or 1-node: all). */
  readonly commitHeight: Height;
  /** The ids of the events in all blocks from `idsFrom` to the tail, oldest first; blocks without events can be left out. */
  readonly ids: readonly BlockIds[];
  /** At most the commit height + 1. */
  readonly idsFrom: Height;
  /** A block below the tail fails its check: campaign late. */
  readonly campaignsLate: boolean;
}

/** By what a repeated write is recognised; the events themselves are read from their block. */
export interface BlockIds {
  readonly height: Height;
  readonly ids: readonly string[];
}

export interface Ports {
  readonly signer: BlockSigner;
  readonly verifyBlock: BlockVerifier;
}

/** One write: one event, or a whole batch that must stand in one block. */
export interface Proposal {
  /** Chosen by the driver; unique in this process. */
  readonly proposalId: number;
  readonly events: readonly PreparedEvent[];
  /** Monotonic milliseconds of this node: not sealed at or after this. */
  readonly deadline: number;
  /**
   * The write stands in no block up to here: how far the node that took the request knew the log to be committed before
   * the first attempt that may have been written.
   */
  readonly sinceHeight: Height;
  /** Condition of reference API A: the log's head when the leader orders the event. */
  readonly ifPreviousHash?: HashHex | "";
}

/** Everything that can happen to a replica. `now` is monotonic milliseconds and never goes back. */
export type Input =
  /** At least twice a heartbeat interval. `wall` is RFC 3339 UTC with milliseconds. */
  | { kind: "tick"; now: number; wall: string }
  /** `ref` names the request for the transport: an answer carries it back. */
  | { kind: "message"; now: number; wall: string; message: PeerMessage; ref?: number }
  /** A connection to this peer was refused or reset: a "no" to a question, never a safety matter. */
  | { kind: "unreachable"; now: number; peer: NodeId }
  /**
   * This peer's connections were closed and a new one was refused: its process has ended. If it led, that counts as
   * missed heartbeats; safety does not rest on it.
   */
  | { kind: "gone"; now: number; peer: NodeId }
  /** More of the message with blocks, sent to this peer in this round, has arrived there. */
  | { kind: "bulk_progress"; now: number; peer: NodeId; round: number }
  /**
   * That message is no longer on its way. `delivered`: the peer has it, and may still be storing it; `unreachable`: nobody
   * took it; `failed`: for all that is known it is lost.
   */
  | { kind: "bulk_over"; now: number; peer: NodeId; round: number; end: BulkEnd }
  /** A storage operation is durable. Operations complete in the order in which they were given out. */
  | { kind: "stored"; now: number; wall: string; opId: number }
  /** Writes that came together: those of one request of a following node, or one. */
  | { kind: "propose"; now: number; wall: string; proposals: readonly Proposal[] }
  | { kind: "key_looked_up"; now: number; wall: string; proposalId: number; found: { height: Height } | null }
  /** It is not known whether the key was used; tried again already. */
  | { kind: "key_look_up_failed"; now: number; wall: string; proposalId: number; reason: LookUpFailure }
  | { kind: "blocks_read"; now: number; readId: number; blocks: readonly Block[] }
  /** A person admits a learner with new keys. */
  | { kind: "admit"; now: number; wall: string; node: NodeId; actor: string; reason: string }
  /** Steps of one node's alerts, to stand in the log; signed by it. */
  | { kind: "log_alerts"; now: number; wall: string; records: AlertRecords }
  /** A person announces work on a node, to stand in the log. */
  | { kind: "log_maintenance"; now: number; wall: string; window: Maintenance }
  /** This node should lead no longer: it hands over to the best level voter, or to `target`. */
  | { kind: "hand_over"; now: number; wall: string; target: NodeId | null }
  /** This node's store has failed, and this replica ends: a leader tells the best level voter to run at once. */
  | { kind: "store_lost"; now: number }
  /** Confirms that this leader still leads: answered by `read_confirmed` or `read_refused`. */
  | { kind: "read_index"; now: number; readId: number }
  /** The node should not lead while others can, for a reason that its surroundings know: verification is pending. */
  | { kind: "campaigns_late"; now: number; isLate: boolean };

/** How a message with blocks ended, as the transport says. */
export type BulkEnd = "delivered" | "unreachable" | "failed";

/** Why a key could not be looked up; `index_rebuilding`: the index does not have all committed blocks at present. */
export type LookUpFailure = "look_up_failed" | "index_rebuilding";

/** This attempt is certainly not written, and never will be. */
export type ProposalRefusal =
  | "not_leader"
  | "expired"
  | "queue_full"
  /** The store of this node is not answering, or it is a learner. */
  | "unavailable"
  /** An earlier attempt may stand where this node no longer knows the ids. */
  | "cannot_tell"
  | LookUpFailure;

/**
 * What the driver must do, in this order. Storage operations form one queue and are done one after the other; each is
 * answered by `stored`. **Persist before send:** the replica gives out a `send` that rests on a storage operation only
 * after that operation's `stored`.
 */
export type Effect =
  | { kind: "save_state"; opId: number; state: HardState }
  | {
      kind: "store_block";
      opId: number;
      block: Block;
      next: ChainState;
      events: readonly LoggedEvent[];
      index: BlockIndex;
    }
  /** Quarantine and delete the uncommitted blocks from `from` up, top down. */
  | { kind: "truncate"; opId: number; from: Height; term: Term; leaderId: NodeId }
  /** What is committed by now, the last `committed` included, is durable in the mark outside of the database. */
  | { kind: "save_mark"; opId: number }
  | { kind: "send"; message: PeerMessage; ref?: number }
  /** Blocks for a follower that is behind what is cached; answered by `blocks_read`. */
  | { kind: "read_blocks"; readId: number; from: Height; bytesMax: number }
  /**
   * One for each key of the proposal, to be found in any durable block; each is answered by `key_looked_up` or
   * `key_look_up_failed`.
   */
  | { kind: "look_up_key"; proposalId: number; sourceAppId: string; idempotencyKey: string }
  /** Everything up to `height` is committed and durable here. `acknowledgedBy` is known on the leader only. */
  | { kind: "committed"; height: Height; blocks: readonly CommittedBlock[]; acknowledgedBy: readonly NodeId[] }
  /** The proposal stands in this block; its fate is the fate of (height, blockHash). */
  | {
      kind: "sealed";
      proposalId: number;
      height: Height;
      blockHash: HashHex;
      events: readonly LoggedEvent[];
      term: Term;
    }
  /**
   * The same events (by id or key) were logged before, in the block at `height`. They are decided when (height,
   * blockHash) is; a null hash says that the block is committed.
   */
  | { kind: "duplicate"; proposalId: number; height: Height; blockHash: HashHex | null }
  /** The same key is being decided under another proposal. */
  | { kind: "in_progress"; proposalId: number; of: number }
  | { kind: "refused"; proposalId: number; reason: ProposalRefusal }
  /** What is committed up to `height` includes every write acknowledged before the read was asked for. */
  | { kind: "read_confirmed"; readId: number; height: Height }
  | { kind: "read_refused"; readId: number }
  | { kind: "head_differs"; proposalId: number; headHash: HashHex | ""; nextSequence: number }
  | { kind: "alert"; alert: ReplicaAlert }
  | { kind: "role_changed"; role: Role; term: Term; leaderId: NodeId | null; reason: RoleReason }
  | { kind: "note"; note: Note };

export interface CommittedBlock {
  readonly block: Block;
  readonly next: ChainState;
  readonly events: readonly LoggedEvent[];
}

/**
 * `asking`: waits for ALIVE of a higher-priority node (Bully's ELECTION); `pre_candidate` and `candidate` gather
 * pre-votes and votes.
 */
export type Role = "follower" | "asking" | "pre_candidate" | "candidate" | "leader";

/** What is asked for with every request: who leads, and whether a majority stood behind it within an election timeout. */
export interface ReplicaStanding {
  readonly role: Role;
  readonly term: Term;
  readonly leaderId: NodeId | null;
  readonly hasQuorum: boolean;
  readonly isLearner: boolean;
  /** How far the log is committed, by this node's own log or its leaders' word. */
  readonly knownCommitHeight: Height;
}

/** What a node may say of its replica; a snapshot. */
export interface ReplicaView extends ReplicaStanding {
  readonly clusterId: HashHex | "";
  readonly isStalled: boolean;
  readonly isForming: boolean;
  /** Members not heard while forming. */
  readonly missing: readonly NodeId[];
  readonly tailHeight: Height;
  readonly durableHeight: Height;
  readonly commitHeight: Height;
  /** The committed events. */
  readonly committedSize: number;
  readonly headHash: HashHex | "";
  readonly members: readonly Member[];
  /** Monotonic milliseconds of the last valid message from the leader, or of a majority's answers on the leader. */
  readonly lastLeaderContact: number;
  /** How long until this node runs for leader if it hears none, of how long at first; null where it does not wait. */
  readonly electionWait: { readonly leftMs: number; readonly ofMs: number } | null;
  readonly peers: readonly PeerView[];
  readonly clocksOff: readonly ClockView[];
}

/** A member whose wall clock is off, and how far from the members' median; negative is behind. */
export interface ClockView {
  readonly node: NodeId;
  readonly offMs: number;
}

/** What a replica's word rests on, by reference: a step that leaves all of it the same has changed nothing that counts. */
export interface ReplicaFooting {
  readonly hardState: HardState;
  readonly tail: ChainState;
  readonly durableHeight: Height;
  readonly commitHeight: Height;
}

/** How much a replica holds of what comes and goes; each has a bound. */
export interface ReplicaLoad {
  /** Messages that wait for a hard state to be saved, and answers that wait for blocks to be durable. */
  readonly gatedMessages: number;
  readonly pendingAnswers: number;
  /** On a leader: writes that wait for a block, in all and in bytes; those whose ids or keys are reserved. */
  readonly waitingProposals: number;
  readonly waitingBytes: number;
  readonly reservingProposals: number;
  readonly waitingAdmissions: number;
  readonly waitingReads: number;
  /** What duplicates are checked against: ids, whole from this height on, and keys. */
  readonly ids: number;
  readonly idsFrom: Height;
  readonly keys: number;
  /** Events of the log, and of its blocks that are not durable yet. */
  readonly events: number;
  readonly eventsNotDurable: number;
  readonly cachedBlocks: number;
}

/** What the leader knows of a follower. */
export interface PeerView {
  readonly id: NodeId;
  readonly matchHeight: Height;
  readonly lastContact: number;
  readonly isVoter: boolean;
  readonly isStoreHealthy: boolean;
  /** A learner that has caught up as far as `matchHeight` and is not admitted yet. */
  readonly wantsAdmission: boolean;
}
