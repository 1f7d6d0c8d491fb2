import type { Effect } from "../../cluster/types.js";
import type { Height } from "../../shared/ids.js";
import { eventView, type ShownEvent } from "../../shared/log/event.js";
import type { EventFilter } from "../../shared/log/filter.js";
import { StoredEvent } from "../../shared/log/stored-event.js";
import type { BlockView, NodeChain } from "../../shared/protocol/http.js";
import { type Clock, delay } from "../clock.js";
import { ProblemError } from "../problems.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { CommittedEvents } from "../replica/committed.js";
import { StoreError } from "../storage/port.js";
import { BlockViews } from "./block-views.js";
import { Histograms } from "./histogram.js";
import type {
  Found,
  HistogramFound,
  HistogramRequest,
  LogReads,
  NodeCopy,
  PageRequest,
  ReadCondition,
} from "./log-port.js";
import { IndexDiffers } from "./page-builder.js";
import { LEADER_POLL_MS, notReady, type Parts, RETRY_AFTER_SECONDS, resultWithin, unavailable } from "./parts.js";
import { Searches } from "./search.js";
import { SharedRun } from "./shared-run.js";
import { Turns } from "./turns.js";

/** A read waits at most this long for what it must see. */
const READ_WAIT_MS_MAX = 2_000;
const CONFIRMATION_LOOK_MS = 50;
/** A leader that has not confirmed within this time is asked again, or the next one. */
const CONFIRM_MS_MAX = 1_000;
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

/** Reads of what this node acknowledged and, where the request says so, of more. */
export class Reads implements LogReads {
  /** Reads wait for these: events that this node acknowledged. */
  private acknowledgedSize = 0;
  /**
   * After a start, reads wait for the height that a leader confirmed when this process asked it: what this node
   * acknowledged in an earlier life is not above it. What a leader merely calls committed is not enough: a new one does
   * not know yet what its predecessor committed last.
   */
  private confirmed: Height | null = null;
  private isAsking = false;
  /** It has been reached. */
  private isConfirmed = false;
  private becomeReadable = (): void => {};
  private readonly isReadable = new Promise<true>((resolve) => {
    this.becomeReadable = () => resolve(true);
  });
  private readonly confirming = new Map<number, (confirmed: Height | null) => void>();
  private lastReadId = 0;
  private readonly here = new SharedRun<Height | null>(() => this.confirmHere());
  private readonly atLeader = new SharedRun<Height | null>(() => this.confirmAtLeader());

  private readonly clock: Clock;
  private readonly limits: ReadLimits;
  private readonly stopLooking: () => void;

  private readonly searches: Searches;
  private readonly blockViews: BlockViews;
  private readonly histograms: Histograms;
  private readonly turns: Turns<Found>;
  /** Each brings an event from every node, as text to be read and written: a place rests after it, as after a large part. */
  private readonly copyTurns: Turns<NodeCopy[]>;

  constructor(private readonly parts: Parts) {
    const { storage, driver, clock } = parts;
    this.clock = clock;
    this.limits = parts.readLimits ?? READ_LIMITS;
    this.turns = new Turns(PARTS_AT_ONCE, isLarge, clock);
    this.copyTurns = new Turns(PARTS_AT_ONCE, () => true, clock);
    // Looks without being asked: there may be no leader to ask when the first read comes.
    this.stopLooking = clock.every(CONFIRMATION_LOOK_MS, () => this.lookForConfirmation());
    this.searches = new Searches({
      reader: storage.reader,
      blocks: driver.log.blocks,
      clock,
      commitHeight: () => driver.log.committed.height,
      heldThrough: () => driver.heldThrough,
      indexVersion: () => driver.log.index.version,
      onIndexDiffers: (at) => driver.log.index.differs(at),
    });
    this.blockViews = new BlockViews(parts, this.searches.places);
    this.histograms = new Histograms({
      ...{ searches: this.searches, blocks: driver.log.blocks, clock },
      commitHeight: () => driver.log.committed.height,
    });
    parts.peers.handle("read-index", async () => ({ height: await this.here.ask() }));
    parts.peers.handle("copy", ({ sequence }) => this.ownCopy(sequence));
  }

