import type { Effect } from "../../../cluster/types.js";
import { noteLine, roleReason, worded } from "../../../node/replica/wording.js";
import type { NodeId } from "../../../shared/ids.js";
import type { Block } from "../../../shared/log/block.js";
import type { LoggedEvent } from "../../../shared/log/event.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { StoreOperation } from "./store.js";
import { nameOf } from "./wire.js";

/** `#5 t2 n1 [w1 w2]`: a block by height, term, leader, and what stands in it. Hashes are left out: they say no more. */
export function sayBlock(block: Block): string {
  const { height, term, leaderId, control, eventCount } = block.header;
  return `#${height} t${term} ${leaderId} ${control?.kind ?? `[${eventCount === 0 ? "" : namesIn(block)}]`}`;
}

/** The story's names of the events, which are their types, by the record part that was sealed: what is altered is a copy. */
const names = new WeakMap<Uint8Array, string>();
const namesIn = (block: Block): string => names.get(block.records) ?? "unreadable";

export function noteNames(block: Block, events: readonly LoggedEvent[]): void {
  names.set(block.records, events.map(({ record }) => record.eventType).join(" "));
}

export function sayMessage(message: PeerMessage): string {
  const { body, blocks, from, to, term } = message;
  return `${from}>${to} t${term} ${nameOf(message).toUpperCase().replaceAll("_", "-")}${sayBody(body, blocks)}`;
}

function sayBody(body: PeerMessage["body"], blocks: readonly Block[]): string {
  switch (body.kind) {
    case "election":
    case "vote":
      return `, log t${body.tail.term} #${body.tail.height}`;
    case "pre_vote":
      return ` for t${body.forTerm}, log t${body.tail.term} #${body.tail.height}`;
    case "pre_vote_answer":
      return ` for t${body.forTerm}: ${body.isGranted ? "yes" : "no"}`;
    case "vote_answer":
      return `: ${body.isGranted ? "yes" : "no"}`;
    case "run_now":
      return ` (${body.reason})`;
    case "append":
      return `${blocks.map((block) => ` ${sayBlock(block)}`).join(",")} after #${body.previousHeight}, commit #${body.commitHeight}`;
    case "append_answer": {
      const counts = body.isVoter ? "" : ", of a learner";
      const named = body.matchHeight > 0 ? `, naming #${body.matchHeight}` : "";
      const place = body.result === "ok" ? ` #${body.matchHeight}` : named;
      return `${place}, commit #${body.commitHeight}${counts}`;
    }
    case "join":
      return ` of ${body.configured.join("+")}, ${body.record === null ? "no list" : `list ${body.record.map(({ id }) => id).join("+")}`}`;
    default:
      return "";
  }
}

export function sayOperation(operation: StoreOperation): string {
  switch (operation.kind) {
    case "save_state": {
      const { term, votedFor, forming } = operation.state;
      return `state t${term}, ${votedFor === null ? "no vote" : `vote for ${votedFor}`}${forming === null ? ", no list" : ""}`;
    }
    case "store_block":
      return sayBlock(operation.block);
    case "save_mark":
      return "the mark";
    case "truncate":
      return `from #${operation.from} up to quarantine, for t${operation.term} ${operation.leaderId}`;
  }
}

/** What a node decides, as one line; null for what is told elsewhere (messages, storage, writes). */
export function sayEffect(id: NodeId, effect: Effect): string | null {
  switch (effect.kind) {
    case "role_changed": {
      const { role, term, leaderId, reason } = effect;
      const what = role === "follower" ? `follows ${leaderId ?? "nobody"}` : role === "leader" ? "LEADS" : `is ${role}`;
      return `${what} in t${term}: ${roleReason(reason)}`;
    }
    case "alert": {
      const { alertKind, accused, detail } = worded(effect.alert);
      // What JSON.parse says differs from one engine to the next.
      return `ALERT ${alertKind} against ${accused}: ${detail.replace(/(cannot be decoded): .*/, "$1")}`;
    }
    case "note":
      return `says: ${noteLine(id, effect.note).text}`;
    case "committed":
      return `commits #${effect.height}${effect.acknowledgedBy.length > 0 ? `, held by ${effect.acknowledgedBy.join("+")}` : ""}`;
    case "read_confirmed":
      return `read ${effect.readId} is confirmed at #${effect.height}`;
    case "read_refused":
      return `read ${effect.readId} is refused`;
    case "read_blocks":
      return `reads blocks from #${effect.from} for a follower`;
    default:
      return null;
  }
}
