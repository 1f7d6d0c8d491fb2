import { checkEventView, type EventView } from "../../shared/log/event.js";
import { loopback } from "../loopback.js";
import { poll } from "../processes.js";
import type { Promises } from "./load.js";

const PAGE_EVENTS = 500;
/** A node that has just started lists nothing until a leader has confirmed how far the log goes. */
const READABLE_WITHIN_MS = 30_000;

export interface LogReport {
  events: number;
  head: string;
  /** Sentences; empty when everything holds. */
  faults: string[];
}

interface Page {
  events: EventView[];
  next?: string;
}

interface Reader {
  readonly url: string;
  /** The cursor of the newest page read: it may have grown since. */
  cursor: string | undefined;
  last: EventView | undefined;
}

/**
 * Reads the log of every node through its API, and holds it against what clients were told. Each check goes on where
 * the last one ended, so that many of them stay cheap; a new audit reads everything again.
 */
export class LogAudit {
  readonly #readers: Reader[];
  /** The log by sequence, as it was first seen on any node. */
  readonly #log: { hash: string; id: string }[] = [];
  /** Write -> sequence. */
  readonly #places = new Map<string, number>();
  readonly #faults: string[] = [];

  constructor(urls: string[]) {
    this.#readers = urls.map((url) => ({ url, cursor: undefined, last: undefined }));
  }

  /** Up to the event with sequence `upTo`, which every node must show before long. */
  async check(promises: Promises, upTo: number): Promise<LogReport> {
    await Promise.all(this.#readers.map((reader) => this.#readOn(reader, upTo)));
    const faults = [...this.#faults, ...promiseFaults(promises, this.#log, this.#places, upTo)];
    return { events: this.#log.length, head: this.#log.at(-1)?.hash ?? "", faults };
  }

  /** The whole of logs that nobody writes to any more: they must end at `upTo`, with the same head. */
  async checkToEnd(promises: Promises, upTo: number): Promise<LogReport> {
    const report = await this.check(promises, upTo);
    const ends = this.#readers.filter(
      ({ last }) => (last?.sequence ?? -1) !== upTo || (last?.hash ?? "") !== report.head,
    );
    const faults = ends.map(
      ({ url, last }) => `${url}: its head is ${last?.hash} at ${last?.sequence}, not at ${upTo}`,
    );
    return { ...report, faults: [...report.faults, ...faults] };
  }

  async #readOn(reader: Reader, upTo: number): Promise<void> {
    const seen = () => reader.last?.sequence ?? -1;
    // What a node has committed it shows a little later: it follows.
    while (seen() < upTo) {
      const before = seen();
      const hasMore = await poll(async () => (await this.#readPage(reader)) && seen() > before, {
        withinMs: READABLE_WITHIN_MS,
        everyMs: 100,
      });
      if (hasMore) continue;
      this.#faults.push(`${reader.url}: its log ends at ${before}, before ${upTo}`);
      return;
    }
  }

  async #readPage(reader: Reader): Promise<true> {
    const page = await fetchPage(reader);
    const { last } = reader;
    // The events up to `last` are known, and still have to be what they were.
    this.#add(reader.url, page.events);
    const fresh = page.events.filter(({ sequence }) => sequence > (last?.sequence ?? -1));
    this.#faults.push(...chainFaults(fresh, last).map((fault) => `${reader.url}: ${fault}`));
    reader.last = fresh.at(-1) ?? last;
    if (page.next !== undefined) reader.cursor = page.next;
    return true;
  }

  #add(url: string, events: EventView[]): void {
    for (const { sequence, hash, id, dataPayload } of events) {
      const known = this.#log[sequence];
      if (known !== undefined && known.hash !== hash) this.#faults.push(`${url}: holds another event ${sequence}`);
      if (known !== undefined) continue;
      this.#log[sequence] = { hash, id };
      if (typeof dataPayload.write !== "string") continue;
      const place = this.#places.get(dataPayload.write);
      if (place === undefined) this.#places.set(dataPayload.write, sequence);
      else this.#faults.push(`the write ${dataPayload.write} is in the log twice, at ${place} and ${sequence}`);
    }
  }
}

async function fetchPage({ url, cursor }: Reader): Promise<Page> {
  const after = cursor === undefined ? "" : `&after=${cursor}`;
  let problem = "";
  const page = await poll(
    async () => {
      try {
        const answer = await loopback(`${url}/api/v1/events?order=asc&limit=${PAGE_EVENTS}${after}`);
        if (answer.ok) return (await answer.json()) as Page;
        problem = `${answer.status} ${await answer.text()}`;
      } catch (error) {
        problem = String(error);
      }
      return undefined;
    },
    { withinMs: READABLE_WITHIN_MS, everyMs: 200 },
  );
  if (page === undefined) throw new Error(`${url} does not list its events: ${problem}`);
  return page;
}

/** `previous` is the event before the first of them; undefined when they begin the log. */
export function chainFaults(events: EventView[], previous?: EventView): string[] {
  return events.flatMap((event, index) => {
    const before = events[index - 1] ?? previous;
    const place = (before?.sequence ?? -1) + 1;
    const broken = checkEventView(event);
    return [
      ...(event.sequence === place ? [] : [`event ${event.sequence} stands at place ${place}`]),
      ...(broken === null ? [] : [`event ${event.sequence} has a wrong ${broken}`]),
      ...(event.previousHash === (before?.hash ?? "") ? [] : [`event ${event.sequence} does not link`]),
      ...(followsInBatch(event, before) ? [] : [`event ${event.sequence} comes where a batch is torn`]),
    ];
  });
}

/** A batch is stored as a whole and in the order sent: its events follow each other, from the first to the last. */
function followsInBatch({ batch }: EventView, before: EventView | undefined): boolean {
  const open = before?.batch !== undefined && before.batch[0] + 1 < before.batch[1] ? before.batch : undefined;
  if (open === undefined) return batch === undefined || batch[0] === 0;
  return batch !== undefined && batch[0] === open[0] + 1 && batch[1] === open[1];
}

/** What was acknowledged with a sequence up to `upTo` must stand there; what was refused must be nowhere. */
export function promiseFaults(
  { acknowledged, refused }: Promises,
  log: readonly { hash: string; id: string }[],
  places: ReadonlyMap<string, number>,
  upTo: number,
): string[] {
  const faults: string[] = [];
  for (const [write, { sequence, id, hash }] of acknowledged) {
    const place = places.get(write);
    const event = log[sequence];
    if (sequence > upTo) continue; // Acknowledged since this check began.
    if (place === undefined) faults.push(`the write ${write}, acknowledged at ${sequence}, is lost`);
    else if (place !== sequence) faults.push(`the write ${write}, acknowledged at ${sequence}, stands at ${place}`);
    else if (event?.hash !== hash || event.id !== id) faults.push(`the write ${write} at ${sequence} was changed`);
  }
  for (const write of refused) {
    const place = places.get(write);
    if (place !== undefined) faults.push(`the write ${write} was refused, and is in the log at ${place}`);
  }
  return faults;
}
