import { z } from "zod";
import type { Effect } from "../../cluster/types.js";
import { type Height, height } from "../../shared/ids.js";
import { eventView, type ShownEvent, shownEvent } from "../../shared/log/event.js";
import type { EventFilter } from "../../shared/log/filter.js";
import { ProblemError } from "../problems.js";
import { AlteredBlock } from "../replica/anchors.js";
import { StoreError } from "../storage/port.js";
import type { Found, NodeCopy, PageRequest, ReadCondition } from "./log-port.js";
import { IndexDiffers } from "./page-builder.js";
import {
  LEADER_POLL_MS,
  notReady,
  ok,
  type Parts,
  pause,
  RETRY_AFTER_SECONDS,
  resultWithin,
  unavailable,
} from "./parts.js";
import type { PlaceFinder } from "./place-finder.js";
import { Searches } from "./search.js";
import { SharedRun } from "./shared-run.js";
import { Turns } from "./turns.js";

/** A read waits at most this long for what it must see. */
const READ_WAIT_MS_MAX = 2_000;
const CONFIRMATION_LOOK_MS = 50;
/** A leader that has not confirmed within this time is asked again, or the next one. */
const CONFIRM_MS_MAX = 1_000;
/** A search that takes longer ends with what it has found. */
const SEARCH_MS_MAX = 1_500;
/** One part of a list; with an event more, since the last one is taken whole. */
const PART_BYTES_MAX = 256 * 1024;
/** Parts of lists that are made at once. */
const PARTS_AT_ONCE = 2;
const LARGE_PART_BYTES = 64 * 1024;
/** Between tries of a read that the store could not answer. */
const RETRY_MS = 100;

/** Reads of what this node acknowledged and, where the request says so, of more. */
export class Reads {
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
  private readonly confirming = new Map<number, (confirmed: Height | null) => void>();
  private lastReadId = 0;
  private readonly here = new SharedRun<Height | null>(() => this.confirmHere());
  private readonly atLeader = new SharedRun<Height | null>(() => this.confirmAtLeader());

  /** Looks without being asked: there may be no leader to ask when the first read comes. */
  private readonly looking = setInterval(() => this.lookForConfirmation(), CONFIRMATION_LOOK_MS);

  private readonly searches: Searches;
  private readonly turns = new Turns<Found>(PARTS_AT_ONCE, isLarge);

  constructor(private readonly parts: Parts) {
    const { storage, driver } = parts;
    this.searches = new Searches({
      reader: storage.reader,
      blocks: driver.blocks,
      clock: { now: () => performance.now() },
      commitHeight: () => driver.committed.height,
      heldThrough: () => driver.heldThrough,
      onIndexDiffers: (at) => driver.onIndexDiffers(at),
    });
    parts.peers.handle("read-index", async () => ok({ height: await this.here.ask() }));
    parts.peers.handle("copy", async (body) =>
      ok(await this.ownCopy(z.object({ sequence: z.int().min(0) }).parse(body).sequence)),
    );
  }

