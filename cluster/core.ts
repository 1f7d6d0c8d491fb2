import { canonicalBytes } from "../shared/canonical.js";
import { sha256Hex } from "../shared/hash.js";
import { type HashHex, type Height, height, type NodeId, type Term } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { Member, Membership } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { Admission, isLearner } from "./admission.js";
import { ToldToLead } from "./check-quorum.js";
import { Clocks, isClockOff, ownWallMs } from "./clocks.js";
import type { Note, ReplicaAlert, RoleReason } from "./codes.js";
import { Duplicates } from "./duplicates.js";
import { ElectionState } from "./election.js";
import { Following } from "./follower.js";
import { Founding } from "./founding.js";
import { type LeaderState, waitingIds } from "./leader-state.js";
import { LogView, type NewEntry } from "./log-view.js";
import { majority } from "./quorum.js";
import { Random } from "./random.js";
import { StoreQueue } from "./store-queue.js";
import { armElection } from "./timeouts.js";
import { TakeOver } from "./transfer.js";
import type { BootState, Effect, HardState, Ports, ProposalRefusal, ReplicaConfig, Role } from "./types.js";

/**
 * What all rules of a replica share: its hard state, its log, its role, and how effects are given out. What only one rule
 * needs to remember is in an object of that rule. Each step of `Replica` runs one of them to its end.
 */
export class Core {
  now = 0;
  wall = "";
  effects: Effect[] = [];
  readonly random: Random;
  readonly store: StoreQueue;
  readonly log: LogView;
  readonly duplicates: Duplicates;

  hard: HardState;
  role: Role = "follower";
  leaderId: NodeId | null = null;
  /** What only a leader knows. */
  leader: LeaderState | null = null;

  readonly election = new ElectionState();
  readonly following = new Following();
  readonly takeOver = new TakeOver();
  readonly toldToLead = new ToldToLead();
  readonly founding = new Founding();
  readonly admission = new Admission();
  readonly clocks = new Clocks();
  /** Members that answered with a term far above this node's. */
  readonly highTerms = new Map<NodeId, Term>();
  /** Never the same twice in a replica's life: a read that an earlier term of its lead asked for is none of this one's. */
  nextReadId = 1;

  private peersMemo: { members: Membership; forming: HardState["forming"]; ids: readonly NodeId[] } | null = null;
  private formingMemo: { of: readonly Member[]; hash: HashHex } | null = null;

  constructor(
    readonly config: ReplicaConfig,
    boot: BootState,
    readonly ports: Ports,
  ) {
    this.random = new Random(config.seed);
    this.store = new StoreQueue(config.limits.gatedMessagesMax);
    this.log = new LogView(boot.base, boot.tail, boot.commitHeight, config.limits);
    this.hard = boot.hardState;
    const tail = this.log.tail;
    // A state behind its own log has lost a write: whoever led that term is taken as voted for, so no second vote.
    const sealedBy = boot.tail.at(-1)?.block.header.leaderId ?? config.self.id;
    if (tail.term > this.hard.term) this.hard = { ...this.hard, term: tail.term, votedFor: sealedBy };
    this.election.isToldLate = boot.campaignsLate;
    this.duplicates = new Duplicates(config.limits, boot);
  }

  get selfId(): NodeId {
    return this.config.self.id;
  }
  get term(): Term {
    return this.hard.term;
  }
  get self(): Member {
    return { ...this.config.self, joinNonce: this.hard.joinNonce };
  }
  get clusterId(): HashHex | "" {
    return this.log.committed.clusterId || (this.config.formedClusterId ?? "");
  }
  get formingHash(): HashHex | "" {
    const { forming } = this.hard;
    if (forming === null) return "";
    // Every message carries it, and the list is replaced as a whole if at all.
    if (this.formingMemo?.of !== forming) this.formingMemo = { of: forming, hash: sha256Hex(canonicalBytes(forming)) };
    return this.formingMemo.hash;
  }

