import type { NodeId, Term } from "../shared/ids.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";

/** A term further ahead than this is refused: one forged message must not use up the terms. */
const TERM_LEAP_MAX = 10_000;

/**
 * A node moves to a higher term whenever a valid message shows one: no vote yet, no leader known, whatever role there was
 * is over. A term far above its own is believed once a majority shows one. False if the message is not to be heard.
 */
export function takeTerm(core: Core, { from, term }: PeerMessage): boolean {
  if (term <= core.term) return true;
  if (term > core.term + TERM_LEAP_MAX && !isBelieved(core, from, term)) return false;
  core.becomeFollower(null, { code: "term_seen", term });
  core.saveState({ term, votedFor: null });
  return true;
}

function isBelieved(core: Core, from: NodeId, high: Term): boolean {
  if (core.isLearner) return true;
  core.highTerms.set(from, high);
  const agreeing = [...core.highTerms.values()].filter((seen) => seen > core.term + TERM_LEAP_MAX).length;
  if (agreeing >= core.quorum) return true;
  const finding = { code: "term_far_ahead", term: high, ownTerm: core.term } as const;
  core.alert({ alertKind: "term_too_high", accused: from, finding });
  return false;
}
