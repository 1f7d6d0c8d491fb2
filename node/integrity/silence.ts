import type { Clock } from "../clock.js";

/** So long a watch may say nothing, beside a store that answers, before it counts as down. */
export const WATCH_SILENT_MS = 30_000;
/** So long a pass that is under way, or due, may come no further. */
export const SCRUB_SILENT_MS = 120_000;
const LOOK_MS = 1_000;
/** The wall clock was set, or the machine slept, where it has gone so much further than the monotonic one between two looks. */
const CLOCK_SET_MS = 1_000;

export interface SilenceParts {
  readonly clock: Clock;
  /** Whether the store answers otherwise: one that does not is told of elsewhere, and changes nothing meanwhile. */
  readonly isStoreOpen: () => boolean;
  readonly watch: {
    /** Grows whenever it has judged something, or all that there was. */
    readonly signs: () => number;
    /** Whether it claims to see, or to be about to see, what is changed. */
    readonly isExpected: () => boolean;
    readonly onSilent: () => void;
  };
  readonly scrub: {
    /** Grows with each step of a pass. */
    readonly steps: () => number;
    readonly isUnderWay: () => boolean;
    /** What a node does not hold it cannot verify. */
    readonly holdsBlocks: () => boolean;
    /** When the next pass begins, by its schedule and the wall clock; null if none ever does. */
    readonly nextRunAt: () => number | null;
    /**
     * The wall clock was set: what the schedule waits for now would come at another time than it says. `isMissed`: one time has passed
     * meanwhile, while the machine slept or by the new clock.
     */
    readonly onClockSet: (isMissed: boolean) => void;
    readonly onSilent: () => void;
    readonly onHeard: () => void;
  };
}

/** Whoever looks for alterations and says nothing may be broken: silence is an alarm. */
export class Silence {
  private readonly watch = new Quiet(WATCH_SILENT_MS);
  private readonly scrub = new Quiet(SCRUB_SILENT_MS);
  /** By the wall clock, as schedules go; as it was when the scrub was last heard. */
  private dueAt: number | null = null;
  private lookedAt: number;
  /** What the wall clock is ahead of the monotonic one. */
  private aheadMs = 0;
  private cancel: (() => void) | null = null;

  constructor(private readonly parts: SilenceParts) {
    this.lookedAt = parts.clock.now();
  }

  start(): void {
    const { clock } = this.parts;
    this.lookedAt = clock.now();
    this.aheadMs = this.aheadNow();
    this.dueAt = this.parts.scrub.nextRunAt();
    this.cancel = clock.every(LOOK_MS, () => this.look());
  }

  stop(): void {
    this.cancel?.();
  }

  private look(): void {
    const { clock, isStoreOpen } = this.parts;
    const now = clock.now();
    // While this process was stopped, nothing in it could say anything.
    const elapsedMs = Math.min(now - this.lookedAt, 2 * LOOK_MS);
    this.lookedAt = now;
    const passedMs = isStoreOpen() ? elapsedMs : 0;
    this.lookAtWatch(passedMs);
    this.lookAtScrub(passedMs);
  }

  private lookAtWatch(passedMs: number): void {
    const { watch } = this.parts;
    if (this.watch.isTooLong(watch.signs(), watch.isExpected() ? passedMs : null)) watch.onSilent();
  }

  private lookAtScrub(passedMs: number): void {
    const { scrub } = this.parts;
    const steps = scrub.steps();
    const wasAheadMs = this.aheadMs;
    this.aheadMs = this.aheadNow();
    if (Math.abs(this.aheadMs - wasAheadMs) > CLOCK_SET_MS) {
      scrub.onClockSet(this.isOverdue);
      this.dueAt = scrub.nextRunAt();
    }
    if (this.scrub.isNews(steps)) {
      this.dueAt = scrub.nextRunAt();
      // Also where an earlier process has told of it.
      scrub.onHeard();
    }
    const isExpected = scrub.holdsBlocks() && (scrub.isUnderWay() || this.isOverdue);
    if (this.scrub.isTooLong(steps, isExpected ? passedMs : null)) scrub.onSilent();
  }

  private get isOverdue(): boolean {
    return this.dueAt !== null && Date.parse(this.parts.clock.wall()) > this.dueAt;
  }

  private aheadNow(): number {
    const { clock } = this.parts;
    return Date.parse(clock.wall()) - clock.now();
  }
}

/** For how long something that counts has not counted on. */
class Quiet {
  private isTold = false;
  private count = 0;
  private quietMs = 0;

  constructor(private readonly maxMs: number) {}

  isNews(count: number): boolean {
    return count !== this.count;
  }

  /** True once it has been so long; `passedMs` is null while nothing is expected of it. */
  isTooLong(count: number, passedMs: number | null): boolean {
    if (this.isNews(count)) {
      this.count = count;
      this.isTold = false;
      this.quietMs = 0;
      return false;
    }
    if (passedMs === null) {
      this.quietMs = 0;
      return false;
    }
    this.quietMs += passedMs;
    if (this.quietMs <= this.maxMs || this.isTold) return false;
    this.isTold = true;
    return true;
  }
}
