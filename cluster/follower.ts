import { type Height, height, type NodeId } from "../shared/ids.js";
import type { ChainState } from "../shared/log/chain.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { onClockHeard } from "./clocks.js";
import type { Core } from "./core.js";
import { isFounding } from "./founding.js";
import type { NewEntry } from "./log-view.js";
import type { ReplicaAlert } from "./types.js";

type Append = Extract<PeerBody, { kind: "append" }>;
type Result = Extract<PeerBody, { kind: "append_answer" }>["result"];

/** A leader's message of this node's term: compare, verify, store, then answer. Anything wrong is refused with an alert. */
export function onAppend(core: Core, message: PeerMessage, body: Append, ref: number | undefined): void {
  const reply = (result: Result, matchHeight: Height = height(0)) =>
    answer(core, message.from, { round: body.round, result, matchHeight, ref });
  if (message.term < core.term) return reply("stale");
  if (core.role === "leader") {
    // One majority elects one leader a term: another one means forged messages or lost votes.
    core.alert({
      alertKind: "fork",
      accused: message.from,
      detail: `${message.from} claims to lead term ${core.term} too`,
    });
    return reply("rejected");
  }

  const checked = compare(core, message, body);
  if (checked.kind === "conflict") {
    core.alert(checked.alert);
    return reply("rejected");
  }
  core.onAnnouncedTimeout(message.from, body.electionTimeoutMs);
  for (const clock of body.clocks) if (clock.node !== message.from) onClockHeard(core, clock);
  followLeader(core, message.from);
  // Of use to a node that lags: what is asked of it now stands in no block below.
  core.toldCommitHeight = height(Math.max(core.toldCommitHeight ?? 0, body.commitHeight));
  if (body.acknowledgedHeight > core.log.tail.height && !core.isLearner) {
    core.becomeLearner(
      `its log ends at block ${core.log.tail.height}, below ${body.acknowledgedHeight} that it acknowledged`,
    );
  }
  if (checked.kind === "mismatch") return reply("mismatch");

  const { fresh, matchHeight } = checked;
  const first = fresh[0];
  if (first !== undefined && first.next.height <= core.log.tail.height) core.truncate(first.next.height, message.from);
  for (const entry of fresh) core.storeBlock(entry);
  core.learnedCommit = height(Math.max(core.learnedCommit, Math.min(body.commitHeight, matchHeight)));
  core.advanceCommit(core.learnedCommit);
  if (core.log.durableHeight >= matchHeight) return reply("ok", matchHeight);
  if (core.pendingAnswers.length >= core.config.limits.pendingAnswersMax) core.pendingAnswers.shift();
  core.pendingAnswers.push({ to: message.from, term: core.term, matchHeight, round: body.round, ref });
}

/** After an insert: what it made durable can be answered and committed. */
export function onDurable(core: Core): void {
  core.advanceCommit(core.learnedCommit);
  const due = core.pendingAnswers.filter((pending) => pending.matchHeight <= core.log.durableHeight);
  core.pendingAnswers = core.pendingAnswers.filter((pending) => pending.matchHeight > core.log.durableHeight);
  for (const pending of due) {
    // An insert that completes after the term moved is answered to nobody in the old term.
    if (pending.term === core.term && pending.to === core.leaderId) {
      answer(core, pending.to, { ...pending, result: "ok" });
    }
  }
}

function answer(
  core: Core,
  to: NodeId,
  what: { round: number; result: Result; matchHeight: Height; ref: number | undefined },
): void {
  const { isLearner } = core;
  core.send(
    to,
    {
      kind: "append_answer",
      round: what.round,
      result: what.result,
      matchHeight: what.matchHeight,
      commitHeight: core.log.commitHeight,
      joinNonce: core.hard.joinNonce,
      isVoter: !isLearner,
      // A node that should not lead is not one to hand over to, whatever the reason.
      isStoreHealthy: core.isStoreHealthy && !core.campaignsLate,
      ...(isLearner ? { member: core.self } : {}),
      ...(isFounding(core) ? { founders: [core.selfId, ...core.founders] } : {}),
    },
    { ref: what.ref },
  );
}

function followLeader(core: Core, leaderId: NodeId): void {
  core.lastLeaderContact = core.now;
  core.wasSilenced = false;
  core.campaign = null;
  if (core.leaderId !== leaderId) core.followsSince = core.now;
  if (core.role !== "follower" || core.leaderId !== leaderId) core.becomeFollower(leaderId, `${leaderId} leads`);
  core.armElection();
}

