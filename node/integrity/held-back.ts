import { type Clock, sleep } from "../clock.js";
import type { IncidentFinding } from "./incident-record.js";

/** What is found before it is known what is open waits so long to be told by the same alert, and is then told by one of its own. */
const HELD_BACK_MS = 5_000;
const HELD_BACK_MAX = 1_000;
const LOOK_MS = 50;

/** Keeps findings until it is known to which alerts they belong. */
export class HeldBack {
  /** With the time of each; null: nothing is kept. */
  private found: (readonly [found: IncidentFinding, wall: string])[] | null = null;
  private cancel = (): void => undefined;

  constructor(
    private readonly clock: Clock,
    private readonly tell: (found: IncidentFinding, wall: string) => void,
  ) {}

  begin(): void {
    this.found = [];
    this.cancel = this.clock.after(HELD_BACK_MS, () => this.release());
  }

  /** False: it does not wait. */
  take(found: IncidentFinding, wall: string): boolean {
    if (this.found === null) return false;
    if (this.found.push([found, wall]) >= HELD_BACK_MAX) this.release();
    return true;
  }

  /** All of them are told, and whatever comes from now on is told as it comes. */
  release(): void {
    const found = this.found ?? [];
    this.found = null;
    this.cancel();
    for (const one of found) this.tell(...one);
  }

  async released(): Promise<void> {
    while (this.found !== null) await sleep(this.clock, LOOK_MS);
  }
}
