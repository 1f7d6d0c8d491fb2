import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterNode } from "../../cluster/cluster.js";
import { loopback } from "../../lib/loopback.js";
import { editableEvent } from "./edits.js";

const ANSWER_WITHIN_MS = 20_000;
const BATCH = 100;

export interface Place {
  readonly height: number;
  readonly sequence: number;
}

export async function call<T>(url: string, body?: unknown): Promise<{ status: number; body: T }> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const headers = { "Content-Type": "application/json" };
  const init = body === undefined ? { signal } : { method: "POST", headers, body: JSON.stringify(body), signal };
  const answer = await loopback(url, init);
  return { status: answer.status, body: (await answer.json()) as T };
}

/** Writers that go on until they are stopped; all of their events can be edited. */
export class Load {
  written = 0;
  /** Nobody begins to write while it is. */
  isPaused = false;
  #isOver = false;
  readonly #writing: Promise<void>[];

  constructor(
    private readonly nodes: readonly ClusterNode[],
    writers: number,
  ) {
    this.#writing = Array.from({ length: writers }, (_, i) => this.#write(i));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#writing);
  }

  async #write(writer: number): Promise<void> {
    for (let i = writer; !this.#isOver; i++) {
      while (this.isPaused && !this.#isOver) await sleep(50);
      const { url } = this.nodes[i % this.nodes.length] as ClusterNode;
      const status = await call(`${url}/api/v1/events`, editableEvent(i, `load-${writer}`)).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === 201) this.written += 1;
      // A node that is down, or has no majority, takes none.
      await sleep(status === 201 ? 5 : 50);
    }
  }
}

/** Writes so many events in batches, one after the other; where the first and the last of them came. */
export async function fillTo(url: string, events: number): Promise<readonly [Place, Place] | undefined> {
  const places: Place[] = [];
  for (let from = 0; from < events; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, events - from) }, (_, i) => editableEvent(from + i, "fill"));
    const { status, body } = await call<{ events: Place[] }>(`${url}/api/v1/events:batch`, { events: batch });
    if (status !== 201) throw new Error(`a batch was answered ${status}`);
    places.push(body.events[0] as Place);
  }
  const [first] = places;
  return first && [first, places.at(-1) as Place];
}

/** Writes so many events one after the other: while nobody else writes, each has a block of its own. */
export async function fillOneByOne(url: string, events: number): Promise<void> {
  for (let i = 0; i < events; i++) await writeOne(url);
}

export async function writeOne(url: string): Promise<Place> {
  const { status, body } = await call<Place>(`${url}/api/v1/events`, editableEvent(7, "tampered"));
  if (status !== 201) throw new Error(`an event was answered ${status}`);
  return body;
}
