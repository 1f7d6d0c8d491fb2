import type { Anomalies } from "./anomalies.js";
import type { AppendLine, HistoryLine, ListLine, Place, ReadLine, SeenEvent } from "./format.js";
import { bodyOf, type JudgedLog } from "./log.js";
import { Frontier } from "./order.js";

/** A write, over all of its attempts. */
interface Write {
  firstStartMs: number;
  bodies: string[];
  names: string[];
  isBatch: boolean;
  /** As acknowledged first; undefined if it never was. */
  places: Place[] | undefined;
  /** Every attempt was answered with "nothing was written". */
  isRefused: boolean;
}

interface Read {
  what: string;
  node: string;
  startMs: number;
  /** The answer shows that the log held at most so many events. */
  sizeMax: number;
  isLinearizable: boolean;
}

/** How a node says that a key belongs to another write. */
const KEY_REUSED = "idempotency_key_reused";

export interface Totals {
  appends: number;
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
  linearizableReads: number;
  /** The linearizable ones that were answered. */
  linearizableAnswers: number;
  failedReads: number;
}

/**
 * Holds a history against the log that came out of it. Every acknowledgement and every read names sequences, so the order
 * that a linearizable log must have is known, and each call is compared once with what had ended before it began.
 */
export class Judge {
  readonly totals: Totals = {
    appends: 0,
    acknowledged: 0,
    refused: 0,
    unknown: 0,
    reads: 0,
    linearizableReads: 0,
    linearizableAnswers: 0,
    failedReads: 0,
  };
  /** By the name of the write's first event. */
  readonly #writes = new Map<string, Write>();
  readonly #writeOfEvent = new Map<string, Write>();
  readonly #reads: Read[] = [];
  readonly #keysRefused: AppendLine[] = [];
  /** What was known to anybody: acknowledged anywhere, or read anywhere. */
  readonly #known = new Frontier();
  /** What each node itself has acknowledged. */
  readonly #acknowledgedBy = new Map<string, Frontier>();
  readonly #shownBy = new Map<string, Frontier>();
  /** The end of the earliest read that shows an event, by its sequence. */
  readonly #firstSeenMs = new Map<number, number>();

  constructor(
    private readonly log: JudgedLog,
    private readonly anomalies: Anomalies,
  ) {}

  add(line: HistoryLine): void {
    if (line.type === "append") this.#append(line);
    else if (line.type === "read") this.#read(line);
    else if (line.type === "list") this.#list(line);
  }