  get places(): PlaceFinder {
    return this.searches.places;
  }
  stop(): void {
    clearInterval(this.looking);
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

  get logSize(): number {
    return this.parts.driver.committed.size;
  }

  async awaitReadable(condition: ReadCondition = {}): Promise<void> {
    const deadline = performance.now() + READ_WAIT_MS_MAX;
    const { driver } = this.parts;
    while (!this.lookForConfirmation()) {
      if (performance.now() > deadline) {
        throw notReady(
          this.confirmed === null
            ? "This node has started and no leader has confirmed yet how far the log goes. Ask another node, or again shortly."
            : `This node has started and has not caught up yet with block ${this.confirmed}, which a leader has confirmed. Ask another node, or again shortly.`,
        );
      }
      await pause(LEADER_POLL_MS);
    }
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
    const view = this.parts.driver.view();
    if (view === null || this.confirmed === null || view.commitHeight < this.confirmed) return false;
    this.acknowledgedSize = Math.max(this.acknowledgedSize, view.committedSize);
    this.isConfirmed = true;
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
    const { reached, cancel } = this.parts.driver.committed.awaitSize(size);
    const isThere = reached.then(() => true);
    return resultWithin(isThere, deadline - performance.now()).then((there) => {
      cancel();
      return there === true;
    });
  }

  // --- Linearizable reads --------------------------------------------------------------------------------------------

  /** The size of the log at a height that the leader confirmed after this was called, once this node has that height. */
  private async sizeConfirmedBy(deadline: number): Promise<number> {
    const confirmed = await this.confirmBy(deadline);
    for (;;) {
      const view = this.parts.driver.view();
      if (view !== null && view.commitHeight >= confirmed) return view.committedSize;
      if (performance.now() > deadline)
        throw notReady(
          `The leader has confirmed the log up to block ${confirmed}, and this node has block ${view?.commitHeight ?? 0}. Ask again shortly, or another node.`,
        );
      await pause(LEADER_POLL_MS / 4);
    }
  }

  private async confirmBy(deadline: number): Promise<Height> {
    while (performance.now() < deadline) {
      const confirmed = await resultWithin(this.atLeader.ask(), deadline - performance.now());
      if (confirmed !== null) return confirmed;
      await pause(LEADER_POLL_MS);
    }
    const detail = `No leader has confirmed within ${READ_WAIT_MS_MAX} ms that it still leads, so this node cannot say that it has the newest events. Without consistency=linearizable it answers what it has.`;
    throw unavailable(detail);
  }

  private async confirmAtLeader(): Promise<Height | null> {
    const { driver, config, peers } = this.parts;
    const leaderId = driver.view()?.leaderId ?? null;
    if (leaderId === null) return null;
    if (leaderId === config.nodeId) return this.here.ask();
    return peers.ask(leaderId, "read-index", {}, (body) => {
      const { height: at } = z.object({ height: z.int().min(0).nullable() }).parse(body);
      return at === null ? null : height(at);
    });
  }

  /** Whether this node leads is the core's to say: it asks a majority, and refuses when it does not lead. */
  private confirmHere(): Promise<Height | null> {
    const { driver } = this.parts;
    const readId = ++this.lastReadId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.settle(readId, null), CONFIRM_MS_MAX);
      this.confirming.set(readId, (confirmed) => {
        clearTimeout(timer);
        resolve(confirmed);
      });
      if (driver.view() === null) this.settle(readId, null);
      else driver.submit({ kind: "read_index", now: performance.now(), readId });
    });
  }

  private settle(readId: number, confirmed: Height | null): void {
    const resolve = this.confirming.get(readId);
    this.confirming.delete(readId);
    resolve?.(confirmed);
  }

  // --- What the log holds --------------------------------------------------------------------------------------------

  /** null is said only once the leader has confirmed that the log is shorter. */
  async get(sequence: number): Promise<ShownEvent | null> {
    const deadline = performance.now() + READ_WAIT_MS_MAX;
    if (sequence >= this.logSize && sequence >= (await this.sizeConfirmedBy(deadline))) return null;
    return this.guarded(async () => {
      const { events, header } = await this.searches.places.blockOf(sequence);
      return shownEvent(events.event(sequence - header.firstSequence), header);
    });
  }

  page(request: PageRequest): Promise<Found> {
    return this.guarded(() =>
      this.turns.run(async () => {
        // From here on: that others were first says nothing of how wide the filter is.
        const deadline = performance.now() + SEARCH_MS_MAX;
        const found = await this.searches.find({ ...request, bytesMax: PART_BYTES_MAX, deadline });
        return { ...found, events: found.events.map(({ event, header }) => shownEvent(event, header)) };
      }),
    );
  }

  async count(
    filter: EventFilter,
    range: { high: number; cap: number },
  ): Promise<{ total: number; isCapped: boolean }> {
    const deadline = performance.now() + SEARCH_MS_MAX;
    const counted = await this.guarded(() => this.searches.count(filter, { ...range, deadline }));
    if (counted !== null) return counted;
    const detail =
      "The filter is too wide: its events could not be counted in time. Narrow its range of time, or name a type and a " +
      "source; GET /api/v1/events gives what it has found, with a cursor to go on from.";
    throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  /** A store that cannot answer is asked again for a while: it may be recovering. Then the client is told why. */
  async guarded<T>(read: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + READ_WAIT_MS_MAX;
    for (;;) {
      try {
        return await read();
      } catch (cause) {
        if (cause instanceof ProblemError) throw cause;
        // It is made anew meanwhile.
        if (cause instanceof IndexDiffers) this.parts.driver.onIndexDiffers(cause.height);
        const mayPass = cause instanceof IndexDiffers || cause instanceof StoreError;
        const isFinal = !mayPass || (cause instanceof StoreError && cause.failure === "index_lost");
        if (isFinal || performance.now() >= deadline) throw this.problemOf(cause);
      }
      await pause(RETRY_MS);
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
      driver.onIndexLost();
      const { through, of } = driver.index.progress;
      const detail =
        `The index of this node is being made anew from its log: ${through} of ${of} blocks are done. Events can be read ` +
        "by sequence and listed without a filter meanwhile. Ask another node, or again later.";
      return new ProblemError("index_rebuilding", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
    logger.warn({ err: cause }, "a read failed");
    return notReady("This node could not read its MongoDB. Ask another node, or again shortly.", cause);
  }

  async copies(sequence: number): Promise<NodeCopy[]> {
    const own: NodeCopy = await this.ownCopy(sequence);
    const others = await this.parts.peers.askAll<NodeCopy>("copy", { sequence }, (body) => body as NodeCopy);
    const unreachable = (node: string): NodeCopy => ({
      node,
      hash: null,
      event: null,
      detail: "this node got no answer from it",
    });
    return [own, ...others.map(({ peer, answer }) => answer ?? unreachable(peer))].sort((a, b) =>
      a.node < b.node ? -1 : 1,
    );
  }

  /** As it is stored, past what is kept in memory. */
  private async ownCopy(sequence: number): Promise<NodeCopy> {
    const node = this.parts.config.nodeId;
    if (sequence >= this.logSize) return { node, hash: null, event: null, detail: "it does not have it yet" };
    try {
      const place = await this.searches.places.placeOf(sequence);
      const { header, events } = await this.parts.driver.blocks.fresh(place.height);
      const event = eventView(events.event(sequence - header.firstSequence), header);
      return { node, hash: event.hash, event };
    } catch (error) {
      if (error instanceof AlteredBlock) return { node, hash: null, event: null, detail: error.message };
      return { node, hash: null, event: null, detail: "its MongoDB could not be read" };
    }
  }
}

const isLarge = ({ events }: Found): boolean =>
  events.reduce((sum, { payload }) => sum + payload.length, 0) >= LARGE_PART_BYTES;
