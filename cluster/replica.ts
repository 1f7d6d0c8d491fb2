import { type Height, height, term, unreachable } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import { admit, onMarkSaved } from "./admission.js";
import { logAlerts, logMaintenance } from "./alert-records.js";
import { clockViews, onClockHeard, onClockTick } from "./clocks.js";
import { maybeCommit } from "./commit.js";
import { Core } from "./core.js";
import {
  onAlive,
  onAskedUnreachable,
  onElection,
  onElectionTick,
  onGone,
  onPaused,
  onPreVote,
  onPreVoteAnswer,
  onRunNow,
} from "./election.js";
import { onAppend, onDurable } from "./follower.js";
import { isForming, missingMembers, noteFounders, onFormingTick, onJoin } from "./founding.js";
import { onKeyLookedUp, onKeyLookUpFailed } from "./idempotency.js";
import { onAppendAnswer, onLeaderTick, peerViews } from "./leader.js";
import { waitingWrites } from "./leader-state.js";
import { noticesDueAt } from "./notices.js";
import { propose } from "./proposals.js";
import { onReadIndex } from "./read-index.js";
import { onBlocksRead, onBulkOver, onBulkProgress } from "./replication.js";
import { trySeal } from "./sealing.js";
import { onFollowerTick } from "./take-over.js";
import { takeTerm } from "./terms.js";
import { armElection } from "./timeouts.js";
import { handOverAtOnce, onHandOver, onTakeOver } from "./transfer.js";
import type {
  BootState,
  Effect,
  Input,
  Ports,
  ReplicaConfig,
  ReplicaFooting,
  ReplicaLoad,
  ReplicaStanding,
  ReplicaView,
} from "./types.js";
import { onOwnVote, onVote, onVoteAnswer } from "./vote.js";

/**
 * One node's part in the replicated log: a pure state machine. `step` takes one input and returns what the driver must
 * do, in order. It has no clock, no randomness, no I/O of its own; the same inputs give the same effects.
 */
export class Replica {
  private readonly core: Core;
  private lastTickAt: number | null = null;

  constructor(config: ReplicaConfig, boot: BootState, ports: Ports) {
    this.core = new Core(config, boot, ports);
  }

  step(input: Input): Effect[] {
    const { core } = this;
    core.now = input.now;
    if ("wall" in input) core.wall = input.wall;
    this.dispatch(input);
    const { effects } = core;
    core.effects = [];
    return effects;
  }

  /** When the driver should tick even if no regular tick is due; monotonic milliseconds. */
  get wakeAt(): number | null {
    const { core } = this;
    const { leader } = core;
    if (leader === null) return null;
    const at = Math.min(leader.gathering?.until ?? Infinity, noticesDueAt(core, leader) ?? Infinity);
    return at === Infinity ? null : at;
  }

  private dispatch(input: Input): void {
    const { core } = this;
    switch (input.kind) {
      case "tick":
        return this.tick();
      case "message":
        return this.receive(input.message, input.ref);
      case "unreachable":
        return onAskedUnreachable(core, input.peer);
      case "gone":
        return onGone(core, input.peer);
      case "bulk_progress":
        return onBulkProgress(core, input.peer, input.round);
      case "bulk_over":
        return onBulkOver(core, input.peer, input.round, input.end);
      case "stored":
        return this.stored(input.opId);
      case "propose":
        return propose(core, input.proposals);
      case "key_looked_up":
        return onKeyLookedUp(core, input.proposalId, input.found);
      case "key_look_up_failed":
        return onKeyLookUpFailed(core, input.proposalId, input.reason);
      case "blocks_read":
        return onBlocksRead(core, input.readId, input.blocks);
      case "admit":
        return admit(core, input.node, { actor: input.actor, reason: input.reason });
      case "log_alerts":
        return logAlerts(core, input.records);
      case "log_maintenance":
        return logMaintenance(core, input.window);
      case "hand_over":
        return onHandOver(core, input.target);
      case "store_lost":
        if (core.leader !== null) handOverAtOnce(core);
        return;
      case "read_index":
        return onReadIndex(core, input.readId);
      case "campaigns_late":
        core.election.isToldLate = input.isLate;
        return;
      default:
        return unreachable(input);
    }
  }

  private tick(): void {
    const { core } = this;
    const gapMs = this.lastTickAt === null ? 0 : core.now - this.lastTickAt;
    // The first tick is the replica's birth: it has heard nobody yet, and nobody is late. Alone it need not wait.
    if (this.lastTickAt === null) armElection(core, core.members.size === 1 ? 0 : 1);
    this.lastTickAt = core.now;
    onFormingTick(core);
    onClockTick(core);
    if (core.leader !== null) return onLeaderTick(core, core.leader, gapMs);
    if (gapMs > core.config.electionTimeoutMs / 2) onPaused(core);
    onElectionTick(core);
    onFollowerTick(core);
  }

