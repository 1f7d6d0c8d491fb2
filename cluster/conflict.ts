import { type Height, height, type NodeId } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { ChainState } from "../shared/log/chain.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";
import { genesisRefusal } from "./founding.js";
import type { NewEntry } from "./log-view.js";
import type { ReplicaAlert } from "./types.js";

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
      return conflict(from, "bad_link", `${from} sent block ${header.height}, not ${expected}`, expected);
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
  return {
    kind: "conflict",
    alert: { alertKind: "fork", accused, detail: `${accused} claims to lead term ${term} too` },
  };
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
  if (!verdict.ok) return conflict(from, verdict.fault, verdict.detail, at, verdict.sequence);
  if (mine !== undefined && mine.term === header.term && header.term > 0) return fork(core, block);
  const foreign = genesisRefusal(core, message, verdict.next);
  if (foreign !== null) return conflict(from, "bad_cluster", foreign, at);
  return { kind: "fresh", entry: { block, next: verdict.next, events: verdict.events, index: verdict.index } };
}

/** Who has signed both is to blame, and not a later leader that was given the other one. */
function fork({ log }: Core, block: Block): Refused {
  const { height: at, term, leaderId } = block.header;
  const both = [log.entry(at)?.block, block].filter((sealed) => sealed !== undefined);
  const headers = both.map(({ header, signature }) => ({ header, signature }));
  const detail = `two blocks of term ${term} at height ${at}`;
  return { kind: "conflict", alert: { alertKind: "fork", accused: leaderId, detail, height: at, headers } };
}

/** A block of the message's term is its sender's, as that one leads it. */
function sealedBySender({ term, from }: PeerMessage, header: Block["header"]): string | null {
  if (header.term > term) return `a block of term ${header.term} in a message of term ${term}`;
  if (header.term === term && header.leaderId !== from)
    return `a block of term ${term} by ${header.leaderId}, while ${from} leads it`;
  return null;
}

const below = (isLearner: boolean, from: NodeId, at: Height): Refused =>
  isLearner
    ? conflict(
        from,
        "learner_divergent",
        `this node's committed block ${at} is not the leader's: move its data away and start it anew`,
        at,
      )
    : conflict(from, "conflict_below_commit", `${from} sent another block at committed height ${at}`, at);

const conflict = (
  accused: NodeId,
  alertKind: ReplicaAlert["alertKind"],
  detail: string,
  at: Height,
  sequence?: number,
): Refused => ({
  kind: "conflict",
  alert: { alertKind, accused, detail, height: at, ...(sequence === undefined ? {} : { sequence }) },
});
