import { utf8 } from "../shared/bytes.js";
import { canonicalBytes } from "../shared/canonical.js";
import { sha256Hex } from "../shared/hash.js";
import { type HashHex, type Height, height, type NodeId, type Term } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { Election, Member, Membership } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { Clocks, isClockOff, ownWallMs } from "./clocks.js";
import { Duplicates } from "./duplicates.js";
import type { LeaderState } from "./leader-state.js";
import { LogView, type NewEntry } from "./log-view.js";
import { majority } from "./quorum.js";
import { Random } from "./random.js";
import type { BootState, Effect, HardState, Ports, ReplicaAlert, ReplicaConfig, Role } from "./types.js";

/** A node that should not lead waits this many timeouts, so that any other may try first. */
export const LATE_FACTOR = 3;
/** After each failure the wait for the next try doubles, so many times at most. */
export const BACK_OFF_DOUBLINGS_MAX = 6;
/** Election timeouts are drawn between 1 and 1.3 times the configured one. */
const TIMEOUT_SPREAD = 0.3;

interface StoreOperation {
  readonly opId: number;
  readonly kind: "save_state" | "save_mark" | "store_block" | "truncate";
  readonly startedAt: number;
  readonly height: Height | 0;
  /** For a vote of its own: the term in which the saved state votes for this node. */
  readonly ownVoteTerm: Term | 0;
  /** The block was replaced while its insert was under way: its completion says nothing about the present log. */
  isVoid: boolean;
}

/** An answer to a leader that waits until the blocks it speaks of are durable. */
export interface PendingAnswer {
  readonly to: NodeId;
  readonly term: Term;
  readonly matchHeight: Height;
  readonly round: number;
  readonly ref: number | undefined;
}

/**
 * The state of a replica and what all its roles share: terms, messages, storage operations. The roles' rules are in
 * follower.ts, election.ts, leader.ts and forming.ts; each step of `Replica` runs one of them to its end.
 */
export class Core {
  now = 0;
  wall = "";
  effects: Effect[] = [];
  readonly random: Random;
  readonly log: LogView;
  readonly duplicates: Duplicates;

  hard: HardState;
  role: Role = "follower";
  leaderId: NodeId | null = null;
  /** The last valid message of the present leader; on the leader itself, when it was elected. */
  lastLeaderContact = Number.NEGATIVE_INFINITY;
  /** What the leader that was followed last announces. */
  private announcedTimeoutMs: number | null = null;
  private saidTimeoutMs: number | null = null;
  /** How far a leader has said that the log is committed: below it this node is not level. Null before the first word. */
  toldCommitHeight: Height | null = null;
  lastTickAt: number | null = null;
  isToldLate: boolean;
  readonly clocks = new Clocks();
  /** Why and since when this node runs; null while there is no reason to. */
  campaign: { reason: Election["reason"]; since: number; previousLeader: NodeId | null } | null = null;
  /** Since when this node has followed the present leader, and its store has been healthy; for taking over. */
  followsSince = 0;
  healthySince = 0;
  lastTakeOverAt = Number.NEGATIVE_INFINITY;
  /** Its blocks reached no majority when it led: it does not ask for the lead again soon. */
  noTakeOverBefore = Number.NEGATIVE_INFINITY;
  private standBacks = 0;
  /** Who was told to lead since a block was committed last. */
  readonly toldToLead = { commitHeight: height(0), ids: new Set<NodeId>() };
  /** Its admission is committed, and that is not durable here yet. */
  private isMarking = false;
  electionDeadline = 0;
  /** ALIVE silences this node once; reset by a leader's message. */
  wasSilenced = false;
  /** Higher-priority nodes that have not answered ELECTION. */
  asked = new Set<NodeId>();
  votes = new Set<NodeId>();
  leader: LeaderState | null = null;
  /** Commit height learned from the leader; applied as blocks become durable. */
  learnedCommit: Height = height(0);
  pendingAnswers: PendingAnswer[] = [];
  /** Members heard while forming, by id, and when each was heard last. */
  readonly heard = new Map<NodeId, { readonly member: Member; readonly at: number }>();
  /** Members that were heard to have stored the same founding list; of no interest once there is a log. */
  readonly founders = new Set<NodeId>();
  lastJoinAt = Number.NEGATIVE_INFINITY;
  /** When a formed cluster was met last, or a list of founders without this join: this node waits to be admitted there. */
  metOthersAt = Number.NEGATIVE_INFINITY;
  /** Lists of founders of which somebody was told that they are not this node's, by their sender. */
  readonly otherLists = new Map<NodeId, HashHex>();
  /** Members that answered with a term far above this node's. */
  readonly highTerms = new Map<NodeId, Term>();

  /** Never the same twice in a replica's life: a read that an earlier term of its lead asked for is none of this one's. */
  nextReadId = 1;
  private nextOpId = 1;
  private operations: StoreOperation[] = [];
  private gated: Extract<Effect, { kind: "send" }>[] = [];
  private joinCount = 0;
  private formingMemo: { of: readonly Member[]; hash: HashHex } | null = null;