  private stored(opId: number): void {
    const { core } = this;
    const done = core.store.complete(opId, core.effects);
    if (done === null) return;
    switch (done.kind) {
      case "save_state":
        if (done.ownVoteTerm > 0) onOwnVote(core, term(done.ownVoteTerm));
        return;
      case "save_mark":
        return onMarkSaved(core);
      case "truncate":
        return;
      case "store_block":
        if (done.height !== core.log.durableHeight + 1)
          throw new Error(`block ${done.height} became durable out of order`);
        core.log.durableHeight = height(done.height);
        core.duplicates.onDurable(core.log.durableHeight);
        if (core.role !== "leader") return onDurable(core);
        maybeCommit(core);
        return trySeal(core);
      default:
        return unreachable(done.kind);
    }
  }

  private receive(message: PeerMessage, ref: number | undefined): void {
    const { core } = this;
    const { body } = message;
    if (message.to !== core.selfId || message.from === core.selfId || !core.peerIds.includes(message.from)) return;
    noteFounders(core, message);
    if (!this.isOfThisCluster(message)) return;
    onClockHeard(core, { node: message.from, wallMs: message.wallMs });
    if (!takeTerm(core, message)) return;
    switch (body.kind) {
      case "join":
        return onJoin(core, message, body, ref);
      case "election":
        return onElection(core, message, body, ref);
      case "take_over":
        return onTakeOver(core, message);
      case "run_now":
        return onRunNow(core, message, body);
      case "alive":
        return onAlive(core);
      case "pre_vote":
        return onPreVote(core, message, body, ref);
      case "pre_vote_answer":
        return onPreVoteAnswer(core, message, body);
      case "vote":
        return onVote(core, message, body, ref);
      case "vote_answer":
        return onVoteAnswer(core, message, body);
      case "append":
        return onAppend(core, message, body, ref);
      case "append_answer":
        return onAppendAnswer(core, message, body);
      default:
        return unreachable(body);
    }
  }

  /** Nodes know each other by the cluster id, and before a genesis is committed by the list of founders. */
  private isOfThisCluster(message: PeerMessage): boolean {
    const { core } = this;
    if (message.body.kind === "join") return true;
    if (core.clusterId !== "" && message.clusterId !== "") return core.clusterId === message.clusterId;
    if (core.formingHash !== "" && message.formingHash !== "") return core.formingHash === message.formingHash;
    // One of the two knows nothing yet: it may follow a formed cluster, and answer it, and nothing else.
    if (message.clusterId !== "") return message.body.kind === "append";
    return core.clusterId !== "" && message.body.kind === "append_answer";
  }

  /** The part of the view that is asked for with every request. */
  standing(now: number): ReplicaStanding {
    const { role, term, leaderId, isLearner, following, leader, leaderTimeoutMs, knownCommitHeight, config } =
      this.core;
    // A leader that was stopped may be none any more: until a majority has answered it, nobody stands behind it.
    const isConfirmed =
      leader !== null && !leader.mustConfirm && now - leader.lastTickAt <= config.electionTimeoutMs / 2;
    const isHeard = role === "leader" ? isConfirmed : now - following.lastContact <= leaderTimeoutMs;
    return { role, term, leaderId, hasQuorum: leaderId !== null && isHeard, isLearner, knownCommitHeight };
  }

  get durableHeight(): Height {
    return this.core.log.durableHeight;
  }

  /** A block of this log that is in memory. */
  heldBlock(at: Height): Block | undefined {
    return this.core.log.entry(at)?.block;
  }

  get footing(): ReplicaFooting {
    const { hard, log } = this.core;
    return { hardState: hard, tail: log.tail, durableHeight: log.durableHeight, commitHeight: log.commitHeight };
  }

  get load(): ReplicaLoad {
    const { core } = this;
    const { leader, duplicates } = core;
    const { log } = core;
    const events = log.tail.range.size;
    return {
      gatedMessages: core.store.gatedMessages,
      pendingAnswers: core.following.pendingAnswers.length,
      waitingProposals: leader === null ? 0 : waitingWrites(leader),
      waitingBytes: leader?.queueBytes ?? 0,
      reservingProposals: leader === null ? 0 : new Set(leader.reserved.values()).size,
      waitingAdmissions: leader?.controls.length ?? 0,
      waitingReads: leader?.reads.length ?? 0,
      ids: duplicates.ids,
      idsFrom: duplicates.idsFrom,
      keys: duplicates.keys,
      events,
      eventsNotDurable: events - log.durable.range.size,
      cachedBlocks: log.length,
    };
  }

  view(now: number): ReplicaView {
    const { core } = this;
    const { committed } = core.log;
    return {
      clusterId: core.clusterId,
      isStalled: core.isStalled,
      isForming: isForming(core),
      missing: isForming(core) ? missingMembers(core) : [],
      tailHeight: core.log.tail.height,
      durableHeight: core.log.durableHeight,
      commitHeight: core.log.commitHeight,
      committedSize: committed.range.size,
      headHash: committed.headHash,
      members: [...core.members.values()],
      lastLeaderContact: core.role === "leader" ? now : core.following.lastContact,
      electionWait:
        core.role === "leader" || core.isLearner
          ? null
          : { leftMs: Math.max(0, core.election.deadline - now), ofMs: core.election.waitMs },
      peers: peerViews(core),
      clocksOff: clockViews(core),
      ...this.standing(now),
    };
  }
}
