import { fstatSync, writeSync } from "node:fs";

/** What may wait for a reader; beyond it lines are dropped. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** The part of a stream that is used: `process.stdout` has it, whatever it is. */
export interface OutputStream {
  readonly writableLength: number;
  write(text: string): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface Output {
  /** Never waits and never throws. False if the text was dropped. */
  write(text: string): boolean;
  /** How many texts were dropped since this was called last; 0 as long as the reader takes nothing. */
  takeDropped(): number;
}

/**
 * Standard output or standard error for a process that must never wait for whoever reads it: a pager, a frozen
 * terminal, a log shipper that hangs. What its pipe does not take at once is kept, up to a bound, and written when the
 * reader goes on; what is beyond is dropped and counted. A full disk drops lines as well, and ends nothing.
 */
export function outputTo(fd: 1 | 2, bytesMax = WAITING_BYTES_MAX): Output {
  if (isFile(fd)) return fileOutput((text) => void writeSync(fd, text));
  const stream = fd === 1 ? process.stdout : process.stderr;
  // Node writes to a terminal in a way that waits while it is stopped (Ctrl-S, a dead connection); not to a pipe.
  (stream as { _handle?: { setBlocking?(isBlocking: boolean): void } })._handle?.setBlocking?.(false);
  return streamOutput(stream, bytesMax);
}

export function streamOutput(stream: OutputStream, bytesMax = WAITING_BYTES_MAX): Output {
  let dropped = 0;
  // A reader that has gone, or a terminal that was closed: there is nobody to tell.
  stream.on("error", () => undefined);
  return {
    write(text) {
      if (stream.writableLength + Buffer.byteLength(text) > bytesMax) {
        dropped += 1;
        return false;
      }
      stream.write(text);
      return true;
    },
    takeDropped() {
      if (stream.writableLength > bytesMax / 2) return 0;
      const count = dropped;
      dropped = 0;
      return count;
    },
  };
}

export function fileOutput(append: (text: string) => void): Output {
  let dropped = 0;
  let isFailing = false;
  return {
    write(text) {
      try {
        append(text);
        isFailing = false;
        return true;
      } catch {
        isFailing = true;
        dropped += 1;
        return false;
      }
    },
    takeDropped() {
      if (isFailing) return 0;
      const count = dropped;
      dropped = 0;
      return count;
    },
  };
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    // It was closed: writing to it fails, and is counted.
    return false;
  }
}
