import { setTimeout as sleep } from "node:timers/promises";
import { loopback } from "../lib/loopback.js";

const LOOK_EVERY_MS = 40;
const LOOK_WITHIN_MS = 1_000;

export interface LeaderChange {
  afterMs: number;
  leaderId: string;
  term: number;
}

/** Asks every node, many times a second, whom it follows in which term; tells each new leader once. */
export class LeaderWatch {
  readonly changes: LeaderChange[] = [];
  #isOver = false;
  readonly #loops: Promise<void>[];

  constructor(
    urls: string[],
    private readonly since: { atMs: number; term: number },
    private readonly onChange: (change: LeaderChange) => void = () => {},
  ) {
    this.#loops = urls.map((url) => this.#watch(url));
  }

  async stop(): Promise<LeaderChange[]> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    return this.changes;
  }

  async #watch(url: string): Promise<void> {
    while (!this.#isOver) {
      try {
        // Each answer says it in its headers; this one costs the node nothing more.
        const answer = await loopback(`${url}/livez`, { signal: AbortSignal.timeout(LOOK_WITHIN_MS) });
        await answer.arrayBuffer();
        this.#saw(answer.headers.get("x-leader"), Number(answer.headers.get("x-term")));
      } catch {
        // It is down or paused: the others tell.
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  #saw(leaderId: string | null, term: number): void {
    const newest = this.changes.at(-1)?.term ?? this.since.term;
    if (leaderId === null || term <= newest) return;
    const change = { afterMs: performance.now() - this.since.atMs, leaderId, term };
    this.changes.push(change);
    this.onChange(change);
  }
}

interface Election {
  term: number;
  leaderId: string;
  reason: string | null;
  votes: string[];
  tookMs: number | null;
}

/** The elections of later terms as the log records them, the oldest first; none if it cannot be asked. */
export async function electionsAfter(url: string, term: number): Promise<Election[]> {
  try {
    const answer = await loopback(`${url}/api/v1/elections?limit=50`, {
      signal: AbortSignal.timeout(5 * LOOK_WITHIN_MS),
    });
    if (!answer.ok) return [];
    const { elections } = (await answer.json()) as { elections: Election[] };
    return elections.filter((election) => election.term > term).reverse();
  } catch {
    return [];
  }
}

export function howElected({ reason, votes, tookMs }: Election): string {
  const took = tookMs === null ? [] : [`${tookMs} ms`];
  return [reason ?? "elected", ...took, `votes of ${votes.join(" ")}`].join(", ");
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
