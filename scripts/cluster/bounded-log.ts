import { closeSync, copyFileSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync } from "node:fs";
import { dirname } from "node:path";

const LOG_BYTES_MAX = 8 * 1024 * 1024;
const OLD_FILES_MAX = 3;

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

  rotateIfFull(): void {
    if (fstatSync(this.fd).size < this.bytesMax) return;
    for (let age = OLD_FILES_MAX - 1; age >= 1; age--) {
      try {
        renameSync(`${this.path}.${age}`, `${this.path}.${age + 1}`);
      } catch {
        // There is no file of that age yet.
      }
    }
    copyFileSync(this.path, `${this.path}.1`);
    ftruncateSync(this.fd, 0);
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
