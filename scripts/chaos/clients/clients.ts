import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../../cluster/random.js";
import type { AppendLine, SentEvent } from "../../judge/format.js";
import type { Recorder } from "../history.js";
import { append, list, read, type Target, type Write } from "./calls.js";

/** Some give up before the node does, and ask again while their first request is still under way. */
const TIMEOUTS_MS = [1_000, 3_000, 8_000];
const THINK_MS_MAX = 60;
/** Twice as long after each attempt, up to the second: clients in a loop would take the processor from nodes that start. */
const RETRY_AFTER_MS = [50, 2_000] as const;
/** A keyed write is sent again until it is acknowledged, for as long as this. */
const PATIENCE_MS = 90_000;
const PROBE_EVERY_MS = 50;
const PROBES_MAX = 100;
const BATCH_EVENTS_MAX = 9;
const RECENT_MAX = 64;
const PAGE_EVENTS_MAX = 50;

export interface ClientsOptions {
  readonly nodes: readonly { id: string; url: string }[];
  readonly history: Recorder;
  readonly writers: number;
  readonly readers: number;
  readonly seed: number;
  /** Before the names of clients, and so of their keys and sources: nobody else may have used them in this log. */
  readonly prefix?: string;
}

type Keyed = Write & { key: string };

/**
 * Clients that write and read through all nodes, at random, and record every call. Writers keep one write each under way;
 * besides them fresh writes begin at a steady rate whatever becomes of them, so that a pause is measured while every
 * writer hangs on a node that does not answer. Memory is bounded: what was acknowledged is in the history only.
 */
export class Clients {
  highestSequence = -1;
  acknowledged = 0;
  #isStopping = false;
  readonly #running = new Set<Promise<void>>();
  readonly #recent: number[] = [];

  constructor(private readonly options: ClientsOptions) {}

  start(): void {
    const { writers, readers, seed, prefix = "" } = this.options;
    for (let i = 1; i <= writers; i++) this.#keep(this.#write(`${prefix}w${i}`, new Random(seed + i)));
    for (let i = 1; i <= readers; i++) this.#keep(this.#read(`${prefix}r${i}`, new Random(seed + 10_000 + i)));
    this.#keep(this.#probe(`${prefix}p`, new Random(seed)));
  }

  /** No new calls; waits until each that was begun has its outcome. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #keep(work: Promise<void>): void {
    const handled: Promise<void> = work.finally(() => this.#running.delete(handled));
    this.#running.add(handled);
  }

  #target(client: string, random: Random): Target {
    const { nodes } = this.options;
    const node = nodes[Math.floor(random.next() * nodes.length)] as { id: string; url: string };
    return { client, ...node, timeoutMs: TIMEOUTS_MS[Math.floor(random.next() * TIMEOUTS_MS.length)] as number };
  }

  async #write(client: string, random: Random): Promise<void> {
    for (let number = 0; !this.#isStopping; number++) {
      await this.options.history.room();
      const name = `${client}-${number}`;
      const kind = random.next();
      if (kind < 0.15) await this.#send(client, random, { events: [event(client, name)], key: undefined });
      else if (kind < 0.25) await this.#send(client, random, { events: [event(client, name)], key: name });
      else if (kind < 0.32) await this.#send(client, random, { ...batch(client, name, random), key: undefined });
      else if (kind < 0.39)
        await this.#sendUntilAcknowledged(client, random, { ...batch(client, name, random), key: name });
      else await this.#sendUntilAcknowledged(client, random, { events: [event(client, name)], key: name });
      await sleep(random.next() * THINK_MS_MAX);
    }
  }

  /** Again and again, through any node; sometimes once more after that, or with the same key for another event. */
  async #sendUntilAcknowledged(client: string, random: Random, write: Keyed): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    const [first, most] = RETRY_AFTER_MS;
    for (let waitMs: number = first; performance.now() < deadline; waitMs = Math.min(most, 2 * waitMs)) {
      const { outcome } = await this.#send(client, random, write);
      if (outcome === "ok") {
        const what = random.next();
        if (what < 0.1) await this.#send(client, random, write);
        else if (what < 0.15)
          await this.#send(client, random, { ...write, events: [event(client, `${write.key}-other`)], isBatch: false });
        return;
      }
      await sleep((0.5 + random.next()) * waitMs);
    }
  }

  async #send(client: string, random: Random, write: Write): Promise<AppendLine> {
    const line = await append(this.options.history, this.#target(client, random), write);
    for (const { sequence } of line.places ?? []) {
      this.acknowledged++;
      this.highestSequence = Math.max(this.highestSequence, sequence);
      this.#recent.push(sequence);
      if (this.#recent.length > RECENT_MAX) this.#recent.shift();
    }
    return line;
  }

  async #probe(client: string, random: Random): Promise<void> {
    const open = new Set<Promise<void>>();
    for (let number = 0; !this.#isStopping; number++) {
      if (open.size < PROBES_MAX) {
        const probe: Promise<void> = this.#sendProbe(client, random, `${client}-${number}`).finally(() =>
          open.delete(probe),
        );
        open.add(probe);
      }
      await sleep(PROBE_EVERY_MS);
    }
    await Promise.all(open);
  }

  #sendProbe(client: string, random: Random, name: string): Promise<void> {
    return this.#sendUntilAcknowledged(client, random, { events: [event(client, name)], key: name });
  }

  async #read(client: string, random: Random): Promise<void> {
    const { history } = this.options;
    let after: string | undefined;
    while (!this.#isStopping) {
      await history.room();
      const target = this.#target(client, random);
      const isLinearizable = random.next() < 0.5;
      const kind = random.next();
      const sequence = this.#recent[Math.floor(random.next() * this.#recent.length)];
      const limit = 1 + Math.floor(random.next() * PAGE_EVENTS_MAX);
      if (kind < 0.4 && sequence !== undefined) await read(history, target, sequence, isLinearizable);
      else if (kind < 0.8) await list(history, target, { order: "desc", limit, isLinearizable });
      // The log from its beginning, page by page, through any node.
      else after = (await list(history, target, { order: "asc", limit, after, isLinearizable })) ?? after;
      await sleep(random.next() * THINK_MS_MAX);
    }
  }
}

const event = (client: string, write: string): SentEvent => ({
  eventType: "chaos",
  sourceAppId: `chaos-${client}`,
  dataPayload: { write, of: client, text: 'é"\\\u2028 and 0.1' },
});

function batch(client: string, name: string, random: Random): { events: SentEvent[]; isBatch: true } {
  const length = 1 + Math.floor(random.next() * BATCH_EVENTS_MAX);
  return { events: Array.from({ length }, (_, index) => event(client, `${name}.${index}`)), isBatch: true };
}
