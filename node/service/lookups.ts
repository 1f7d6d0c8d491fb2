import type { NodeId } from "../../shared/ids.js";
import type { EventFilter } from "../../shared/log/filter.js";
import { StoredEvent } from "../../shared/log/stored-event.js";
import { type Clock, sleep } from "../clock.js";
import { ProblemError } from "../problems.js";
import { AlteredBlock } from "../replica/anchors.js";
import { StoreError } from "../storage/port.js";
import { type Counts, Histograms } from "./histogram.js";
import type {
  Answered,
  Counted,
  Found,
  FoundOne,
  HistogramFound,
  HistogramRequest,
  PageRequest,
  ReadCondition,
} from "./log-port.js";
import { type Found as FoundHere, IndexDiffers, type Search } from "./page-builder.js";
import { notReady, type Parts, RETRY_AFTER_SECONDS } from "./parts.js";
import { PeerSearches, pageOf, restsOnEntries, type Total } from "./peer-searches.js";
import type { PlaceFinder } from "./place-finder.js";
import { Searches } from "./search.js";
import { SoundBlocks, Unproved } from "./sound-blocks.js";
import { tooWide } from "./too-wide.js";
import { Turns } from "./turns.js";

/** A read waits at most this long for what it must see. */
export const READ_WAIT_MS_MAX = 2_000;
/** Parts of lists that are made at once. */
const PARTS_AT_ONCE = 2;
const LARGE_PART_BYTES = 64 * 1024;
/** Between tries of a read that the store could not answer. */
const RETRY_MS = 100;

export interface ReadLimits {
  /** One part of a list; with an event more, since the last one is taken whole. */
  readonly partBytesMax: number;
  /** A search that takes longer ends with what it has found. */
  readonly searchMsMax: number;
}
const READ_LIMITS: ReadLimits = { partBytesMax: 256 * 1024, searchMsMax: 1_500 };

type Sources = NonNullable<Search["sources"]>;

/** The two ways to decide what a filter finds; `elsewhere` gives null where no other node says it. */
interface Ways<T> {
  readonly here: (sources: Sources) => Promise<T>;
  readonly elsewhere: (sources: Sources) => Promise<T | null>;
}

/**
 * What the log holds: by sequence, in lists, in numbers. It is decided and shown by this node's own copy, and by other
 * nodes' where that is not what was committed, or the index is in doubt.
 */
export class Lookups {
  private readonly clock: Clock;
  private readonly limits: ReadLimits;
  private readonly blocks: SoundBlocks;
  private readonly searches: Searches;
  private readonly histograms: Histograms;
  private readonly turns: Turns<FoundHere>;
  private readonly others: PeerSearches;

  constructor(
    private readonly parts: Parts,
    awaitReadable: (condition: ReadCondition) => Promise<void>,
  ) {
    const { storage, driver, clock, peers } = parts;
    this.clock = clock;
    this.limits = parts.readLimits ?? READ_LIMITS;
    this.turns = new Turns(PARTS_AT_ONCE, isLarge, clock);
    const { reader } = storage;
    const { log } = driver;
    const commitHeight = () => log.committed.height;
    this.blocks = new SoundBlocks({
      ...{ own: log.blocks, reader, commitHeight, desk: peers, others: peers.others, clock },
    });
    log.index.readWith((heights) => this.blocks.readAnywhere(heights));
    this.searches = new Searches({
      ...{ reader, blocks: this.blocks, clock, commitHeight },
      heldThrough: () => driver.heldThrough,
      indexVersion: () => log.index.version,
      onIndexDiffers: (at) => log.index.differs(at),
    });
    this.histograms = new Histograms({ searches: this.searches, blocks: this.blocks, clock, commitHeight });
    this.others = new PeerSearches({
      ...{ desk: peers, clock, awaitReadable, commitHeight },
      own: {
        page: (request) => this.pageHere(request),
        count: (filter, range) => this.countHere(filter, range),
        histogram: (request) => this.histogramHere(request),
      },
      isInDoubt: () => this.isIndexInDoubt,
      indexedPaths: () => log.index.indexedPaths,
      onIndexDiffers: (at) => log.index.differs(at),
    });
  }

