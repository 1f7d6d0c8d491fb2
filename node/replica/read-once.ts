import type { Height } from "../../shared/ids.js";

/** So many heights at most are remembered as read once. */
const READ_ONCE_MAX = 4_096;
/** Bytes of blocks that were read; the driver has had each twice. */
const GARBAGE_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Which blocks were lately read once: only what is read again is kept, or reads of what is old would drive out what is
 * asked for again and again. Each is remembered for about as long as it would have been kept: by reads from all over a large
 * log hardly any block is.
 */
export class ReadOnce {
  /** Oldest first, with the bytes that each would take. */
  private readonly read = new Map<Height, number>();
  private bytes = 0;

  constructor(private readonly bytesMax: number) {}

  /** Whether it was read before; if not, it now was. */
  isAgain(at: Height, bytes: number): boolean {
    if (this.forget(at)) return true;
    this.read.set(at, bytes);
    this.bytes += bytes;
    for (const oldest of this.read.keys()) {
      if (this.read.size === 1 || (this.bytes <= this.bytesMax && this.read.size <= READ_ONCE_MAX)) break;
      this.forget(oldest);
    }
    return false;
  }

  private forget(at: Height): boolean {
    const bytes = this.read.get(at);
    if (bytes === undefined) return false;
    this.read.delete(at);
    this.bytes -= bytes;
    return true;
  }
}

/**
 * What was read is garbage once its events are shown. The engine counts its memory with the heap's: left to itself it goes
 * through all of the heap to free it, again and again. Going through what is young frees it in a hundredth of the time.
 */
export class ReadGarbage {
  private bytes = 0;

  /** By default the engine's own, where it was started with `--expose-gc`. */
  constructor(private readonly collect = () => globalThis.gc?.({ type: "minor", execution: "sync" })) {}

  add(bytes: number): void {
    this.bytes += bytes;
  }

  /** To be called before the next read: what was read before it is done with by then. */
  collectIfDue(): void {
    if (this.bytes < GARBAGE_BYTES_MAX) return;
    this.bytes = 0;
    void this.collect();
  }
}
