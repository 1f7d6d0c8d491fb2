import { createHash } from "node:crypto";
import type { Input } from "../../cluster/types.js";
import type { ToldEffect } from "../../node/replica/driver-ports.js";
import { roleReason } from "../../node/replica/wording.js";
import type { Block } from "../../shared/log/block.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";

/** Everything that happens, as lines, for whoever wants them: describing it takes longer than doing it. */
export class Trace {
  constructor(
    private readonly now: () => number,
    private readonly print: ((line: string) => void) | null,
  ) {}

  /** What is added while this is false is lost: do not describe it. */
  get isOn(): boolean {
    return this.print !== null;
  }

  add(text: string): void {
    this.print?.(`${String(this.now()).padStart(6)} ${text}`);
  }
}

/** Tells whether two runs were the same, byte for byte. */
export class TraceDigest {
  private readonly hash = createHash("sha256");
  add(line: string): void {
    this.hash.update(`${line}\n`);
  }
  toString(): string {
    return this.hash.copy().digest("hex");
  }
}

const short = (hash: string): string => hash.slice(0, 8);

export const describeBlock = (block: Block): string => {
  const { height, term, leaderId, eventCount, control, commitHeight } = block.header;
  const what = control === undefined ? `${eventCount} events` : control.kind;
  return `#${height} t${term} ${leaderId} ${short(block.blockHash)} c${commitHeight} ${what}`;
};

export function describeMessage(message: PeerMessage): string {
  const { kind, ...fields } = message.body;
  // The same in every message of a run.
  const told = Object.entries(fields).filter(([name]) => name !== "electionTimeoutMs");
  const parts = told.map(([name, value]) => `${name}=${describeValue(value)}`);
  const blocks = message.blocks.map((block) => `[${describeBlock(block)}]`);
  return [`${message.from}>${message.to} t${message.term} ${kind}`, ...parts, ...blocks].join(" ");
}

function describeValue(value: unknown): string {
  if (typeof value === "string") return value.length > 12 ? short(value) : value;
  if (value !== null && typeof value === "object" && "term" in value && "height" in value)
    return `t${value.term}#${value.height}`;
  if (Array.isArray(value)) return `${value.length} items`;
  if (value !== null && typeof value === "object" && "joinNonce" in value)
    return `join ${short(String(value.joinNonce))}`;
  return String(value);
}

export function describeInput(input: Input): string {
  switch (input.kind) {
    case "message":
      return `got ${describeMessage(input.message)}`;
    case "stored":
      return `stored op ${input.opId}`;
    case "propose":
      return `propose ${input.proposals.map(({ proposalId, events }) => `${proposalId} (${events.map(({ id }) => short(id)).join(" ")})`).join(", ")}`;
    case "key_looked_up":
      return `key of ${input.proposalId}: ${input.found === null ? "free" : `in block ${input.found.height}`}`;
    case "blocks_read":
      return `read ${input.readId}: ${input.blocks.length} blocks`;
    case "key_look_up_failed":
      return `key of ${input.proposalId}: ${input.reason}`;
    case "unreachable":
      return `unreachable ${input.peer}`;
    case "bulk_progress":
      return `progress of ${input.round} to ${input.peer}`;
    case "bulk_over":
      return `round ${input.round} to ${input.peer}: ${input.end}`;
    case "admit":
      return `admit ${input.node}`;
    case "log_alerts":
      return `records of alerts of ${input.records.node}`;
    case "log_maintenance":
      return `maintenance of ${input.window.node}`;
    case "campaigns_late":
      return `campaigns late: ${input.isLate}`;
    case "gone":
      return `gone ${input.peer}`;
    case "store_lost":
      return "store lost";
    case "hand_over":
      return `hand over to ${input.target ?? "the best"}`;
    case "read_index":
      return `read index ${input.readId}`;
    case "tick":
      return "tick";
  }
}

export function describeEffect(effect: Exclude<ToldEffect, { kind: "note" }>): string {
  switch (effect.kind) {
    case "save_state": {
      const { term, votedFor, joinNonce, forming } = effect.state;
      return `save ${effect.opId} t${term} voted ${votedFor} join ${short(joinNonce)} forming ${forming?.length ?? "-"}`;
    }
    case "store_block":
      return `store ${effect.opId} ${describeBlock(effect.block)}`;
    case "save_mark":
      return `mark ${effect.opId}`;
    case "truncate":
      return `truncate ${effect.opId} from ${effect.from} for t${effect.term} ${effect.leaderId}`;
    case "send":
      return `send ${describeMessage(effect.message)}`;
    case "read_blocks":
      return `read ${effect.readId} from ${effect.from}`;
    case "look_up_key":
      return `look up ${effect.proposalId} ${effect.idempotencyKey}`;
    case "committed":
      return `committed ${effect.height} (${effect.blocks.map((it) => short(it.block.blockHash)).join(" ")}) by ${effect.acknowledgedBy.join("+")}`;
    case "sealed":
      return `sealed ${effect.proposalId} in #${effect.height} ${short(effect.blockHash)} t${effect.term}`;
    case "duplicate":
      return `duplicate ${effect.proposalId} of one in block ${effect.height} ${short(effect.blockHash ?? "committed")}`;
    case "read_confirmed":
      return `read ${effect.readId} confirmed at ${effect.height}`;
    case "read_refused":
      return `read ${effect.readId} refused`;
    case "in_progress":
      return `in progress ${effect.proposalId} of ${effect.of}`;
    case "refused":
      return `refused ${effect.proposalId} ${effect.reason}`;
    case "head_differs":
      return `head differs ${effect.proposalId}`;
    case "role_changed":
      return `ROLE ${effect.role} t${effect.term} leader ${effect.leaderId}: ${roleReason(effect.reason)}`;
  }
}