  /** The members in force at a state of the log: those it names, before a genesis those of the forming record. */
  membersAt(members: Membership): Membership {
    return members.size > 0 ? members : new Map((this.hard.forming ?? []).map((member) => [member.id, member]));
  }
  /** Who counts: the members that the committed log names. */
  get members(): Membership {
    return this.membersAt(this.log.committed.members);
  }
  get quorum(): number {
    return majority(Math.max(1, this.members.size));
  }
  /** Other members; before forming, the configured ones. */
  get peerIds(): readonly NodeId[] {
    const { members } = this.log.committed;
    const { forming } = this.hard;
    // Every message asks for them, and each of the two is replaced as a whole if at all.
    if (this.peersMemo?.members !== members || this.peersMemo.forming !== forming) {
      const inForce = this.membersAt(members);
      const known = inForce.size > 0 ? [...inForce.keys()] : this.config.configured.map((node) => node.id);
      this.peersMemo = { members, forming, ids: known.filter((id) => id !== this.selfId) };
    }
    return this.peersMemo.ids;
  }
  get isLearner(): boolean {
    return isLearner(this);
  }
  get isStalled(): boolean {
    return this.store.ageOfOldestMs(this.now) > 2 * this.config.electionTimeoutMs;
  }
  get isStoreHealthy(): boolean {
    return this.store.ageOfOldestMs(this.now) < this.config.electionTimeoutMs / 2;
  }
  /** It should not lead while others can: they may try first. */
  get campaignsLate(): boolean {
    return this.election.isToldLate || isClockOff(this, this.selfId);
  }
  /** How long this node waits for its leader: by that one's configuration, for its heartbeats come by it. */
  get leaderTimeoutMs(): number {
    return (this.leaderId === null ? null : this.following.announcedTimeoutMs) ?? this.config.electionTimeoutMs;
  }
  get hasFreshLeader(): boolean {
    // A little less than a timeout: the first to miss the leader must not be refused by those that heard it just later.
    return this.leaderId !== null && this.now - this.following.lastContact < 0.8 * this.leaderTimeoutMs;
  }
  /** How far the log is committed, by this log or by a leader's word. */
  get knownCommitHeight(): Height {
    return height(Math.max(this.log.commitHeight, this.following.toldCommitHeight ?? 0));
  }

  send(to: NodeId, body: PeerBody, options: { ref?: number | undefined; blocks?: readonly Block[] } = {}): void {
    const message: PeerMessage = {
      from: this.selfId,
      to,
      clusterId: this.clusterId,
      formingHash: this.formingHash,
      term: this.term,
      wallMs: ownWallMs(this),
      body,
      blocks: options.blocks ?? [],
    };
    const { ref } = options;
    this.store.send({ kind: "send", message, ...(ref === undefined ? {} : { ref }) }, this.effects);
  }

  note(note: Note): void {
    this.effects.push({ kind: "note", note });
  }
  alert(alert: ReplicaAlert): void {
    this.effects.push({ kind: "alert", alert });
  }
  refuse(proposalId: number, reason: ProposalRefusal): void {
    this.effects.push({ kind: "refused", proposalId, reason });
  }

  saveState(change: Partial<HardState>, ownVoteTerm: Term | 0 = 0): void {
    this.hard = { ...this.hard, ...change };
    const opId = this.store.begin("save_state", this.now, { ownVoteTerm });
    this.effects.push({ kind: "save_state", opId, state: this.hard });
  }

  saveMark(): void {
    this.effects.push({ kind: "save_mark", opId: this.store.begin("save_mark", this.now) });
  }

  storeBlock({ index, ...entry }: NewEntry): void {
    this.log.append(entry);
    this.duplicates.add(entry);
    const opId = this.store.begin("store_block", this.now, { height: entry.next.height });
    this.effects.push({ kind: "store_block", opId, ...entry, index });
  }

  /** Replaces an uncommitted tail: the blocks from `from` up go to quarantine. */
  truncate(from: Height, leaderId: NodeId): void {
    this.log.truncate(from);
    this.duplicates.remove(from);
    this.store.voidFrom(from);
    const opId = this.store.begin("truncate", this.now, { height: from });
    this.effects.push({ kind: "truncate", opId, from, term: this.term, leaderId });
  }

  becomeFollower(leaderId: NodeId | null, reason: RoleReason): void {
    const isChange = this.role !== "follower" || this.leaderId !== leaderId;
    const { leader } = this;
    this.role = "follower";
    this.leaderId = leaderId;
    this.election.votes.clear();
    this.election.asked.clear();
    if (leader !== null) this.resign(leader);
    if (leaderId === null) this.following.pendingAnswers = [];
    if (isChange) this.announceRole(reason);
  }

  announceRole(reason: RoleReason): void {
    this.effects.push({ kind: "role_changed", role: this.role, term: this.term, leaderId: this.leaderId, reason });
  }

  /** Writes that are in no block are certainly not written; nothing queued in a term outlives it. */
  private resign(leader: LeaderState): void {
    for (const proposalId of waitingIds(leader)) this.refuse(proposalId, "not_leader");
    for (const { readId } of leader.reads) this.effects.push({ kind: "read_refused", readId });
    this.leader = null;
    armElection(this);
  }
}