  /** Once the whole history is known. */
  finish(): void {
    for (const write of this.#writes.values()) {
      this.#checkPlaces(write);
      this.#checkBatch(write);
      this.#checkOrder(write);
    }
    for (const [sequence, { write }] of this.log.entries.entries()) {
      const sent = this.#writeOfEvent.get(write);
      if (sent === undefined) this.anomalies.add("invented", `${write} at ${sequence}`);
      else if ((this.#firstSeenMs.get(sequence) ?? Number.POSITIVE_INFINITY) < sent.firstStartMs)
        this.anomalies.add("early", `${write} at ${sequence} was read before it was sent`);
    }
    for (const line of this.#keysRefused) this.#checkKeyRefused(line);
    for (const read of this.#reads) this.#checkFresh(read);
  }

  #append(line: AppendLine): void {
    const { outcome, events, places, key } = line;
    this.totals.appends++;
    if (outcome === "unexpected") this.anomalies.add("unexpected_answer", describe(line));
    if (outcome === "refused") this.totals.refused++;
    if (outcome === "unknown") this.totals.unknown++;
    if (line.code === KEY_REUSED) this.#keysRefused.push(line);
    const write = this.#writeOf(line);
    if (outcome !== "refused") write.isRefused = false;
    if (outcome !== "ok") return;
    if (places === undefined || places.length !== events.length) {
      const what = `${places?.length ?? 0} places for ${events.length} events of ${write.names[0]}`;
      this.anomalies.add("answers_differ", what);
      return;
    }
    const last = Math.max(...places.map(({ sequence }) => sequence));
    this.#known.add(line.end, last + 1);
    frontierOf(this.#acknowledgedBy, line.node).add(line.end, last + 1);
    const first = write.places;
    if (first === undefined) this.totals.acknowledged += events.length;
    write.places ??= places;
    if (first !== undefined && places.some((place, index) => !isSamePlace(place, first[index])))
      this.anomalies.add("answers_differ", `${key ?? write.names[0]}: ${brief(first)}, then ${brief(places)}`);
  }

  #writeOf({ events, start, isBatch = false }: AppendLine): Write {
    const names = events.map(({ dataPayload }) => dataPayload.write);
    const known = this.#writes.get(names[0] as string);
    if (known !== undefined) {
      known.firstStartMs = Math.min(known.firstStartMs, start);
      return known;
    }
    const bodies = events.map(bodyOf);
    const write = { firstStartMs: start, bodies, names, isBatch, places: undefined, isRefused: true };
    this.#writes.set(names[0] as string, write);
    for (const name of names) this.#writeOfEvent.set(name, write);
    return write;
  }

  #read(line: ReadLine): void {
    this.#count(line);
    const what = `read of ${line.sequence} at ${line.node}, begun at ${line.start.toFixed(1)} ms`;
    if (line.outcome === "absent") this.#addRead(line, what, line.sequence);
    if (line.outcome !== "ok" || line.event === undefined) return;
    if (line.event.sequence !== line.sequence)
      this.anomalies.add("read_differs", `${what} answers event ${line.event.sequence}`);
    this.#see(what, line.end, [line.event]);
    this.#show(line, [line.event]);
    this.#addRead(line, what, line.size ?? Number.POSITIVE_INFINITY);
  }

  #list(line: ListLine): void {
    this.#count(line);
    const { events, order, isFirstPage, size = Number.POSITIVE_INFINITY } = line;
    if (line.outcome !== "ok" || events === undefined) return;
    const what = `list at ${line.node}, begun at ${line.start.toFixed(1)} ms`;
    const step = order === "asc" ? 1 : -1;
    for (const [index, { sequence }] of events.entries()) {
      const before = events[index - 1];
      if (before !== undefined && sequence !== before.sequence + step)
        this.anomalies.add("read_differs", `${what} goes from ${before.sequence} to ${sequence}`);
    }
    this.#see(what, line.end, events);
    this.#show(line, events);
    // Newest first: what is above the first event was not there.
    const newest = order === "desc" && isFirstPage ? (events[0]?.sequence ?? -1) + 1 : Number.POSITIVE_INFINITY;
    this.#addRead(line, what, Math.min(size, newest));
  }

  #count({ outcome, isLinearizable, ...call }: ReadLine | ListLine): void {
    this.totals.reads++;
    if (isLinearizable) this.totals.linearizableReads++;
    if (isLinearizable && (outcome === "ok" || outcome === "absent")) this.totals.linearizableAnswers++;
    if (outcome === "failed") this.totals.failedReads++;
    if (outcome === "unexpected") this.anomalies.add("unexpected_answer", describe(call));
  }

