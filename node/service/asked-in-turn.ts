import pLimit from "p-limit";
import type { NodeId } from "../../shared/ids.js";
import type { Clock } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";

const WAITING_MAX = 64;

export interface AskLimits {
  readonly atOnceMax: number;
  /** For one node, and for all of them. */
  readonly answerMsMax: number;
  readonly askMsMax: number;
}

/** One question to the other nodes, one after the other, until one says something of use: few at once, and not for ever. */
export class AskedInTurn {
  private readonly limit;

  constructor(
    /** Whoever was of use last comes first: one that hangs is not waited for again and again. */
    private others: readonly NodeId[],
    private readonly clock: Pick<Clock, "now">,
    private readonly limits: AskLimits,
  ) {
    this.limit = pLimit(limits.atOnceMax);
  }

  /** `question` gives null where the node that it is for was of no use. */
  async ask<T>(
    question: (peer: NodeId, timeoutMs: number) => Promise<T | null>,
  ): Promise<{ readonly peer: NodeId; readonly found: T } | null> {
    const { clock, limits, limit } = this;
    if (this.others.length === 0 || limit.pendingCount >= WAITING_MAX) return null;
    const deadline = clock.now() + limits.askMsMax;
    return limit(async () => {
      for (const peer of [...this.others]) {
        const leftMs = deadline - clock.now();
        if (leftMs <= 0) return null;
        const found = await unlessUnreached(question(peer, Math.min(leftMs, limits.answerMsMax)));
        if (found === null) continue;
        this.others = [peer, ...this.others.filter((other) => other !== peer)];
        return { peer, found };
      }
      return null;
    });
  }
}

async function unlessUnreached<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PeerError) return null;
    throw error;
  }
}
