import type { PeerMessage } from "../../../shared/protocol/messages.js";

/** Which messages a command means: `n1>n2`, `*>n3 ack`, `blocks`. Empty means all. */
export interface Filter {
  readonly from?: string;
  readonly to?: string;
  readonly kind?: string;
}

/** What a message is called in a story. An append is a `heartbeat`, or one with `blocks`; its answer an `ack` or not. */
export function nameOf({ body, blocks }: PeerMessage): string {
  switch (body.kind) {
    case "append":
      if (blocks.length > 0) return "blocks";
      return body.round === 1 ? "coordinator" : "heartbeat";
    case "append_answer":
      return body.result === "ok" ? "ack" : body.result;
    default:
      return body.kind;
  }
}

export function matches({ from, to, kind }: Filter, message: PeerMessage): boolean {
  const isEnd = (wanted: string | undefined, id: string): boolean =>
    wanted === undefined || wanted === "*" || wanted === id;
  return isEnd(from, message.from) && isEnd(to, message.to) && (kind === undefined || kind === nameOf(message));
}

/** Messages on their way: lost where a link is cut, kept where the story holds them, else delivered in order. */
export class Wire {
  readonly underWay: PeerMessage[] = [];
  held: PeerMessage[] = [];
  private losses: Filter[] = [];
  private holds: Filter[] = [];

  lose(...filters: Filter[]): void {
    this.losses.push(...filters);
  }
  heal(): void {
    this.losses = [];
  }
  hold(filter: Filter): void {
    this.holds.push(filter);
  }
  unhold(filter: Filter): void {
    this.holds = this.holds.filter((it) => it.from !== filter.from || it.to !== filter.to || it.kind !== filter.kind);
  }

  isLost(message: PeerMessage): boolean {
    return this.losses.some((filter) => matches(filter, message));
  }
  isHeld(message: PeerMessage): boolean {
    return this.holds.some((filter) => matches(filter, message));
  }

  /** Takes what matches from the held messages, oldest first. */
  take(filter: Filter): PeerMessage[] {
    const taken = this.held.filter((message) => matches(filter, message));
    this.held = this.held.filter((message) => !matches(filter, message));
    return taken;
  }
}