type Comparison =
  /** The log does not reach, or differs at the point where the message starts: the leader must start lower. */
  | { kind: "mismatch" }
  | { kind: "conflict"; alert: ReplicaAlert }
  | { kind: "match"; fresh: NewEntry[]; matchHeight: Height };

function compare(core: Core, message: PeerMessage, body: Append): Comparison {
  const { log } = core;
  const conflict = (alertKind: ReplicaAlert["alertKind"], detail: string, at: number, event?: number): Comparison => ({
    kind: "conflict",
    alert: {
      alertKind,
      accused: message.from,
      detail,
      height: height(at),
      ...(event === undefined ? {} : { sequence: event }),
    },
  });
  const below = (at: number): Comparison =>
    core.isLearner
      ? conflict(
          "learner_divergent",
          `this node's committed block ${at} is not the leader's: move its data away and start it anew`,
          at,
        )
      : conflict("conflict_below_commit", `${message.from} sent another block at committed height ${at}`, at);

  const base = log.baseHeight;
  let state: ChainState | undefined;
  if (body.previousHeight >= base) {
    state = log.at(body.previousHeight);
    if (state === undefined) return { kind: "mismatch" };
    if (state.blockHash !== body.previousHash)
      return body.previousHeight <= log.commitHeight ? below(body.previousHeight) : { kind: "mismatch" };
  }
  const fresh: NewEntry[] = [];
  let expected = body.previousHeight;
  for (const block of message.blocks) {
    const { header } = block;
    expected = height(expected + 1);
    if (header.height !== expected)
      return conflict("bad_link", `${message.from} sent block ${header.height}, not ${expected}`, expected);
    if (expected < base) continue;
    const mine = fresh.length === 0 ? log.at(expected) : undefined;
    if (mine !== undefined && mine.blockHash === block.blockHash) {
      state = mine;
      continue;
    }
    // What a leader has called committed stays, also while it is still being stored here.
    if (expected <= Math.max(log.commitHeight, core.learnedCommit)) return below(expected);
    if (state === undefined) return { kind: "mismatch" };
    const refusal = sealedBySender(core, message, block.header.leaderId, header.term);
    if (refusal !== null) return conflict("bad_leader", refusal, expected);
    if (mine !== undefined && mine.term === header.term && header.term > 0)
      return conflict("fork", `two blocks of term ${header.term} at height ${expected}`, expected);
    const verdict = core.ports.verifyBlock(state, block);
    if (!verdict.ok) return conflict(verdict.fault, verdict.detail, expected, verdict.sequence);
    const foreign = genesisRefusal(core, message, verdict.next);
    if (foreign !== null) return conflict("bad_cluster", foreign, expected);
    fresh.push({ block, next: verdict.next, events: verdict.events, index: verdict.index });
    state = verdict.next;
  }
  if (state === undefined) return { kind: "mismatch" };
  return { kind: "match", fresh, matchHeight: state.height };
}

function sealedBySender(core: Core, message: PeerMessage, leaderId: NodeId, blockTerm: number): string | null {
  if (blockTerm > message.term) return `a block of term ${blockTerm} in a message of term ${message.term}`;
  if (blockTerm === message.term && leaderId !== message.from)
    return `a block of term ${core.term} by ${leaderId}, while ${message.from} leads it`;
  return null;
}

/** A genesis must carry the list that this node knows, and be the one that its identity joined. */
function genesisRefusal(core: Core, message: PeerMessage, next: ChainState): string | null {
  if (next.height !== 1) return null;
  const { formedClusterId } = core.config;
  if (formedClusterId !== null && next.clusterId !== formedClusterId)
    return `this node belongs to cluster ${formedClusterId.slice(0, 12)}, the genesis is of ${next.clusterId.slice(0, 12)}`;
  const known = core.hard.forming;
  // A node that joins a formed cluster knows no list yet: the genesis must be the one that the cluster is named after.
  if (known === null) return next.clusterId === message.clusterId ? null : "the genesis is not the cluster's";
  const isSame =
    known.length === next.members.size && known.every((member) => sameMember(member, next.members.get(member.id)));
  return isSame ? null : "the genesis lists other members than the forming record";
}

function sameMember(
  a: { storeId: string; joinNonce: string; keys: { block: string } },
  b: typeof a | undefined,
): boolean {
  return b !== undefined && a.storeId === b.storeId && a.joinNonce === b.joinNonce && a.keys.block === b.keys.block;
}
