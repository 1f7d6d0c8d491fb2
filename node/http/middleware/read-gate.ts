import type { Response } from "express";
import { ProblemError } from "../../problems.js";

/** Bytes of answers under way, over all clients of this process. */
const BYTES_MAX = 32 * 1024 * 1024;
const WAITING_MAX = 512;
const WAIT_MS_MAX = 5_000;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * Bounds the memory of answers with more than one event: each has a place while it is made and until its client has taken
 * it. Whoever comes later waits in a queue that has an end.
 */
export class ReadGate {
  private bytes = 0;
  private readonly waiting: Waiting[] = [];

  constructor(private readonly limits = { bytesMax: BYTES_MAX, waitingMax: WAITING_MAX, waitMsMax: WAIT_MS_MAX }) {}

  /** Runs `answer` with a place for so many bytes. Throws ProblemError `overloaded` where there is none. */
  async run(res: Response, bytes: number, answer: () => Promise<void>): Promise<void> {
    await this.enter(res, bytes);
    try {
      if (!res.destroyed) await answer();
    } finally {
      this.bytes -= bytes;
      this.admit();
    }
  }

  private async enter(res: Response, bytes: number): Promise<void> {
    if (this.waiting.length === 0 && this.bytes + bytes <= this.limits.bytesMax) {
      this.bytes += bytes;
      return;
    }
    if (this.waiting.length >= this.limits.waitingMax) throw overloaded();
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        bytes,
        enter: () => {
          stop();
          this.bytes += bytes;
          resolve();
        },
      };
      const leave = (): void => {
        stop();
        this.waiting.splice(this.waiting.indexOf(waiting), 1);
        reject(overloaded());
        this.admit();
      };
      const timer = setTimeout(leave, this.limits.waitMsMax);
      const stop = (): void => {
        clearTimeout(timer);
        res.off("close", leave);
      };
      res.once("close", leave);
      this.waiting.push(waiting);
    });
  }

  private admit(): void {
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      if (this.bytes + first.bytes > this.limits.bytesMax) return;
      this.waiting.shift();
      first.enter();
    }
  }
}

const overloaded = (): ProblemError =>
  new ProblemError(
    "overloaded",
    "This node is answering as many lists of events as it can. Ask again shortly, or another node.",
    {
      retryAfterSeconds: 1,
    },
  );
