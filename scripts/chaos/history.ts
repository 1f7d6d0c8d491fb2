import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { HistoryLine } from "../judge/format.js";

/** Then clients wait for the disk: what is recorded never piles up in memory. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** Takes what clients did and were told, and is their clock. */
export interface Recorder {
  /** Milliseconds since the start of the run. */
  now(): number;
  add(line: HistoryLine): void;
  /** Resolves when there is room for more. */
  room(): Promise<void>;
}

/** Writes the history of a run. */
export class History implements Recorder {
  readonly #startedMs = performance.now();
  readonly #file: WriteStream;

  constructor(path: string) {
    this.#file = createWriteStream(path);
    // `room` and `close` tell of it; without a listener it would end the process, and with it the cluster.
    this.#file.on("error", () => undefined);
  }

  /** To the microsecond. */
  now(): number {
    return Math.round(1000 * (performance.now() - this.#startedMs)) / 1000;
  }

  add(line: HistoryLine): void {
    // After the end there are only notes, which the story has as well.
    if (!this.#file.writableEnded) this.#file.write(`${JSON.stringify(line)}\n`);
  }

  note(text: string): void {
    this.add({ type: "note", at: this.now(), text });
  }

  async room(): Promise<void> {
    while (this.#file.writableLength > WAITING_BYTES_MAX && this.#file.errored === null)
      await once(this.#file, "drain");
    if (this.#file.errored !== null) throw this.#file.errored;
  }

  async close(): Promise<void> {
    this.#file.end();
    await finished(this.#file);
  }
}
