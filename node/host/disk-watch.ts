import { statfs } from "node:fs/promises";
import type { Logger } from "pino";

export const DISK_CHECK_MS = 5_000;
/** A disk that was too full counts as such until it has this much more than the least: no flapping at the edge. */
const CLEAR_FACTOR = 1.05;

export interface DiskWatchOptions {
  /** DISK_FREE_MIN_BYTES; 0 turns the watch off. */
  readonly freeMinBytes: number;
  /** Free bytes where this node's MongoDB keeps its data, as it says itself; null if it does not say. */
  readonly askDatabase: () => Promise<number | null>;
  /** The data folder of a mongod on this machine, which is looked at too. */
  readonly dataFolder: string | null;
  readonly logger: Logger;
}

/** Whether the volume of this node's MongoDB is nearly full: a mongod that finds no space left ends itself. */
export class DiskWatch {
  private free: number | null = null;
  private low = false;
  private timer: NodeJS.Timeout | null = null;
  private checking: Promise<void> | null = null;
  private readonly listeners: (() => void)[] = [];

  constructor(private readonly options: DiskWatchOptions) {}

  /** What cannot be found out is not low: then the node does as it did before it lost sight. */
  get isLow(): boolean {
    return this.low;
  }

  /** Called after every look. */
  onChecked(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Looks once, and then every five seconds. */
  async start(): Promise<void> {
    if (this.options.freeMinBytes === 0) return;
    await this.check();
    this.timer = setInterval(() => void this.check(), DISK_CHECK_MS);
  }

  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    await this.checking;
  }

  check(): Promise<void> {
    this.checking ??= this.look().finally(() => {
      this.checking = null;
    });
    return this.checking;
  }

  describe(): string {
    const { freeMinBytes } = this.options;
    if (freeMinBytes === 0) return "not watched (DISK_FREE_MIN_BYTES=0)";
    const free = this.free === null ? "an unknown number of" : this.free;
    return `${free} bytes free; below ${freeMinBytes} (DISK_FREE_MIN_BYTES) a leader refuses writes; reads are served`;
  }

  private async look(): Promise<void> {
    const { askDatabase, dataFolder, freeMinBytes, logger } = this.options;
    const answers = await Promise.all([
      askDatabase().catch(() => null),
      dataFolder === null ? null : freeIn(dataFolder).catch(() => null),
    ]);
    const known = answers.filter((bytes) => bytes !== null);
    if (known.length > 0) {
      const free = Math.min(...known);
      const isLow = free < freeMinBytes * (this.low ? CLEAR_FACTOR : 1);
      if (isLow !== this.low) {
        if (isLow) logger.error({ free, freeMinBytes }, "the disk of this node's MongoDB is nearly full");
        else logger.info({ free, freeMinBytes }, "the disk of this node's MongoDB has space again");
      }
      this.free = free;
      this.low = isLow;
    }
    for (const listener of this.listeners) listener();
  }
}

async function freeIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
