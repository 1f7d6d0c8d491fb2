import { type Height, height, type NodeId, type Term } from "../shared/ids.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import { becomeLearner } from "./admission.js";
import { onClockHeard } from "./clocks.js";
import { advanceCommit } from "./commit.js";
import { compare } from "./conflict.js";
import type { Core } from "./core.js";
import { isFounding } from "./founding.js";
import { armElection, onAnnouncedTimeout } from "./timeouts.js";

type Append = Extract<PeerBody, { kind: "append" }>;
type Result = Extract<PeerBody, { kind: "append_answer" }>["result"];

/** An answer to a leader that waits until the blocks it speaks of are durable. */
interface PendingAnswer {
  readonly to: NodeId;
  readonly term: Term;
  readonly matchHeight: Height;
  readonly round: number;
  readonly ref: number | undefined;
}

/** What a node knows of the leader that it follows, or followed last. */
export class Following {
  /** The last valid message of the present leader; on the leader itself, when it was elected. */
  lastContact = Number.NEGATIVE_INFINITY;
  announcedTimeoutMs: number | null = null;
  /** The leader's timeout of which it was said that it is not this node's own. */
  saidTimeoutMs: number | null = null;
  /** How far a leader has said that the log is committed: below it this node is not level. Null before the first word. */
  toldCommitHeight: Height | null = null;
  /** Commit height learned from the leader; applied as blocks become durable. */
  learnedCommit: Height = height(0);
  pendingAnswers: PendingAnswer[] = [];
}

/** A leader's message of this node's term: compare, verify, store, then answer. Anything wrong is refused with an alert. */
export function onAppend(core: Core, message: PeerMessage, body: Append, ref: number | undefined): void {
  const reply = (result: Result, matchHeight: Height = height(0)) =>
    answer(core, message.from, { round: body.round, result, matchHeight, ref });
  if (message.term < core.term) return reply("stale");
  const checked = compare(core, message, body);
  if (checked.kind === "conflict") {
    core.alert(checked.alert);
    return reply("rejected");
  }
  hearLeader(core, message.from, body);
  if (checked.kind === "mismatch") return reply("mismatch");

  const { fresh, matchHeight } = checked;
  const first = fresh[0];
  if (first !== undefined && first.next.height <= core.log.tail.height) core.truncate(first.next.height, message.from);
  for (const entry of fresh) core.storeBlock(entry);
  const { following } = core;
  following.learnedCommit = height(Math.max(following.learnedCommit, Math.min(body.commitHeight, matchHeight)));
  advanceCommit(core, following.learnedCommit);
  if (core.log.durableHeight >= matchHeight) return reply("ok", matchHeight);
  if (following.pendingAnswers.length >= core.config.limits.pendingAnswersMax) following.pendingAnswers.shift();
  following.pendingAnswers.push({ to: message.from, term: core.term, matchHeight, round: body.round, ref });
}

/** What a leader says beside its blocks. */
function hearLeader(core: Core, from: NodeId, body: Append): void {
  const { following } = core;
  onAnnouncedTimeout(core, from, body.electionTimeoutMs);
  for (const clock of body.clocks) if (clock.node !== from) onClockHeard(core, clock);
  followLeader(core, from);
  // It is of use to a node that lags: what is asked of it now stands in no block below.
  following.toldCommitHeight = height(Math.max(following.toldCommitHeight ?? 0, body.commitHeight));
  const end = core.log.tail.height;
  if (body.acknowledgedHeight > end && !core.isLearner)
    becomeLearner(core, { code: "learner_behind", end, acknowledged: body.acknowledgedHeight });
}

/** After an insert: what it made durable can be answered and committed. */
export function onDurable(core: Core): void {
  const { following } = core;
  advanceCommit(core, following.learnedCommit);
  const isDue = ({ matchHeight }: PendingAnswer): boolean => matchHeight <= core.log.durableHeight;
  const due = following.pendingAnswers.filter(isDue);
  following.pendingAnswers = following.pendingAnswers.filter((pending) => !isDue(pending));
  for (const pending of due) {
    // An insert that completes after the term moved is answered to nobody in the old term.
    if (pending.term === core.term && pending.to === core.leaderId) {
      answer(core, pending.to, { result: "ok", ...pending });
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
      tailHeight: core.log.tail.height,
      joinNonce: core.hard.joinNonce,
      isVoter: !isLearner,
      // A node that should not lead is not one to hand over to, whatever the reason.
      isStoreHealthy: core.isStoreHealthy && !core.campaignsLate,
      ...(isLearner ? { member: core.self } : {}),
      ...(isFounding(core) ? { founders: [core.selfId, ...core.founding.founders] } : {}),
    },
    { ref: what.ref },
  );
}

function followLeader(core: Core, leaderId: NodeId): void {
  core.following.lastContact = core.now;
  core.election.wasSilenced = false;
  core.election.wasPaused = false;
  core.election.campaign = null;
  if (core.leaderId !== leaderId) core.takeOver.followsSince = core.now;
  if (core.role !== "follower" || core.leaderId !== leaderId)
    core.becomeFollower(leaderId, { code: "leader_heard", node: leaderId });
  armElection(core);
}
