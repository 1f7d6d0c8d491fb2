import type { IncomingMessage, ServerResponse } from "node:http";
import { type ReadBody, readBody } from "../host/read-body.js";
import { ProblemError } from "../problems.js";
import { Holdings } from "../service/fair-places.js";
import { clientOf } from "./client-address.js";

/** Bytes of clients' bodies that have arrived and are not answered yet, over all clients of this process. */
const BODIES_BYTES_MAX = 64 * 1024 * 1024;
/** Beyond, for the only body that comes from an address. */
const BODIES_BYTES_SPARE = 16 * 1024 * 1024;
const RETRY_AFTER_SECONDS = 1;

/**
 * Bounds the memory of what clients send. What has arrived counts, and not what a header promises: a promise takes no
 * memory. It counts until the request is answered, as its events are held meanwhile.
 */
export class BodyRoom {
  private used = 0;
  private readonly held = new Holdings();

  constructor(private readonly bytesMax = BODIES_BYTES_MAX) {}

  get bytes(): number {
    return this.used;
  }

  /** `readBody` of a client's request, whose bytes have a place here until it is answered or refused. */
  read(req: IncomingMessage, res: ServerResponse, bytesMax: number, done: (read: ReadBody) => void): void {
    const by = clientOf(req.socket);
    let held = 0;
    const hold = (bytes: number): void => {
      this.used += bytes;
      this.held.add(by, bytes);
      held += bytes;
    };
    const giveBack = (): void => hold(-held);
    const take = (bytes: number): boolean => {
      const isOnly = this.held.of(by) === held;
      if (this.used + bytes > this.bytesMax + (isOnly ? BODIES_BYTES_SPARE : 0)) return false;
      hold(bytes);
      return true;
    };
    res.once("close", giveBack);
    readBody(
      req,
      bytesMax,
      (read) => {
        if (!read.ok) giveBack();
        done(read);
      },
      take,
    );
  }
}

/** Why a client's body was not taken; null when the client is gone, and is answered nothing. */
export function bodyProblem(read: Extract<ReadBody, { ok: false }>): ProblemError | null {
  if (read.reason === "broken") return null;
  if (read.reason === "too_large")
    return new ProblemError("too_large", "The body is larger than this route takes. Nothing was written.");
  return new ProblemError(
    "overloaded",
    "The bodies of the requests under way fill the memory that this node has for them. Nothing of this one was kept or " +
      "written. Send it again shortly, or to another node.",
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}
