import type { Disk, StorageOperation } from "./disk.js";
import type { Random } from "./random.js";
import type { Scheduler } from "./scheduler.js";

/** How one node's store behaves at present; faults change it. */
export interface DiskBehaviour {
  latencyMinMs: number;
  latencyMaxMs: number;
  isStalled: boolean;
  /** Operations that stay unanswered, for scenarios. */
  held: (operation: StorageOperation) => boolean;
}

/** The one queue of a node's storage operations: done in the order given out, each durable before the next begins. */
export class StoreQueue {
  readonly behaviour: DiskBehaviour;
  private operations: StorageOperation[] = [];
  private isWriting = false;
  /** Counts queues that were lost with their process. */
  private generation = 0;

  constructor(
    private readonly disk: Disk,
    private readonly around: { scheduler: Scheduler; random: Random; latencyMs: readonly [number, number] },
    private readonly onDurable: (operation: StorageOperation) => void,
    /** The process is told, unless it died at that very moment. */
    private readonly onStored: (operation: StorageOperation) => void,
    private readonly mayBegin: () => boolean,
  ) {
    const [latencyMinMs, latencyMaxMs] = around.latencyMs;
    this.behaviour = { latencyMinMs, latencyMaxMs, isStalled: false, held: () => false };
  }

  get waiting(): number {
    return this.operations.length;
  }

  push(operation: StorageOperation): void {
    this.operations.push(operation);
    this.next();
  }

  latency(): number {
    return this.around.random.between(this.behaviour.latencyMinMs, this.behaviour.latencyMaxMs);
  }

  /** Begins the oldest operation that waits, if the disk is free. */
  next(): void {
    const [operation] = this.operations;
    if (operation === undefined || this.isWriting || !this.mayBegin()) return;
    const { behaviour, generation } = this;
    if (behaviour.isStalled || behaviour.held(operation)) return;
    this.isWriting = true;
    this.around.scheduler.after(this.latency(), () => {
      if (this.generation === generation) this.finish(operation);
    });
  }

  private finish(operation: StorageOperation): void {
    this.isWriting = false;
    // A stall caught it under way: it begins anew when the disk answers again.
    if (this.behaviour.isStalled) return;
    const { generation } = this;
    this.land(operation);
    this.operations.shift();
    this.onStored(operation);
    if (this.generation === generation) this.next();
  }

  private land(operation: StorageOperation): void {
    this.disk.apply(operation, this.around.scheduler.now);
    this.onDurable(operation);
  }

  /** The process dies: what waits is lost; the operation under way may or may not have reached the disk. */
  lose(): { hasLanded: boolean } {
    const [current] = this.operations;
    const hasLanded = this.isWriting && current !== undefined && this.around.random.chance(0.5);
    this.generation += 1;
    this.operations = [];
    this.isWriting = false;
    if (hasLanded && current !== undefined) this.land(current);
    return { hasLanded };
  }
}
