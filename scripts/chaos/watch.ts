import { setTimeout as sleep } from "node:timers/promises";

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
        const answer = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(LOOK_WITHIN_MS) });
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

export function describeChange({ afterMs, leaderId, term }: LeaderChange): string {
  return `${leaderId} leads in term ${term} after ${seconds(afterMs)}`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
