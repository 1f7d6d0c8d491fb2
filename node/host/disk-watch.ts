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
  /** Folders on this machine whose volumes are looked at too, with what they hold. */
  readonly folders: readonly { readonly of: string; readonly folder: string }[];
  readonly logger: Logger;
}

interface Volume {
  readonly of: string;
  readonly free: number;
}

/**
 * Whether a volume that this node writes to is nearly full: a mongod that finds no space left ends itself, and a node
 * that cannot write its identity file can neither vote nor start again.
 */
export class DiskWatch {
  private fullest: Volume | null = null;
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
    const { fullest } = this;
    const free =
      fullest === null
        ? "an unknown number of bytes free"
        : `${fullest.free} bytes free on the volume of ${fullest.of}`;
    return `${free}; below ${freeMinBytes} (DISK_FREE_MIN_BYTES) a leader refuses writes; reads are served`;
  }

  private async look(): Promise<void> {
    const { askDatabase, folders, freeMinBytes, logger } = this.options;
    const volumes = await Promise.all([
      volumeOf("this node's MongoDB", askDatabase()),
      ...folders.map(({ of, folder }) => volumeOf(of, freeIn(folder))),
    ]);
    const [fullest] = volumes.filter((volume) => volume !== null).sort((a, b) => a.free - b.free);
    if (fullest !== undefined) {
      const { of, free } = fullest;
      const isLow = free < freeMinBytes * (this.low ? CLEAR_FACTOR : 1);
      if (isLow !== this.low) {
        if (isLow) logger.error({ free, freeMinBytes }, `the volume of ${of} is nearly full`);
        else logger.info({ free, freeMinBytes }, "the volumes of this node have space again");
      }
      this.fullest = fullest;
      this.low = isLow;
    }
    for (const listener of this.listeners) listener();
  }
}

const volumeOf = (of: string, free: Promise<number | null>): Promise<Volume | null> =>
  free.then(
    (bytes) => (bytes === null ? null : { of, free: bytes }),
    () => null,
  );

async function freeIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