  get places(): PlaceFinder {
    return this.searches.places;
  }

  private get isIndexInDoubt(): boolean {
    return this.parts.incidents?.().isIndexInDoubt === true;
  }

  /** An event of which this node knows that it is committed. */
  one(sequence: number): Promise<FoundOne> {
    return this.guarded(
      async () => {
        const { events, header, from } = await this.places.blockOf(sequence);
        const found = new StoredEvent(events, sequence - header.firstSequence, header);
        // A block that is not kept came in one message with others: they need not wait until its event is shown.
        const event = this.blocks.atHandAt(header.height) === null ? found.detached() : found;
        return { event, from: from === undefined ? NOBODY : [from] };
      },
      { asksOthers: true },
    );
  }

  page(request: PageRequest): Promise<Found> {
    return this.found(request.filter, {
      here: (sources) => this.pageHere(request, sources),
      elsewhere: async (sources) => {
        const named = await this.others.page(request);
        if (named === null) return null;
        sources.add(named.peer);
        return this.inTurn((search) => pageOf(named.found, search, this.blocks), request, sources);
      },
    });
  }

  count(filter: EventFilter, range: { high: number; cap: number }): Promise<Counted> {
    return this.found(filter, {
      here: (sources) => this.countHere(filter, range, sources),
      elsewhere: async (sources) => of(await this.others.count(filter, range), sources),
    });
  }

  histogram(request: HistogramRequest): Promise<HistogramFound> {
    return this.found(request.filter, {
      here: (sources) => this.histogramHere(request, sources),
      elsewhere: async (sources) => of(await this.others.histogram(request), sources),
    });
  }

  // --- By this node's index ------------------------------------------------------------------------------------------

  private async pageHere(request: PageRequest, sources?: Sources): Promise<FoundHere> {
    const bytesMax = this.limits.partBytesMax;
    // What is in memory, and small, takes nobody's turn.
    const atHand = this.searches.atHand({ ...request, bytesMax, deadline: Number.POSITIVE_INFINITY });
    if (atHand !== null && !isLarge(atHand)) return atHand;
    return this.inTurn((search) => this.searches.find(search), request, sources);
  }

  private inTurn(
    find: (search: Search) => Promise<FoundHere>,
    request: PageRequest,
    sources: Sources = new Set(),
  ): Promise<FoundHere> {
    return this.turns.run(async () => {
      const bytesMax = this.limits.partBytesMax;
      // From here on: that others were first says nothing of how wide the filter is.
      const deadline = this.deadlineOf(request);
      const found = await find({ ...request, bytesMax, deadline, sources });
      return { ...found, events: found.events.map((event) => event.detached()) };
    }, request.by);
  }

  private async countHere(
    filter: EventFilter,
    range: { high: number; cap: number },
    sources: Sources = new Set(),
  ): Promise<Total> {
    const deadline = this.deadlineOf({});
    const counted = await this.searches.count(filter, { ...range, deadline, sources });
    if (counted !== null) return counted;
    throw tooWide(filter, "its events could not be counted in time");
  }

