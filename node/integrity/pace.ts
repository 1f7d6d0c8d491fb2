import { type Clock, sleep } from "../clock.js";

/** A pass rests this many times as long as it works: a fortieth of one core. Faster where nothing else looks. */
const REST_FACTOR = 39;
const REST_FACTOR_ALONE = 9;
/** A pass in haste rests so, while nothing else needs the event loop. */
const REST_FACTOR_HASTE = 0.5;
/** However much others need: a tenth of a core, and a fifth where somebody waits for its end. */
const REST_FACTOR_FIRST_MAX = 9;
const REST_FACTOR_AWAITED_MAX = 4;
const PAUSE_MS_MAX = 2_000;
/** Up to this share of its time the event loop counts as free, and from the other one on as needed. */
const FREE_SHARE = 0.15;
const NEEDED_SHARE = 0.5;
/** What is seen counts by the time in which it came, beside this: one message fills a short rest. */
const SEEN_MS = 500;

export interface PaceParts {
  readonly clock: Clock;
  /** Nothing else finds what is altered now. */
  readonly isAlone: () => boolean;
}

/** `first`: the process has not read all of its log yet, or much of it was changed. `awaited`: what was decided is done once the pass has ended. */
export type Haste = "none" | "first" | "awaited";

/**
 * How long a pass rests after each step. The first one after a start hurries: what was altered below a mongod, or while nothing
 * ran, is found by it alone. So does one that somebody waits for. It makes way for others: how much of the event loop they take
 * is seen while it rests itself.
 */
export class Pace {
  /** How much of the event loop's time others took, lately. */
  private share = 0;

  constructor(private readonly parts: PaceParts) {}

  async rest(workedMs: number, haste: Haste): Promise<void> {
    const { clock } = this.parts;
    const [startedAt, busyBefore] = [clock.now(), clock.busyMs()];
    await sleep(clock, Math.min(PAUSE_MS_MAX, this.factor(haste) * workedMs));
    // What others wanted while the step worked they do now.
    const passedMs = workedMs + clock.now() - startedAt;
    if (passedMs <= 0) return;
    const seen = Math.min(1, (clock.busyMs() - busyBefore) / passedMs);
    this.share += (seen - this.share) * (passedMs / (passedMs + SEEN_MS));
  }

  private factor(haste: Haste): number {
    if (haste === "none") return this.parts.isAlone() ? REST_FACTOR_ALONE : REST_FACTOR;
    const most = haste === "awaited" ? REST_FACTOR_AWAITED_MAX : REST_FACTOR_FIRST_MAX;
    const needed = Math.min(1, Math.max(0, (this.share - FREE_SHARE) / (NEEDED_SHARE - FREE_SHARE)));
    return REST_FACTOR_HASTE + needed * (most - REST_FACTOR_HASTE);
  }
}
