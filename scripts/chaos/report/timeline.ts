import type { FaultLine, HistoryLine, LeaderLine, NoteLine, PhaseLine, RunLine } from "../../judge/format.js";

/** What clients were told in one second of the run. */
export interface Second {
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
  failedReads: number;
}

export interface Pause {
  /** From the start of the episode to the first acknowledgement of a write that was begun after it. */
  gapMs: number;
  /** The longest time without any acknowledgement, until all was healed. */
  stallMs: number;
}

const nothing = (): Second => ({ acknowledged: 0, refused: 0, unknown: 0, reads: 0, failedReads: 0 });

/** A history, drawn together to what a report shows. Its memory: two numbers for each acknowledged call. */
export class Timeline {
  run: RunLine | undefined;
  readonly seconds: Second[] = [];
  readonly faults: FaultLine[] = [];
  readonly episodes: PhaseLine[] = [];
  readonly leaders: LeaderLine[] = [];
  readonly notes: NoteLine[] = [];
  calls = 0;
  endMs = 0;
  readonly #acks: { start: number; end: number }[] = [];

  add(line: HistoryLine): void {
    switch (line.type) {
      case "run":
        this.run = line;
        return;
      case "append": {
        const second = this.#secondOf(line.end);
        this.calls++;
        if (line.outcome === "ok") second.acknowledged += line.events.length;
        if (line.outcome === "ok") this.#acks.push({ start: line.start, end: line.end });
        else if (line.outcome === "refused") second.refused++;
        else second.unknown++;
        return;
      }
      case "read":
      case "list": {
        const second = this.#secondOf(line.end);
        this.calls++;
        if (line.outcome === "ok" || line.outcome === "absent") second.reads++;
        else second.failedReads++;
        return;
      }
      case "fault":
        this.faults.push(line);
        return;
      case "episode":
        this.episodes.push(line);
        return;
      case "leader":
        this.leaders.push(line);
        return;
      case "note":
        this.notes.push(line);
    }
  }

  /** One pause an episode, in their order. */
  pauses(): Pause[] {
    this.#acks.sort((a, b) => a.end - b.end);
    let place = 0;
    return this.episodes.map(({ start, end }) => {
      while ((this.#acks[place]?.end ?? Number.POSITIVE_INFINITY) <= start) place++;
      let newest = start;
      let stallMs = 0;
      let gapMs: number | undefined;
      for (let index = place; index < this.#acks.length; index++) {
        const ack = this.#acks[index] as { start: number; end: number };
        if (ack.end > end && gapMs !== undefined) break;
        stallMs = Math.max(stallMs, Math.min(ack.end, end) - newest);
        newest = Math.min(ack.end, end);
        if (ack.start > start) gapMs ??= ack.end - start;
      }
      return { gapMs: gapMs ?? end - start, stallMs: Math.max(stallMs, end - newest) };
    });
  }

  /** Names of the faults of an episode, for a table by kind: overlapping ones are one kind of their own. */
  kindOf({ start, end }: PhaseLine): string {
    const names = this.faults.filter((fault) => fault.start >= start && fault.start <= end).map(({ name }) => name);
    return names.length === 1 ? (names[0] as string) : "overlapping";
  }

  #secondOf(ms: number): Second {
    this.endMs = Math.max(this.endMs, ms);
    const place = Math.floor(ms / 1000);
    while (this.seconds.length <= place) this.seconds.push(nothing());
    return this.seconds[place] as Second;
  }
}
