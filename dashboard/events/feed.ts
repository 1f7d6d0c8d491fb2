import type { EventView } from "../../shared/log/event.js";

/** Rows that came live and are shown; beyond them the list is loaded anew from the log. */
const SHOWN_MAX = 5_000;
/** Rows that wait while the list stands still; beyond them they are only counted. */
const HELD_MAX = 2_000;

export interface FeedState {
  /** The newest first. */
  readonly shown: readonly EventView[];
  /** How many have come since the list stands still. */
  readonly heldCount: number;
  /** What is shown can only go on from a newly loaded list. */
  readonly mustReload: boolean;
}

const EMPTY: FeedState = { shown: [], heldCount: 0, mustReload: false };

/** Where events come from, in the order of the log. */
export interface EventSource {
  /** Kept and later events have sequences from here on; null until the place is known. */
  readonly keptFrom: number | null;
  since(sequence: number): readonly EventView[] | null;
  subscribe(listener: { onEvents(events: readonly EventView[]): void }): () => void;
}

/** Events of a filter that came after a page of the list was loaded: each once, none left out. */
export class Feed {
  state: FeedState = EMPTY;
  private held: EventView[] = [];
  private isHeld = false;
  private hasBegun = false;
  private readonly listeners = new Set<() => void>();
  private readonly unsubscribe: () => void;

  constructor(
    /** Events from this sequence on are the feed's; those before it are the list's. */
    private readonly from: number,
    private readonly isWanted: (event: EventView) => boolean,
    private readonly source: EventSource,
  ) {
    this.unsubscribe = source.subscribe({ onEvents: (events) => this.onEvents(events) });
    this.begin();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  stop(): void {
    this.unsubscribe();
  }

  /** Holds what comes, or lets it through again. */
  hold(isHeld: boolean): void {
    if (isHeld === this.isHeld) return;
    this.isHeld = isHeld;
    if (isHeld || this.state.heldCount === 0) return;
    // More came than was kept.
    if (this.held.length < this.state.heldCount) this.set({ ...this.state, mustReload: true });
    else this.show(this.held);
    this.held = [];
  }

  /** What came between the page and the feed's first look is among the events that the stream keeps. */
  private begin(): void {
    if (this.source.keptFrom === null) return;
    this.hasBegun = true;
    const missed = this.source.since(this.from);
    if (missed !== null) this.take(missed);
    else this.set({ ...this.state, mustReload: true });
  }

  private onEvents(events: readonly EventView[]): void {
    if (this.hasBegun) this.take(events.filter(({ sequence }) => sequence >= this.from));
    else this.begin();
  }

  private take(events: readonly EventView[]): void {
    const wanted = events.filter(this.isWanted);
    if (wanted.length === 0 || this.state.mustReload) return;
    if (!this.isHeld) return this.show(wanted);
    if (this.held.length + wanted.length <= HELD_MAX) this.held.push(...wanted);
    this.set({ ...this.state, heldCount: this.state.heldCount + wanted.length });
  }

  private show(events: readonly EventView[]): void {
    const shown = [...events.toReversed(), ...this.state.shown];
    this.set({ shown, heldCount: 0, mustReload: shown.length > SHOWN_MAX });
  }

  private set(state: FeedState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
