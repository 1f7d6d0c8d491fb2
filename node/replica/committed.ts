import type { Logger } from "pino";
import type { Block } from "../../shared/log/block.js";
import { type EventView, eventView, type LoggedEvent } from "../../shared/log/event.js";
import { type Clock, delay } from "../clock.js";
import { type Projection, StoreError } from "../storage/port.js";
import { soundEvents } from "./recovery.js";

/** Decoded events that wait to be projected; beyond this only their blocks' bytes are kept. */
const DECODED_EVENTS_MAX = 8_000;
/** Beyond this many unprojected events no further block is stored until the projection has caught up. */
const UNPROJECTED_EVENTS_MAX = 150_000;
const APPLY_EVENTS_MAX = 1_000;
/** Fewer events than this are not projected sooner after the ones before, unless somebody waits for them. */
const GATHER_EVENTS = 256;
const GATHER_MS = 25;
const RETRY_MS_MAX = 1_000;

interface Waiting {
  readonly block: Block;
  events: readonly LoggedEvent[] | null;
}

type Listener = (events: readonly EventView[]) => void;

/**
 * What becomes of committed, verified blocks: they are published to subscribers at once, and projected in order
 * behind. Every event passes once in this process, also when the replica is recovered in between.
 */
export class CommittedEvents {
  private readonly listeners = new Set<Listener>();
  private readonly waiting: Waiting[] = [];
  private waitingEvents = 0;
  private decodedEvents = 0;
  private waiters: { size: number; resolve: () => void }[] = [];
  private roomWaiters: ((hasRoom: boolean) => void)[] = [];
  private isRunning = false;
  private isPaused = false;
  /** Takes the wait for more events back. */
  private cancelGathering: (() => void) | null = null;
  /** When something was projected last. */
  private projectedAt = Number.NEGATIVE_INFINITY;
  private idle: Promise<void> = Promise.resolve();
  /** Events below this were published. */
  publishedSize = 0;

  constructor(
    private readonly projection: Projection,
    private readonly options: {
      readonly logger: Pick<Logger, "warn">;
      readonly clock: Clock;
      readonly onProjected: (treeSize: number) => void;
      readonly onConflict: (error: StoreError) => void;
    },
  ) {}

  get projectedSize(): number {
    return this.projection.through;
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Takes the next committed block. Events that were published before are not published again. */
  add(block: Block, events: readonly LoggedEvent[]): void {
    if (events.length === 0) return;
    const { firstSequence, treeSize, height, term } = block.header;
    if (treeSize > this.publishedSize) {
      const fresh = events.slice(Math.max(0, this.publishedSize - firstSequence));
      this.publishedSize = treeSize;
      if (this.listeners.size > 0) {
        const views = fresh.map((event) => eventView(event, { height, term }));
        for (const listener of this.listeners) listener(views);
      }
    }
    const keepDecoded = this.decodedEvents + events.length <= DECODED_EVENTS_MAX;
    this.waiting.push({ block, events: keepDecoded ? events : null });
    this.waitingEvents += events.length;
    if (keepDecoded) this.decodedEvents += events.length;
    this.run();
  }

  /** Resolves when the projection holds all events below `size`; for one who may stop waiting: then nothing is kept for it. */
  awaitProjected(size: number): { readonly reached: Promise<void>; readonly cancel: () => void } {
    const waiter = { size, resolve: () => {} };
    const reached =
      this.projection.through >= size
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            waiter.resolve = resolve;
            this.waiters.push(waiter);
            this.run();
          });
    const cancel = (): void => {
      this.waiters = this.waiters.filter((other) => other !== waiter);
    };
    return { reached, cancel };
  }

  /** Resolves when there is room for further blocks: true; or when the projection was paused meanwhile: false. */
  room(): Promise<boolean> {
    if (this.waitingEvents < UNPROJECTED_EVENTS_MAX) return Promise.resolve(!this.isPaused);
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /** Takes no more and projects no more, at once; `pause` then waits for what is being written. */
  interrupt(): void {
    this.isPaused = true;
    this.stopGathering();
    for (const resolve of this.roomWaiters.splice(0)) resolve(false);
  }

  /** Stops projecting and forgets what waits: recovery reads it again from the log. */
  async pause(): Promise<void> {
    this.interrupt();
    await this.idle;
    this.waiting.length = 0;
    this.waitingEvents = 0;
    this.decodedEvents = 0;
  }

  resume(): void {
    this.isPaused = false;
    this.run();
  }

  private run(): void {
    if (this.isRunning || this.isPaused || this.waiting.length === 0) return;
    const { clock } = this.options;
    const dueInMs = this.projectedAt + GATHER_MS - clock.now();
    const isUrgent = this.waitingEvents >= GATHER_EVENTS || this.waiters.length > 0;
    if (isUrgent || dueInMs <= 0) this.project();
    else this.cancelGathering ??= clock.after(dueInMs, () => this.project());
  }

  private stopGathering(): void {
    this.cancelGathering?.();
    this.cancelGathering = null;
  }

  private project(): void {
    this.stopGathering();
    this.isRunning = true;
    this.idle = this.drain().finally(() => {
      this.isRunning = false;
      this.projectedAt = this.options.clock.now();
      this.run();
    });
  }

  private async drain(): Promise<void> {
    let failures = 0;
    while (this.waiting.length > 0 && !this.isPaused) {
      const { views, blocks } = this.next();
      try {
        await this.projection.apply(views);
        failures = 0;
      } catch (error) {
        failures += 1;
        if (error instanceof StoreError && error.failure === "conflict") return this.options.onConflict(error);
        if (failures === 1)
          this.options.logger.warn({ err: error }, "the projection could not be written: trying again");
        await delay(this.options.clock, Math.min(RETRY_MS_MAX, 50 * 2 ** failures));
        continue;
      }
      for (const done of this.waiting.splice(0, blocks)) {
        this.waitingEvents -= done.block.header.eventCount;
        if (done.events !== null) this.decodedEvents -= done.events.length;
      }
      this.announce();
      if (this.waitingEvents < GATHER_EVENTS && this.waiters.length === 0) return;
    }
  }

  /** The next blocks' events, as many as fit one write. */
  private next(): { views: EventView[]; blocks: number } {
    const views: EventView[] = [];
    let blocks = 0;
    for (const { block, events } of this.waiting) {
      if (blocks > 0 && views.length + block.header.eventCount > APPLY_EVENTS_MAX) break;
      const { height, term } = block.header;
      for (const event of events ?? decoded(block)) views.push(eventView(event, { height, term }));
      blocks += 1;
    }
    return { views, blocks };
  }

  private announce(): void {
    const { through } = this.projection;
    this.options.onProjected(through);
    const due = this.waiters.filter((waiter) => waiter.size <= through);
    this.waiters = this.waiters.filter((waiter) => waiter.size > through);
    for (const waiter of due) waiter.resolve();
    if (this.waitingEvents < UNPROJECTED_EVENTS_MAX) for (const resolve of this.roomWaiters.splice(0)) resolve(true);
  }
}

function decoded(block: Block): readonly LoggedEvent[] {
  const sound = soundEvents(block);
  // The block was verified before it came here and is held in memory since: this is a bug, not bad data.
  if ("fault" in sound) throw new Error(`a verified block became unsound in memory: ${sound.fault}`);
  return sound.events;
}
