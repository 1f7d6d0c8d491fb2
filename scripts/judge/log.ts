import type { Anomalies } from "./anomalies.js";
import { canonical, hashesOf } from "./canonical.js";
import type { LogEvent } from "./format.js";

/** What the judge keeps of an event. */
export interface Entry {
  hash: string;
  id: string;
  write: string;
  /** Canonical JSON of what the client chose. */
  body: string;
  batch: [number, number] | undefined;
}

export const bodyOf = (event: Pick<LogEvent, "eventType" | "sourceAppId" | "dataPayload">): string =>
  canonical([event.eventType, event.sourceAppId, event.dataPayload]);

/** The log as all nodes must have it, taken from the first node; each further one is held against it. */
export class JudgedLog {
  readonly entries: Entry[] = [];
  /** Write -> its first sequence. */
  readonly places = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  /** Source and key -> the first sequence under them, at whatever place of a batch. */
  readonly #holders = new Map<string, number>();
  #hasFirst = false;

  constructor(private readonly anomalies: Anomalies) {}

  /** Reads one node's whole log. */
  async addNode(node: string, events: AsyncIterable<LogEvent> | Iterable<LogEvent>): Promise<void> {
    const isFirst = !this.#hasFirst;
    this.#hasFirst = true;
    let size = 0;
    let previousHash = "";
    for await (const event of events) {
      this.#checkChain(node, event, size, previousHash);
      if (isFirst) this.#add(event);
      else if (this.entries[size]?.hash !== event.hash)
        this.anomalies.add("logs_differ", `${node} holds another event at ${size} than the first node`);
      previousHash = event.hash;
      size++;
    }
    if (size !== this.entries.length)
      this.anomalies.add("logs_differ", `${node} holds ${size} events, the first node ${this.entries.length}`);
  }

  /** The event that holds a source's idempotency key. */
  holderOf(sourceAppId: string, key: string): Entry | undefined {
    const at = this.#holders.get(canonical([sourceAppId, key]));
    return at === undefined ? undefined : this.entries[at];
  }

  get head(): string {
    return this.entries.at(-1)?.hash ?? "";
  }

  #checkChain(node: string, event: LogEvent, place: number, previousHash: string): void {
    const { payloadHash, hash } = hashesOf(event);
    const broken = [
      ...(event.sequence === place ? [] : [`stands at place ${place}`]),
      ...(event.payloadHash === payloadHash ? [] : ["has a wrong payloadHash"]),
      ...(event.hash === hash ? [] : ["has a wrong hash"]),
      ...(event.previousHash === previousHash ? [] : ["does not link"]),
    ];
    for (const finding of broken) this.anomalies.add("broken_chain", `${node}: event ${event.sequence} ${finding}`);
  }

  #add(event: LogEvent): void {
    const { hash, id, batch, idempotencyKey, sourceAppId } = event;
    const write = String(event.dataPayload.write);
    const sequence = this.entries.length;
    this.entries.push({ hash, id, write, body: bodyOf(event), batch });
    const known = this.places.get(write);
    if (known === undefined) this.places.set(write, sequence);
    else this.anomalies.add("doubled", `${write} is at ${known} and at ${sequence}`);
    if (idempotencyKey === undefined) return;
    const holder = canonical([sourceAppId, idempotencyKey]);
    if (!this.#holders.has(holder)) this.#holders.set(holder, sequence);
    // In a batch one key belongs to all of its events, each under its place.
    const key = canonical([sourceAppId, idempotencyKey, batch?.[0] ?? 0]);
    const keyPlace = this.#keys.get(key);
    if (keyPlace === undefined) this.#keys.set(key, sequence);
    else this.anomalies.add("key_doubled", `the key ${idempotencyKey} is at ${keyPlace} and at ${sequence}`);
  }
}