  #addRead({ node, start, isLinearizable }: ReadLine | ListLine, what: string, sizeMax: number): void {
    this.#reads.push({ what, node, startMs: start, sizeMax, isLinearizable });
  }

  #see(what: string, endMs: number, events: readonly SeenEvent[]): void {
    for (const { sequence, id, hash, write } of events) {
      const entry = this.log.entries[sequence];
      if (entry?.hash !== hash || entry.id !== id || entry.write !== write)
        this.anomalies.add("read_differs", `${what} shows ${write} at ${sequence}; the log has ${entry?.write}`);
      const seenMs = this.#firstSeenMs.get(sequence) ?? Number.POSITIVE_INFINITY;
      if (endMs < seenMs) this.#firstSeenMs.set(sequence, endMs);
    }
    if (events.length > 0) this.#known.add(endMs, Math.max(...events.map(({ sequence }) => sequence)) + 1);
  }

  /** How long a log an answer of a node says, by its events and by its size. */
  #show({ node, end, size = 0 }: ReadLine | ListLine, events: readonly SeenEvent[]): void {
    frontierOf(this.#shownBy, node).add(end, Math.max(size, ...events.map(({ sequence }) => sequence + 1)));
  }

  #checkPlaces({ names, bodies, places, isRefused }: Write): void {
    for (const [index, name] of names.entries()) {
      const at = this.log.places.get(name);
      const promised = places?.[index];
      if (at !== undefined) {
        const entry = this.log.entries[at];
        if (isRefused) this.anomalies.add("refused_present", `${name} is at ${at}`);
        if (entry?.body !== bodies[index]) this.anomalies.add("changed", `${name} at ${at} has another body`);
        else if (promised?.sequence === at && (promised.hash !== entry?.hash || promised.id !== entry?.id))
          this.anomalies.add("changed", `${name} at ${at} has another hash or id than was acknowledged`);
      }
      if (promised === undefined || promised.sequence === at) continue;
      if (at === undefined) this.anomalies.add("lost", `${name}, acknowledged at ${promised.sequence}`);
      else this.anomalies.add("moved", `${name}, acknowledged at ${promised.sequence}, is at ${at}`);
    }
  }

  /** Only who comes with a key that another write holds is told so; for its own write a client gets its first answer. */
  #checkKeyRefused(line: AppendLine): void {
    const { events, key } = line;
    const own = new Set(events.map(({ dataPayload }) => dataPayload.write));
    const isHeld = events.some(({ sourceAppId }) => {
      const holder = key === undefined ? undefined : this.log.holderOf(sourceAppId, key);
      return holder !== undefined && !own.has(holder.write);
    });
    if (!isHeld) this.anomalies.add("key_refused", `${[...own][0]}, key ${key}: ${describe(line)}`);
  }

  #checkBatch({ names, isBatch }: Write): void {
    if (!isBatch) return;
    const first = this.log.places.get(names[0] as string);
    const isWhole = names.every((name, index) => {
      const at = this.log.places.get(name);
      if (at === undefined || first === undefined) return at === first;
      const batch = this.log.entries[at]?.batch;
      return at === first + index && batch?.[0] === index && batch[1] === names.length;
    });
    if (!isWhole) this.anomalies.add("torn_batch", `${names[0]} and the ${names.length - 1} events after it`);
  }

  #checkOrder({ firstStartMs, names, places }: Write): void {
    // One whose answer was lost has its place, too.
    const at = places?.[0]?.sequence ?? this.log.places.get(names[0] as string);
    if (at === undefined) return;
    const known = this.#known.sizeBefore(firstStartMs);
    if (at < known) {
      const what = `${names[0]} is at ${at}, but ${known - 1} was known before it was sent`;
      this.anomalies.add("order", what);
    }
  }

  #checkFresh({ what, node, startMs, sizeMax, isLinearizable }: Read): void {
    const known = this.#known.sizeBefore(startMs);
    if (isLinearizable && sizeMax < known)
      this.anomalies.add("stale_linearizable", `${what}, ends before ${sizeMax}; ${known - 1} was known`);
    const own = this.#acknowledgedBy.get(node)?.sizeBefore(startMs) ?? 0;
    if (sizeMax < own)
      this.anomalies.add("stale_own", `${what}, ends before ${sizeMax}; this node had acknowledged ${own - 1}`);
    const shown = this.#shownBy.get(node)?.sizeBefore(startMs) ?? 0;
    if (sizeMax < shown)
      this.anomalies.add("denied", `${what}, ends before ${sizeMax}; this node had shown ${shown - 1}`);
  }
}

function frontierOf(frontiers: Map<string, Frontier>, node: string): Frontier {
  const frontier = frontiers.get(node) ?? new Frontier();
  frontiers.set(node, frontier);
  return frontier;
}

const isSamePlace = (a: Place, b: Place | undefined): boolean =>
  a.sequence === b?.sequence && a.hash === b.hash && a.id === b.id;

const brief = (places: readonly Place[]): string =>
  places.map(({ sequence, hash }) => `${sequence} ${hash.slice(0, 8)}`).join(", ");

const describe = ({
  client,
  node,
  status,
  code,
  start,
}: Pick<AppendLine, "client" | "node" | "status" | "code" | "start">) =>
  `${client} at ${node}, begun at ${start.toFixed(1)} ms: ${status} ${code ?? ""}`;
