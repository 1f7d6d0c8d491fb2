import { closeSync, copyFileSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { isMissing } from "../lib/file-problem.js";

const LOG_BYTES_MAX = 8 * 1024 * 1024;
const OLD_FILES_MAX = 3;
/** A log whose old lines cannot be kept is emptied when it has grown to so many times its bound. */
const OVERFLOW_MAX = 4;

/**
 * A log file that children write to directly, so that their last words are kept even if this process is killed.
 * Being open for appending it can be copied away and emptied under them; lines written between the copy and the
 * truncation (well below a millisecond) are the price.
 */
export class BoundedLog {
  readonly fd: number;
  constructor(
    readonly path: string,
    private readonly bytesMax = LOG_BYTES_MAX,
  ) {
    mkdirSync(dirname(path), { recursive: true });
    this.fd = openSync(path, "a+");
  }

  /** Throws if the old lines cannot be kept; the log then goes on, and is bounded all the same. */
  rotateIfFull(): void {
    const { size } = fstatSync(this.fd);
    if (size < this.bytesMax) return;
    try {
      this.#keepOldLines();
    } catch (error) {
      if (size >= OVERFLOW_MAX * this.bytesMax) ftruncateSync(this.fd, 0);
      throw error;
    }
    ftruncateSync(this.fd, 0);
  }

  #keepOldLines(): void {
    for (let age = OLD_FILES_MAX - 1; age >= 1; age--) {
      try {
        renameSync(`${this.path}.${age}`, `${this.path}.${age + 1}`);
      } catch (error) {
        // There may be no file of that age yet.
        if (!isMissing(error)) throw error;
      }
    }
    copyFileSync(this.path, `${this.path}.1`);
  }

  tail(bytes = 65_536): string[] {
    const { size } = fstatSync(this.fd);
    const buffer = Buffer.alloc(Math.min(size, bytes));
    readSync(this.fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8").split("\n").filter(Boolean);
  }

  close(): void {
    closeSync(this.fd);
  }
}
