import type { Clock } from "../clock.js";

export interface OwnerCheckOptions {
  readonly clock: Clock;
  /** A longer gap between two ticks is a pause, in milliseconds. */
  readonly pauseMs: number;
  /** Reads the owner of the database; throws when it is another process, or nobody can tell. */
  readonly check: () => Promise<void>;
}

/**
 * After a pause of this process another one may have taken its database over: nothing that came in meanwhile may be
 * answered before the owner has been read again. Sockets may be read before the tick that would notice the pause.
 */
export class OwnerCheck {
  private lastTickAt: number;
  private isUnderWay = false;

  constructor(private readonly options: OwnerCheckOptions) {
    this.lastTickAt = options.clock.now();
  }

  get isDue(): boolean {
    return this.isUnderWay || this.options.clock.now() - this.lastTickAt > this.options.pauseMs;
  }

  /** The owner is known, and ticks follow from now on. */
  begin(): void {
    this.lastTickAt = this.options.clock.now();
  }

  onTick(): void {
    if (this.isDue) void this.run();
    this.begin();
  }

  /** One at a time; `check` handles its errors. */
  async run(): Promise<void> {
    if (this.isUnderWay) return;
    this.isUnderWay = true;
    try {
      await this.options.check();
    } finally {
      this.isUnderWay = false;
    }
  }
}