  stop(): void {
    this.stopLooking();
  }
  onAcknowledged(size: number): void {
    this.acknowledgedSize = Math.max(this.acknowledgedSize, size);
  }
  onEffect(effect: Effect): void {
    if (effect.kind === "read_confirmed") this.settle(effect.readId, effect.height);
    if (effect.kind === "read_refused") this.settle(effect.readId, null);
  }
  onReplicaLost(): void {
    for (const readId of [...this.confirming.keys()]) this.settle(readId, null);
  }

  /** How many wait for a leader's confirmation. */
  get load(): number {
    return this.confirming.size;
  }

  get indexedPaths(): readonly string[] {
    return this.parts.driver.log.index.indexedPaths;
  }

  subscribe(listener: (events: readonly ShownEvent[]) => void): () => void {
    return this.parts.driver.log.committed.subscribe(listener);
  }

  get logSize(): number {
    return this.parts.driver.log.committed.size;
  }

  async awaitReadable(condition: ReadCondition = {}): Promise<void> {
    const deadline = this.clock.now() + READ_WAIT_MS_MAX;
    const { driver } = this.parts;
    if (!this.lookForConfirmation() && (await resultWithin(this.clock, this.isReadable, READ_WAIT_MS_MAX)) === null)
      throw notReady(
        this.confirmed === null
          ? "This node has started and no leader has confirmed yet how far the log goes. Ask another node, or again shortly."
          : `This node has started and has not caught up yet with block ${this.confirmed}, which a leader has confirmed. Ask another node, or again shortly.`,
      );
    // A learner counts for nothing and serves nothing: what it lost is not all known yet.
    if (driver.standing()?.isLearner === true)
      throw notReady(
        "This node waits to be admitted to its cluster and serves no events until then. Ask another node.",
      );
    const acknowledged = this.acknowledgedSize;
    const confirmed = condition.isLinearizable === true ? await this.sizeConfirmedBy(deadline) : 0;
    const asked = (condition.minSequence ?? -1) + 1;
    const wanted = Math.max(acknowledged, confirmed, asked);
    if (this.logSize >= wanted) return;
    if (await this.reachedBy(wanted, deadline)) return;
    if (asked > Math.max(acknowledged, confirmed))
      throw notReady(
        `This node has the events below ${this.logSize}, and event ${condition.minSequence} has not come within ${READ_WAIT_MS_MAX} ms. Ask again shortly.`,
      );
    const detail = `This node has ${this.logSize} events of the ${wanted} that this read must see: it is catching up. Ask again shortly.`;
    throw notReady(detail);
  }

  /** A leader has told this process how far the log goes. */
  get hasConfirmation(): boolean {
    return this.confirmed !== null;
  }

  /** True from the first time on that this node has what a leader confirmed. */
  private lookForConfirmation(): boolean {
    if (this.isConfirmed) return true;
    if (this.confirmed === null) void this.askForConfirmation();
    const view = this.confirmed === null ? null : this.parts.driver.view();
    if (view === null || this.confirmed === null || view.commitHeight < this.confirmed) return false;
    this.acknowledgedSize = Math.max(this.acknowledgedSize, view.committedSize);
    this.isConfirmed = true;
    this.becomeReadable();
    this.stop();
    return true;
  }

  private async askForConfirmation(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    this.confirmed = await this.atLeader.ask();
    this.isAsking = false;
  }

  private reachedBy(size: number, deadline: number): Promise<boolean> {
    return this.within(this.parts.driver.log.committed.awaitSize(size), deadline);
  }

  private within({ reached, cancel }: ReturnType<CommittedEvents["awaitSize"]>, deadline: number): Promise<boolean> {
    const isThere = reached.then(() => true);
    return resultWithin(this.clock, isThere, deadline - this.clock.now()).then((there) => {
      cancel();
      return there === true;
    });
  }

  // --- Linearizable reads --------------------------------------------------------------------------------------------

