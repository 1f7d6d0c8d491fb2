import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";

/** As the core says. */
const BACK_OFF_DOUBLINGS_MAX = 6;

interface Lead {
  /** Of this node's clock: no preferred node is given the lead before. */
  restsUntil: number;
  handOvers: number;
}

/**
 * I12: writes wait while a leader hands over, so a preferred node does not make it do so at will: not within a cool-down
 * of its election, and after a hand-over that failed not within twice as long, doubled by each further one.
 */
export class TakeOverChecker {
  private readonly leads = new Map<SimNode, Lead>();
  private isAsked = false;

  onReceive(message: PeerMessage): void {
    this.isAsked = message.body.kind === "take_over";
  }

  /** The step that took the message is over. */
  onReceived(): void {
    this.isAsked = false;
  }

  onLeader(node: SimNode): void {
    this.leads.set(node, { restsUntil: node.now + node.around.timing.takeoverCooldownMs, handOvers: 0 });
  }

  /** It stops sealing: for whoever asked just now, or because a person said so. */
  onHandsOver(node: SimNode): void {
    const lead = this.leads.get(node);
    if (lead === undefined) return;
    const { electionTimeoutMs } = node;
    const { takeoverCooldownMs } = node.around.timing;
    check(
      !this.isAsked || node.now >= lead.restsUntil,
      "I12",
      () => `${node.id} hands over ${lead.restsUntil - node.now} ms too soon after ${lead.handOvers} that failed`,
    );
    lead.handOvers += 1;
    // If it leads on, it fails at its deadline.
    const doublings = Math.min(lead.handOvers, BACK_OFF_DOUBLINGS_MAX);
    lead.restsUntil = node.now + electionTimeoutMs + takeoverCooldownMs * 2 ** doublings;
  }
}