  private async histogramHere(request: HistogramRequest, sources: Sources = new Set()): Promise<Counts> {
    const deadline = this.deadlineOf({});
    const found = await this.histograms.of(request, { deadline, sources });
    if (found !== null) return found;
    const detail =
      "It could not be told in time which blocks were sealed when. Narrow the range, or ask again shortly.";
    throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  private deadlineOf({ searchMsMax = Number.POSITIVE_INFINITY }: Pick<PageRequest, "searchMsMax">): number {
    return this.clock.now() + Math.min(this.limits.searchMsMax, searchMsMax);
  }

  // --- By whose word -------------------------------------------------------------------------------------------------

  private found<T>(filter: EventFilter, ways: Ways<T>): Promise<T & Answered> {
    return this.guarded(
      async () => {
        const sources: Sources = new Set();
        const found = await this.decided(filter, ways, sources);
        return { ...found, from: sources.size === 0 ? NOBODY : [...sources].sort() };
      },
      { asksOthers: true },
    );
  }

  /** By this node's index, unless it is in doubt or turns out to be wrong, and another node can be asked. */
  private async decided<T>(filter: EventFilter, { here, elsewhere }: Ways<T>, sources: Sources): Promise<T> {
    const found = this.isIndexInDoubt && restsOnEntries(filter) ? await elsewhere(sources) : null;
    if (found !== null) return found;
    try {
      return await here(sources);
    } catch (error) {
      if (!isOfIndex(error)) throw error;
      this.mendIndex(error);
      const told = await elsewhere(sources);
      if (told === null) throw error;
      return told;
    }
  }

  /** It is made anew meanwhile. */
  private mendIndex(error: IndexDiffers | StoreError): void {
    const { index } = this.parts.driver.log;
    if (error instanceof IndexDiffers) index.differs(error.height);
    else index.lost();
  }

  /**
   * A store that cannot answer is asked again for a while: it may be recovering. With `asksOthers` what it has lost is
   * fetched from another node meanwhile. Then the client is told why.
   */
  async guarded<T>(read: () => Promise<T>, { asksOthers = false } = {}): Promise<T> {
    const deadline = this.clock.now() + READ_WAIT_MS_MAX;
    for (;;) {
      try {
        return await read();
      } catch (cause) {
        if (cause instanceof ProblemError) throw cause;
        if (isOfIndex(cause)) this.mendIndex(cause);
        const isLate = this.clock.now() >= deadline;
        if (asksOthers && !isLate && (await this.blocks.fetchFor(cause))) continue;
        const mayPass = cause instanceof IndexDiffers || cause instanceof StoreError;
        const isFinal = !mayPass || (cause instanceof StoreError && cause.failure === "index_lost");
        if (isFinal || isLate) throw this.problemOf(cause);
      }
      await sleep(this.clock, RETRY_MS);
    }
  }

  private problemOf(cause: unknown): ProblemError {
    const { logger, driver } = this.parts;
    if (cause instanceof AlteredBlock) {
      const others = cause instanceof Unproved ? ", no other node has given a sound copy in time" : "";
      const detail = `${cause.message}. It is not shown by this node${others}, and an alert is open; ask another node.`;
      return new ProblemError("event_altered", detail, { cause });
    }
    if (cause instanceof IndexDiffers) {
      const detail = `${cause.message}, and is being made anew. Events can be read by sequence and listed without a filter meanwhile.`;
      return new ProblemError("index_rebuilding", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
    if (cause instanceof StoreError && cause.failure === "index_lost") {
      const { through, of: all } = driver.log.index.progress;
      const detail =
        `The index of this node is being made anew from its log: ${through} of ${all} blocks are done. Events can be read ` +
        "by sequence and listed without a filter meanwhile. Ask another node, or again later.";
      return new ProblemError("index_rebuilding", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
    logger.warn({ err: cause }, "a read failed");
    return notReady("This node could not read its MongoDB. Ask another node, or again shortly.", cause);
  }
}

const NOBODY: readonly NodeId[] = [];

const isLarge = ({ events }: FoundHere): boolean =>
  events.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0) >= LARGE_PART_BYTES;

const isOfIndex = (error: unknown): error is IndexDiffers | StoreError =>
  error instanceof IndexDiffers || (error instanceof StoreError && error.failure === "index_lost");

function of<T>(told: { readonly peer: NodeId; readonly found: T } | null, sources: Sources): T | null {
  if (told === null) return null;
  sources.add(told.peer);
  return told.found;
}