  /** The size of the log at a height that the leader confirmed after this was called, once this node has that height. */
  private async sizeConfirmedBy(deadline: number): Promise<number> {
    const confirmed = await this.confirmBy(deadline);
    const { committed } = this.parts.driver.log;
    if (committed.height < confirmed && !(await this.within(committed.awaitHeight(confirmed), deadline)))
      throw notReady(
        `The leader has confirmed the log up to block ${confirmed}, and this node has block ${committed.height}. Ask again shortly, or another node.`,
      );
    return committed.size;
  }

  private async confirmBy(deadline: number): Promise<Height> {
    while (this.clock.now() < deadline) {
      const confirmed = await resultWithin(this.clock, this.atLeader.ask(), deadline - this.clock.now());
      if (confirmed !== null) return confirmed;
      // Another one may lead any moment; and this one may know soon how far the log is committed.
      const isLed = this.parts.driver.standing()?.leaderId != null;
      await this.parts.leaders.changeWithin(this.clock, isLed ? LEADER_POLL_MS : deadline - this.clock.now());
    }
    const detail = `No leader has confirmed within ${READ_WAIT_MS_MAX} ms that it still leads, so this node cannot say that it has the newest events. Without consistency=linearizable it answers what it has.`;
    throw unavailable(detail);
  }

  private async confirmAtLeader(): Promise<Height | null> {
    const { driver, config, peers } = this.parts;
    const leaderId = driver.standing()?.leaderId ?? null;
    if (leaderId === null) return null;
    if (leaderId === config.nodeId) return this.here.ask();
    return (await peers.ask(leaderId, "read-index", {}))?.height ?? null;
  }

  /** Whether this node leads is the core's to say: it asks a majority, and refuses when it does not lead. */
  private confirmHere(): Promise<Height | null> {
    const { driver } = this.parts;
    const readId = ++this.lastReadId;
    return new Promise((resolve) => {
      const cancel = this.clock.after(CONFIRM_MS_MAX, () => this.settle(readId, null));
      this.confirming.set(readId, (confirmed) => {
        cancel();
        resolve(confirmed);
      });
      if (driver.standing() === null) this.settle(readId, null);
      else driver.submit({ kind: "read_index", now: this.clock.now(), readId });
    });
  }

  private settle(readId: number, confirmed: Height | null): void {
    const resolve = this.confirming.get(readId);
    this.confirming.delete(readId);
    resolve?.(confirmed);
  }

  // --- What the log holds --------------------------------------------------------------------------------------------

  /** null is said only once the leader has confirmed that the log is shorter. */
  async get(sequence: number): Promise<StoredEvent | null> {
    const deadline = this.clock.now() + READ_WAIT_MS_MAX;
    if (sequence >= this.logSize && sequence >= (await this.sizeConfirmedBy(deadline))) return null;
    return this.guarded(async () => {
      const { events, header } = await this.searches.places.blockOf(sequence);
      return new StoredEvent(events, sequence - header.firstSequence, header);
    });
  }

  page(request: PageRequest): Promise<Found> {
    const bytesMax = this.limits.partBytesMax;
    return this.guarded(async () => {
      // What is in memory, and small, takes nobody's turn.
      const atHand = this.searches.atHand({ ...request, bytesMax, deadline: Number.POSITIVE_INFINITY });
      if (atHand !== null && !isLarge(atHand)) return atHand;
      return this.turns.run(async () => {
        // From here on: that others were first says nothing of how wide the filter is.
        const deadline = this.clock.now() + this.limits.searchMsMax;
        const found = await this.searches.find({ ...request, bytesMax, deadline });
        return { ...found, events: found.events.map((event) => event.detached()) };
      });
    });
  }

