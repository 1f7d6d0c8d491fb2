import type { Logger } from "pino";
import { type Clock, sleep } from "../clock.js";
import type { KeptPlaces } from "./place-file.js";
import type { Scrub } from "./scrub.js";

const RETRY_MS = 500;

export interface PassesParts {
  readonly scrub: Scrub;
  readonly places: Pick<KeptPlaces, "places" | "set">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** Whether the node holds anything at present. */
  readonly holdsBlocks: () => boolean;
  /** Changes are not seen yet, and will be. */
  readonly isWatchStarting: () => boolean;
  /** All that was changed while nobody watched has been looked for. */
  readonly onCaughtUp: () => void;
  /** Whether others should lead has perhaps changed. */
  readonly onPending: () => void;
}

/** When the scrub passes over the whole log: one pass at a time, and as many as it takes to know what happened unwatched. */
export class Passes {
  /** Full passes until it is known what happened while nothing was watched. */
  private due = 0;
  private running: Promise<void> | null = null;
  private anew: "none" | "wanted" | "begun" = "none";
  private isStopped = false;
  private isPendingNow = false;

  constructor(private readonly parts: PassesParts) {}

  get isDue(): boolean {
    return this.due > 0;
  }

  get isUnderWay(): boolean {
    return this.running !== null;
  }

  /** What was changed while nobody watched is being looked for in the whole log, and others lead better meanwhile. */
  get isPending(): boolean {
    return this.isPendingNow;
  }

  private get isAnewDue(): boolean {
    return this.anew !== "none" && !this.isStopped;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.parts.scrub.stop();
    await this.running;
  }

  async pass(): Promise<void> {
    if (this.isStopped) return;
    this.running ??= this.passOnce().finally(() => {
      this.running = null;
    });
    await this.running;
    if ((this.due > 0 || this.parts.scrub.hasSkipped) && !this.isStopped) void this.pass();
  }

  private async passOnce(): Promise<void> {
    const { scrub, logger, clock, places, onCaughtUp } = this.parts;
    if (this.anew === "wanted") {
      places.set({ scrub: null });
      this.anew = "begun";
    }
    try {
      if (!(await scrub.pass())) return;
      if (this.anew === "begun") this.anew = "none";
      logger.info(scrub.coverage, `verified the log through event ${scrub.coverage.verifiedThrough}`);
      // What is changed behind it until then is seen by nobody.
      if (this.due > 0 && this.parts.isWatchStarting()) return sleep(clock, RETRY_MS);
      this.due = Math.max(0, this.due - 1);
      if (this.due > 0) return;
      scrub.isHurried = false;
      places.set({ isBlind: false });
      this.setPending(false);
      onCaughtUp();
    } catch (error) {
      logger.warn({ err: error }, "the verification pass was interrupted; it goes on where it was");
      await sleep(clock, RETRY_MS);
    }
  }

  /** Resolves after a pass that began after this was called. It hurries, and so does the one that it has to wait for. */
  async fullPass(): Promise<void> {
    const { scrub } = this.parts;
    scrub.isAwaited = true;
    this.anew = "wanted";
    while (this.isAnewDue) await this.pass();
    scrub.isAwaited = false;
  }

  /** What an earlier process did not come to know is due. Its pass goes on, if since it began no change was missed. */
  start(): void {
    const { watch, isBlind, scrub } = this.parts.places.places;
    if (!this.parts.holdsBlocks() || !(watch === null || isBlind === true)) return;
    if (watch === null || scrub?.isSeen !== true) this.onBlind();
    else this.look(1);
  }

  /** What was changed and not watched is found by a pass that begins now: the one under way does not count. */
  onBlind(): void {
    const { places } = this.parts;
    const { scrub } = places.places;
    if (this.running === null) places.set({ scrub: null });
    else if (scrub !== null) places.set({ scrub: { ...scrub, isSeen: false } });
    places.set({ isBlind: true });
    this.look(this.running === null ? 1 : 2);
  }

  /** What changed is known only as a whole: all of it is looked at in haste, and from the beginning on. */
  onReplaced(): void {
    const { scrub } = this.parts;
    scrub.isHurried = true;
    if (this.running !== null) scrub.beginAnew();
    this.onBlind();
  }

  private look(due: number): void {
    this.due = due;
    // Where nothing is held, nothing can have been changed.
    if (this.parts.holdsBlocks()) this.setPending(true);
    void this.pass();
  }

  /**
   * Changes are seen. Where they are from now on only, a pass that is due, and that begins now, misses none. Where the watch went
   * on from its place it has missed none, and the pass goes on: on a long log one that began anew each time would never end.
   */
  onLive(isFromNow: boolean): void {
    if (this.due === 0 || !isFromNow) return;
    this.due = 1;
    this.parts.scrub.beginAnew();
  }

  private setPending(isPending: boolean): void {
    if (this.isPendingNow === isPending) return;
    this.isPendingNow = isPending;
    this.parts.onPending();
  }
}