  constructor(
    readonly config: ReplicaConfig,
    boot: BootState,
    readonly ports: Ports,
  ) {
    this.random = new Random(config.seed);
    this.log = new LogView(boot.base, boot.tail, boot.commitHeight, config.limits);
    this.hard = boot.hardState;
    const tail = this.log.tail;
    // A state behind its own log has lost a write: whoever led that term is taken as voted for, so no second vote.
    const sealedBy = boot.tail.at(-1)?.block.header.leaderId ?? config.self.id;
    if (tail.term > this.hard.term) this.hard = { ...this.hard, term: tail.term, votedFor: sealedBy };
    this.isToldLate = boot.campaignsLate;
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
  get peerIds(): NodeId[] {
    const known = this.members.size > 0 ? [...this.members.keys()] : this.config.configured.map((node) => node.id);
    return known.filter((id) => id !== this.selfId);
  }
  /** A learner counts for nothing: its join is not the one admitted last in the committed part of its own log. */
  get isLearner(): boolean {
    return this.isMarking || !this.isAdmitted;
  }
  private get isAdmitted(): boolean {
    return this.members.get(this.selfId)?.joinNonce === this.hard.joinNonce;
  }
  get oldestOperationAgeMs(): number {
    return this.now - (this.operations[0]?.startedAt ?? this.now);
  }
  get isStalled(): boolean {
    return this.oldestOperationAgeMs > 2 * this.config.electionTimeoutMs;
  }
  get isStoreHealthy(): boolean {
    return this.oldestOperationAgeMs < this.config.electionTimeoutMs / 2;
  }
  /** It should not lead while others can: they may try first. */
  get campaignsLate(): boolean {
    return this.isToldLate || isClockOff(this, this.selfId);
  }
  get hasFreshLeader(): boolean {
    // A little less than a timeout: the first to miss the leader must not be refused by those that heard it just later.
    return this.leaderId !== null && this.now - this.lastLeaderContact < 0.8 * this.leaderTimeoutMs;
  }

  /** How far the log is committed, by this log or by a leader's word. */
  get knownCommitHeight(): Height {
    return height(Math.max(this.log.commitHeight, this.toldCommitHeight ?? 0));
  }

  get gatedMessages(): number {
    return this.gated.length;
  }

  armElection(factor = 1): void {
    const late = this.campaignsLate ? LATE_FACTOR : 1;
    const spread = 1 + TIMEOUT_SPREAD * this.random.next();
    this.electionDeadline = this.now + this.leaderTimeoutMs * spread * late * factor;
  }

  /** How long this node waits for its leader: by that one's configuration, for its heartbeats come by it. */
  get leaderTimeoutMs(): number {
    return (this.leaderId === null ? null : this.announcedTimeoutMs) ?? this.config.electionTimeoutMs;
  }

  /** The leader's word. Both may be as they should; nodes configured alike elect sooner, or more calmly. */
  onAnnouncedTimeout(leaderId: NodeId, timeoutMs: number): void {
    const own = this.config.electionTimeoutMs;
    this.announcedTimeoutMs = timeoutMs;
    if (timeoutMs === own || timeoutMs === this.saidTimeoutMs) return;
    this.saidTimeoutMs = timeoutMs;
    this.note(
      "warn",
      `ELECTION_TIMEOUT_MS is ${timeoutMs} on ${leaderId}, which leads, and ${own} on ${this.selfId}: this node waits for ` +
        "its leader by the leader's. Configure all nodes alike.",
    );
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
    const effect: Effect = { kind: "send", message, ...(options.ref === undefined ? {} : { ref: options.ref }) };
    // Persist before send: a message speaks for the hard state of its moment, so it waits until that is durable.
    if (!this.operations.some((operation) => operation.kind === "save_state")) this.effects.push(effect);
    else if (this.gated.length < this.config.limits.gatedMessagesMax) this.gated.push(effect);
  }

  note(level: "info" | "warn", text: string): void {
    this.effects.push({ kind: "log", level, text });
  }
  alert(alert: ReplicaAlert): void {
    this.effects.push({ kind: "alert", alert });
  }

  saveState(change: Partial<HardState>, ownVoteTerm: Term | 0 = 0): void {
    this.hard = { ...this.hard, ...change };
    const opId = this.begin("save_state", 0, ownVoteTerm);
    this.effects.push({ kind: "save_state", opId, state: this.hard });
  }

  storeBlock({ index, ...entry }: NewEntry): void {
    this.log.append(entry);
    this.duplicates.add(entry);
    const opId = this.begin("store_block", entry.next.height, 0);
    this.effects.push({ kind: "store_block", opId, ...entry, index });
  }

  /** Replaces an uncommitted tail: the blocks from `from` up go to quarantine. */
  truncate(from: Height, leaderId: NodeId): void {
    this.log.truncate(from);
    this.duplicates.remove(from);
    for (const operation of this.operations) {
      if (operation.kind === "store_block" && operation.height >= from) operation.isVoid = true;
    }
    const opId = this.begin("truncate", from, 0);
    this.effects.push({ kind: "truncate", opId, from, term: this.term, leaderId });
  }

  /** Takes the completion of the oldest storage operation. Returns it, unless the block was replaced meanwhile. */
  complete(opId: number): StoreOperation | null {
    const done = this.operations.shift();
    if (done === undefined || done.opId !== opId) throw new Error(`storage completed ${opId} out of order`);
    if (!this.operations.some((operation) => operation.kind === "save_state")) {
      this.effects.push(...this.gated);
      this.gated = [];
    }
    return done.isVoid ? null : done;
  }

  /** Moves to a higher term: no vote yet, no leader known, whatever role there was is over. */
  adoptTerm(higher: Term): void {
    this.becomeFollower(null, `term ${higher} was seen`);
    this.saveState({ term: higher, votedFor: null });
  }

  becomeFollower(leaderId: NodeId | null, reason: string): void {
    const isChange = this.role !== "follower" || this.leaderId !== leaderId;
    const wasLeader = this.role === "leader";
    this.role = "follower";
    this.leaderId = leaderId;
    this.votes.clear();
    this.asked.clear();
    if (wasLeader) this.resign();
    if (leaderId === null) this.pendingAnswers = [];
    if (isChange) this.announceRole(reason);
  }

  /** Each time for twice as long, until it has stood back for nothing as long again. */
  standBack(): void {
    const { takeoverCooldownMs } = this.config;
    const lastMs = takeoverCooldownMs * 2 ** Math.min(this.standBacks, BACK_OFF_DOUBLINGS_MAX);
    if (this.now > this.noTakeOverBefore + 2 * lastMs) this.standBacks = 0;
    this.standBacks += 1;
    this.noTakeOverBefore = this.now + takeoverCooldownMs * 2 ** Math.min(this.standBacks, BACK_OFF_DOUBLINGS_MAX);
  }

  announceRole(reason: string): void {
    this.effects.push({ kind: "role_changed", role: this.role, term: this.term, leaderId: this.leaderId, reason });
  }

  /** Writes that are in no block are certainly not written; nothing queued in a term outlives it. */
  private resign(): void {
    for (const proposalId of this.leader?.waitingIds() ?? []) {
      this.effects.push({ kind: "refused", proposalId, reason: "not_leader" });
    }
    for (const { readId } of this.leader?.reads ?? []) this.effects.push({ kind: "read_refused", readId });
    this.leader = null;
    this.armElection();
  }

  /** Commits what is known to be committed and durable here. */
  advanceCommit(known: Height, acknowledgedBy: readonly NodeId[] = []): void {
    const through = height(Math.min(known, this.log.durableHeight));
    if (through <= this.log.commitHeight) return;
    const wasAdmitted = this.isAdmitted;
    const blocks = this.log.commit(through);
    this.duplicates.forget(through);
    this.effects.push({ kind: "committed", height: through, blocks, acknowledgedBy });
    const genesis = blocks[0]?.block.header.control;
    // A node that joined later keeps the founding list too: it is how nodes of one cluster know each other early on.
    if (genesis?.kind === "genesis" && this.hard.forming === null) this.saveState({ forming: genesis.members });
    // Nothing in its log says yet that the record is committed: without the mark, a node that starts again after it has
    // been counted on would be a learner.
    if (!wasAdmitted && this.isAdmitted) {
      this.isMarking = true;
      this.effects.push({ kind: "save_mark", opId: this.begin("save_mark", 0, 0) });
    }
  }

  onMarkSaved(): void {
    this.isMarking = false;
    if (this.isLearner) return;
    this.note("info", `${this.selfId} is admitted: its votes and acknowledgements count from now on`);
    this.armElection();
  }

  /** A fresh join, made when this node finds that it lost what it had acknowledged: it counts for nothing until admitted. */
  becomeLearner(reason: string): void {
    this.joinCount += 1;
    const nonce = sha256Hex(utf8(`${this.config.nextJoinNonce}/${this.joinCount}`)).slice(0, 32);
    this.note("warn", `${this.selfId} becomes a learner: ${reason}`);
    this.pendingAnswers = [];
    this.saveState({ joinNonce: nonce });
  }

  private begin(kind: StoreOperation["kind"], at: Height | 0, ownVoteTerm: Term | 0): number {
    const opId = this.nextOpId++;
    this.operations.push({ opId, kind, startedAt: this.now, height: at, ownVoteTerm, isVoid: false });
    return opId;
  }
}

/** A log is at least as complete: last term first, then height (Raft section 5.4.1). */
export function isAtLeast(
  log: { readonly term: Term; readonly height: Height },
  other: { readonly term: Term; readonly height: Height },
): boolean {
  return log.term > other.term || (log.term === other.term && log.height >= other.height);
}