  async count(
    filter: EventFilter,
    range: { high: number; cap: number },
  ): Promise<{ total: number; isCapped: boolean }> {
    const deadline = this.clock.now() + this.limits.searchMsMax;
    const counted = await this.guarded(() => this.searches.count(filter, { ...range, deadline }));
    if (counted !== null) return counted;
    const detail =
      "The filter is too wide: its events could not be counted in time. Narrow its range of time, or name a type and a " +
      "source; GET /api/v1/events gives what it has found, with a cursor to go on from.";
    throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  async histogram(request: HistogramRequest): Promise<HistogramFound> {
    const deadline = this.clock.now() + this.limits.searchMsMax;
    const found = await this.guarded(() => this.histograms.of(request, deadline));
    if (found !== null) return found;
    const detail =
      "It could not be told in time which blocks were sealed when. Narrow the range, or ask again shortly.";
    throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  /** A store that cannot answer is asked again for a while: it may be recovering. Then the client is told why. */
  async guarded<T>(read: () => Promise<T>): Promise<T> {
    const deadline = this.clock.now() + READ_WAIT_MS_MAX;
    for (;;) {
      try {
        return await read();
      } catch (cause) {
        if (cause instanceof ProblemError) throw cause;
        // It is made anew meanwhile.
        if (cause instanceof IndexDiffers) this.parts.driver.log.index.differs(cause.height);
        const mayPass = cause instanceof IndexDiffers || cause instanceof StoreError;
        const isFinal = !mayPass || (cause instanceof StoreError && cause.failure === "index_lost");
        if (isFinal || this.clock.now() >= deadline) throw this.problemOf(cause);
      }
      await delay(this.clock, RETRY_MS);
    }
  }

  private problemOf(cause: unknown): ProblemError {
    const { logger, driver } = this.parts;
    if (cause instanceof AlteredBlock) {
      const detail = `${cause.message}. It is not shown by this node, and an alert is open; ask another node.`;
      return new ProblemError("event_altered", detail, { cause });
    }
    if (cause instanceof IndexDiffers) {
      const detail = `${cause.message}, and is being made anew. Events can be read by sequence and listed without a filter meanwhile.`;
      return new ProblemError("index_rebuilding", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
    if (cause instanceof StoreError && cause.failure === "index_lost") {
      driver.log.index.lost();
      const { through, of } = driver.log.index.progress;
      const detail =
        `The index of this node is being made anew from its log: ${through} of ${of} blocks are done. Events can be read ` +
        "by sequence and listed without a filter meanwhile. Ask another node, or again later.";
      return new ProblemError("index_rebuilding", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
    logger.warn({ err: cause }, "a read failed");
    return notReady("This node could not read its MongoDB. Ask another node, or again shortly.", cause);
  }

  block(at: number): Promise<BlockView | null> {
    return this.guarded(() => this.blockViews.block(at));
  }

  chain(from: number, count: number): Promise<NodeChain[]> {
    return this.blockViews.chain(from, count);
  }

  copies(sequence: number): Promise<NodeCopy[]> {
    return this.copyTurns.run(() => this.copiesNow(sequence));
  }

  private async copiesNow(sequence: number): Promise<NodeCopy[]> {
    const own: NodeCopy = await this.ownCopy(sequence);
    const others = await this.parts.peers.askAll("copy", { sequence });
    const silent = (node: string, wasAsked: boolean): NodeCopy => ({
      node,
      hash: null,
      event: null,
      detail: wasAsked ? "this node got no answer from it" : "this node could not ask it",
    });
    return [own, ...others.map(({ peer, answer, wasAsked }) => answer ?? silent(peer, wasAsked))].sort((a, b) =>
      a.node < b.node ? -1 : 1,
    );
  }

  /** As it is stored, past what is kept in memory. */
  private async ownCopy(sequence: number): Promise<NodeCopy> {
    const node = this.parts.config.nodeId;
    if (sequence >= this.logSize) return { node, hash: null, event: null, detail: "it does not have it yet" };
    try {
      const place = await this.searches.places.placeOf(sequence);
      const { header, events } = await this.parts.driver.log.blocks.fresh(place.height);
      const event = eventView(events.event(sequence - header.firstSequence), header);
      return { node, hash: event.hash, event };
    } catch (error) {
      if (error instanceof AlteredBlock) return { node, hash: null, event: null, detail: error.message };
      return { node, hash: null, event: null, detail: "its MongoDB could not be read" };
    }
  }
}

const isLarge = ({ events }: Found): boolean =>
  events.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0) >= LARGE_PART_BYTES;
