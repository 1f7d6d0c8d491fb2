import { majority } from "../../../cluster/quorum.js";
import type { NodeId } from "../../../shared/ids.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import type { SimProcess } from "../process.js";
import { check } from "../violation.js";

/** A leader looks at every tick, and tells a pause by half a timeout without one. */
const LEADER_TIMEOUTS = 1.5;
const SLACK_MS = 20;

/** I10, `X-Stale`: a node says that a leader stands behind it only where it has heard so within an election timeout. */
export class QuorumChecker {
  /** When a process heard each other node last, and when it began to lead, by its own clock. */
  private readonly heard = new WeakMap<SimProcess, Map<NodeId, number>>();
  private readonly ledSince = new WeakMap<SimProcess, number>();

  onReceive({ process }: SimNode, { from, body }: PeerMessage): void {
    if (process === null || (body.kind !== "append" && body.kind !== "append_answer")) return;
    const heard = this.heard.get(process) ?? new Map<NodeId, number>();
    this.heard.set(process, heard.set(from, process.now()));
  }

  onLeader({ process }: SimNode): void {
    if (process !== null) this.ledSince.set(process, process.now());
  }

  /** It answers a reader: with `X-Stale`, or without. */
  onSaid(process: SimProcess): void {
    const standing = process.driver.standing();
    if (standing?.hasQuorum !== true) return;
    const { id, around } = process.node;
    const heard = this.heard.get(process);
    const timeouts = around.configured.map((member) => around.timingOf(member.id).electionTimeoutMs ?? 0);
    const timeoutMs = Math.max(around.timing.electionTimeoutMs, ...timeouts);
    const isLately = (at: number | undefined, timeouts = 1): boolean =>
      at !== undefined && process.now() - at <= timeouts * timeoutMs + SLACK_MS;
    if (standing.role !== "leader") {
      const isHeard = isLately(heard?.get(standing.leaderId ?? ""));
      return check(
        isHeard,
        "I10",
        () => `${id} says that ${standing.leaderId} leads it, of which it has heard nothing`,
      );
    }
    const answering = [...(heard?.values() ?? [])].filter((at) => isLately(at, LEADER_TIMEOUTS)).length;
    check(
      answering + 1 >= majority(around.configured.length) || isLately(this.ledSince.get(process), LEADER_TIMEOUTS),
      "I10",
      () => `${id} says that a majority stands behind it; ${answering} others have answered it lately`,
    );
  }
}
