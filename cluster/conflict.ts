import { type Height, height, type NodeId } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { ChainState } from "../shared/log/chain.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { AlertFinding, ReplicaAlert } from "./codes.js";
import type { Core } from "./core.js";
import { genesisRefusal } from "./founding.js";
import type { NewEntry } from "./log-view.js";

type Append = Extract<PeerBody, { kind: "append" }>;

type Refused =
  /** The log does not reach, or differs at the point where the message starts: the leader must start lower. */
  { kind: "mismatch" } | { kind: "conflict"; alert: ReplicaAlert };

export type Comparison = Refused | { kind: "match"; fresh: NewEntry[]; matchHeight: Height };

const MISMATCH: Refused = { kind: "mismatch" };

/**
 * What a follower takes of a leader's message. Its uncommitted tail may be replaced by the leader's blocks, each of which
 * is verified in full first. At or below the commit height nothing is ever replaced, nor what a leader has called
 * committed: there a different block is refused with an alert, and so are whatever is wrong with a new one, and a second
 * leader of a term.
 */
export function compare(core: Core, message: PeerMessage, body: Append): Comparison {
  const { log } = core;
  const { from } = message;
  if (core.role === "leader") return secondLeader(core, from);
  const refused = compareStart(core, from, body);
  if (refused !== null) return refused;
  let state = log.at(body.previousHeight);
  const fresh: NewEntry[] = [];
  let expected = body.previousHeight;
  for (const block of message.blocks) {
    const { header } = block;
    expected = height(expected + 1);
    if (header.height !== expected)
      return conflict(from, "bad_link", { code: "height_skipped", sent: header.height }, expected);
    if (expected < log.baseHeight) continue;
    const mine = fresh.length === 0 ? log.at(expected) : undefined;
    if (mine !== undefined && mine.blockHash === block.blockHash) {
      state = mine;
      continue;
    }
    // Above what is committed the state before is known: what is in memory begins below.
    const verified = verify(core, message, { block, state: state as ChainState, mine });
    if (verified.kind !== "fresh") return verified;
    fresh.push(verified.entry);
    state = verified.entry.next;
  }
  return state === undefined ? MISMATCH : { kind: "match", fresh, matchHeight: state.height };
}

/** One majority elects one leader a term: another one means forged messages or lost votes. */
function secondLeader({ term }: Core, accused: NodeId): Refused {
  return { kind: "conflict", alert: { alertKind: "fork", accused, finding: { code: "second_leader", term } } };
}

/** The block that the message builds on, unless it lies below what is in memory: then one of its blocks must be equal. */
function compareStart({ log, isLearner }: Core, from: NodeId, body: Append): Refused | null {
  if (body.previousHeight < log.baseHeight) return null;
  const state = log.at(body.previousHeight);
  if (state === undefined) return MISMATCH;
  if (state.blockHash === body.previousHash) return null;
  return body.previousHeight <= log.commitHeight ? below(isLearner, from, body.previousHeight) : MISMATCH;
}

interface Next {
  readonly block: Block;
  /** The log before it. */
  readonly state: ChainState;
  /** What this log has at its height. */
  readonly mine: ChainState | undefined;
}

function verify(
  core: Core,
  message: PeerMessage,
  { block, state, mine }: Next,
): Refused | { kind: "fresh"; entry: NewEntry } {
  const { from } = message;
  const { header } = block;
  const at = header.height;
  // What a leader has called committed stays, also while it is still being stored here.
  if (at <= Math.max(core.log.commitHeight, core.following.learnedCommit)) return below(core.isLearner, from, at);
  const refusal = sealedBySender(message, header);
  if (refusal !== null) return conflict(from, "bad_leader", refusal, at);
  const verdict = core.ports.verifyBlock(state, block);
  if (!verdict.ok) {
    const { fault, detail, sequence } = verdict;
    return conflict(from, fault, { code: "block_invalid", detail }, at, sequence);
  }
  if (mine !== undefined && mine.term === header.term && header.term > 0) return fork(core, block);
  const foreign = genesisRefusal(core, message, verdict.next);
  if (foreign !== null) return conflict(from, "bad_cluster", foreign, at);
  return { kind: "fresh", entry: { block, next: verdict.next, events: verdict.events, index: verdict.index } };
}

/** Who has signed both is to blame, and not a later leader that was given the other one. */
function fork({ log }: Core, block: Block): Refused {
  const { height: at, term, leaderId } = block.header;
  const both = [log.entry(at)?.block ?? [], block].flat();
  const headers = both.map(({ header, signature }) => ({ header, signature }));
  const finding = { code: "two_blocks", term } as const;
  return { kind: "conflict", alert: { alertKind: "fork", accused: leaderId, finding, height: at, headers } };
}

/** A block of the message's term is its sender's, as that one leads it. */
function sealedBySender({ term, from }: PeerMessage, header: Block["header"]): AlertFinding | null {
  if (header.term > term) return { code: "block_term_too_high", blockTerm: header.term, term };
  if (header.term === term && header.leaderId !== from)
    return { code: "block_of_other_leader", term, leaderId: header.leaderId };
  return null;
}

const below = (isLearner: boolean, from: NodeId, at: Height): Refused =>
  isLearner
    ? conflict(from, "learner_divergent", { code: "learner_block_differs" }, at)
    : conflict(from, "conflict_below_commit", { code: "committed_block_differs" }, at);

const conflict = (
  accused: NodeId,
  alertKind: ReplicaAlert["alertKind"],
  finding: AlertFinding,
  at: Height,
  sequence?: number,
): Refused => ({
  kind: "conflict",
  alert: { alertKind, accused, finding, height: at, ...(sequence === undefined ? {} : { sequence }) },
});
