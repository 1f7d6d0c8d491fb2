import type { NodeId } from "../../shared/ids.js";
import type { Random } from "./random.js";
import type { Scheduler } from "./scheduler.js";

/** How the links behave; probabilities are a message's. */
export interface LinkProfile {
  delayMinMs: number;
  delayMaxMs: number;
  loss: number;
  duplication: number;
  /** A spike delays one message up to `spikeMs`: late by elections, and overtaken by everything. */
  spike: number;
  spikeMs: number;
}

export const CALM_LINKS: LinkProfile = {
  delayMinMs: 1,
  delayMaxMs: 5,
  loss: 0,
  duplication: 0,
  spike: 0,
  spikeMs: 0,
};

/** Directed links between nodes: they lose, delay, duplicate, reorder and can be cut one way. */
export class Network {
  profile: LinkProfile = CALM_LINKS;
  /** Several faults can hold one link cut at once. */
  private readonly cuts = new Map<string, number>();
  /** How often all was mended: what was cut before is not to be mended once more. */
  healings = 0;
  /** Bytes a millisecond, where a link is narrow. */
  private readonly widths = new Map<string, number>();
  delivered = 0;
  lost = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: Random,
  ) {}

  cut(from: NodeId, to: NodeId): void {
    this.cuts.set(`${from}>${to}`, (this.cuts.get(`${from}>${to}`) ?? 0) + 1);
  }

  mend(from: NodeId, to: NodeId): void {
    const link = `${from}>${to}`;
    const left = (this.cuts.get(link) ?? 0) - 1;
    if (left > 0) this.cuts.set(link, left);
    else this.cuts.delete(link);
  }

  mendAll(): void {
    this.healings += 1;
    this.cuts.clear();
    this.widths.clear();
  }

  isCut(from: NodeId, to: NodeId): boolean {
    // Asked at each arrival, and mostly nothing is.
    return this.cuts.size > 0 && (this.cuts.get(`${from}>${to}`) ?? 0) > 0;
  }

  /** What is large takes its time over a link that is narrow. */
  narrow(from: NodeId, to: NodeId, bytesPerMs: number): void {
    this.widths.set(`${from}>${to}`, bytesPerMs);
  }

  widen(from: NodeId, to: NodeId): void {
    this.widths.delete(`${from}>${to}`);
  }

  bytesPerMs(from: NodeId, to: NodeId): number {
    return this.widths.get(`${from}>${to}`) ?? Number.POSITIVE_INFINITY;
  }

  /** `deliver` runs zero, one or two times, each after a delay of its own; `onLost` for each that does not. */
  send(from: NodeId, to: NodeId, deliver: () => void, onLost: () => void = () => {}): void {
    const { profile, random } = this;
    if (random.chance(profile.loss)) {
      this.lost += 1;
      return onLost();
    }
    const copies = random.chance(profile.duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const late = random.chance(profile.spike) ? random.between(0, profile.spikeMs) : 0;
      this.scheduler.after(random.between(profile.delayMinMs, profile.delayMaxMs) + late, () => {
        // A cut also takes what is on its way: a message arrives only over a link that is whole at its arrival.
        if (this.isCut(from, to)) {
          this.lost += 1;
          onLost();
        } else {
          this.delivered += 1;
          deliver();
        }
      });
    }
  }

  /** For requests that a connection carries at most once: never duplicated, otherwise as `send`. */
  sendOnce(from: NodeId, to: NodeId, deliver: () => void, onLost: () => void = () => {}): void {
    let isSettled = false;
    const once = (action: () => void) => (): void => {
      if (isSettled) return;
      isSettled = true;
      action();
    };
    this.send(from, to, once(deliver), once(onLost));
  }
}
