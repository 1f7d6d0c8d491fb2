import type { Clock } from "../clock.js";
import { OwnerCheck } from "./owner-check.js";

export interface TickParts {
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** A longer gap between two ticks is a pause of this process. */
  readonly pauseMs: number;
  /** When the replica wants to be woken before the next tick; null when it does not. */
  readonly wakeAt: () => number | null;
  readonly tick: () => void;
  readonly checkOwner: () => Promise<void>;
}

/** Tells a replica the time: regularly, and when it asks for it; and notices that this process was paused. */
export class Ticks {
  private readonly owner: OwnerCheck;
  private stopTicking = (): void => {};
  private wake: { readonly at: number; readonly cancel: () => void } | null = null;

  constructor(private readonly parts: TickParts) {
    const { clock, pauseMs, checkOwner } = parts;
    this.owner = new OwnerCheck({ clock, pauseMs, check: checkOwner });
  }

  start(): void {
    const { clock, heartbeatMs, tick } = this.parts;
    this.stopTicking = clock.every(Math.max(5, Math.floor(heartbeatMs / 4)), () => {
      this.owner.onTick();
      tick();
    });
  }

  stop(): void {
    this.stopTicking();
    this.wake?.cancel();
  }

  /** One timer: it is left to run where a later one would do, and where none is wanted any more. */
  scheduleWake(): void {
    const { clock, wakeAt } = this.parts;
    const at = wakeAt();
    if (at === null || (this.wake !== null && this.wake.at <= at)) return;
    this.wake?.cancel();
    const cancel = clock.after(Math.max(0, at - clock.now()), () => this.onWake());
    this.wake = { at, cancel };
  }

  private onWake(): void {
    const { clock, wakeAt, tick } = this.parts;
    this.wake = null;
    const at = wakeAt();
    // What it was to be woken for was done meanwhile.
    if (at !== null && at <= clock.now()) tick();
    else this.scheduleWake();
  }

  /** Another process may have taken the database over during a pause. */
  get isOwnerDoubtful(): boolean {
    return this.owner.isDue;
  }
  checkOwner(): Promise<void> {
    return this.owner.run();
  }
  ownerIsKnown(): void {
    this.owner.begin();
  }
}
