import type { NodeId, Term } from "../../shared/ids.js";
import type { Clock } from "../clock.js";
import type { Driver } from "../replica/driver.js";

/** Whom this node follows, for those who wait until it is another one. */
export class LeaderWatch {
  private leaderId: NodeId | null = null;
  private term: Term | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly driver: Pick<Driver, "standing">) {}

  /** To be called after anything that may have changed it. */
  look(): void {
    const standing = this.driver.standing();
    const { leaderId, term } = standing ?? { leaderId: null, term: null };
    if (leaderId === this.leaderId && term === this.term) return;
    this.leaderId = leaderId;
    this.term = term;
    this.wake();
  }

  wake(): void {
    for (const listener of [...this.listeners]) listener();
  }

  /** Until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves when another node leads, or after `ms`. */
  changeWithin(clock: Clock, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        stop();
        cancel();
        resolve();
      };
      const stop = this.onChange(end);
      const cancel = clock.after(Math.max(0, ms), end);
    });
  }
}
