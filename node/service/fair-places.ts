/** Who asks for a place, for how much of what there is, and what follows. */
export interface Asking {
  /** A client's address, as a rule. */
  readonly by: string;
  readonly share: number;
  readonly onEntered: () => void;
  /** Its place among those who wait went to somebody who had fewer. */
  readonly onPushedOut?: () => void;
}

export interface FairLimits {
  readonly max: number;
  /** So much more, for those who have nothing: what others do not give back keeps nobody out. */
  readonly spare?: number;
  readonly waitingMax?: number;
  /** What those who wait ask for together: where it is held while they wait. */
  readonly waitingShareMax?: number;
}

/** What each has of something. */
export class Holdings {
  private readonly held = new Map<string, number>();

  of(by: string): number {
    return this.held.get(by) ?? 0;
  }

  /** Gives back where `amount` is below zero. */
  add(by: string, amount: number): void {
    const sum = this.of(by) + amount;
    if (sum === 0) this.held.delete(by);
    else this.held.set(by, sum);
  }
}

/**
 * Places that are given to whoever has least of them, in turn. One who is alone may have all; as soon as somebody else asks,
 * what becomes free is theirs. The same holds for the places of those who wait.
 */
export class FairPlaces {
  private used = 0;
  private readonly held = new Holdings();
  /** Who waits; whoever was served goes to the end. */
  private readonly lines = new Map<string, Asking[]>();
  private waiting = 0;
  private waitingShare = 0;

  constructor(private readonly limits: FairLimits) {}

  /** False: there is no place, and none to wait in. Whoever enters at once has entered before this returns. */
  ask(asking: Asking): boolean {
    const { by } = asking;
    const line = this.lines.get(by);
    if (line === undefined) this.lines.set(by, [asking]);
    else line.push(asking);
    this.waiting++;
    this.waitingShare += asking.share;
    this.admit();
    while (this.areTooMany) {
      const out = this.newestOfMost(by);
      this.remove(out ?? asking);
      if (out === undefined || out === asking) return false;
      out.onPushedOut?.();
    }
    return true;
  }

  /** Gives a place back. */
  leave({ by, share }: Asking): void {
    this.used -= share;
    this.held.add(by, -share);
    this.admit();
  }

  /** Waits no more; without effect on who does not wait. */
  withdraw(asking: Asking): void {
    if (this.remove(asking)) this.admit();
  }

  private get areTooMany(): boolean {
    const { waitingMax = Number.POSITIVE_INFINITY, waitingShareMax = Number.POSITIVE_INFINITY } = this.limits;
    return this.waiting > waitingMax || this.waitingShare > waitingShareMax;
  }

  /** The newest of whoever has most of those who wait. */
  private newestOfMost(by: string): Asking | undefined {
    let longest = this.lines.get(by) ?? [];
    for (const line of this.lines.values()) if (line.length > longest.length) longest = line;
    return longest.at(-1);
  }

  private admit(): void {
    for (let next = this.next(); next !== undefined && this.hasRoom(next); next = this.next()) {
      const { by, share } = next;
      this.remove(next);
      const rest = this.lines.get(by);
      if (rest !== undefined) {
        this.lines.delete(by);
        this.lines.set(by, rest);
      }
      this.used += share;
      this.held.add(by, share);
      next.onEntered();
    }
  }

  private next(): Asking | undefined {
    let next: Asking | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [by, [first]] of this.lines) {
      if (this.held.of(by) >= least) continue;
      least = this.held.of(by);
      next = first;
    }
    return next;
  }

  private hasRoom({ by, share }: Asking): boolean {
    const { max, spare = 0 } = this.limits;
    if (this.used + share <= max) return true;
    // What is larger than all that is spare goes alone.
    return spare > 0 && this.held.of(by) === 0 && (this.used <= max || this.used + share <= max + spare);
  }

  private remove(asking: Asking): boolean {
    const line = this.lines.get(asking.by);
    const at = line?.indexOf(asking) ?? -1;
    if (line === undefined || at < 0) return false;
    line.splice(at, 1);
    if (line.length === 0) this.lines.delete(asking.by);
    this.waiting--;
    this.waitingShare -= asking.share;
    return true;
  }
}
