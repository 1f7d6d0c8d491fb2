import type { IncomingMessage } from "node:http";
import { hasFailed } from "./failed-requests.js";

export type ReadBody =
  | { readonly ok: true; readonly body: Buffer }
  | { readonly ok: false; readonly reason: "too_large" | "no_room" }
  | { readonly ok: false; readonly reason: "broken"; readonly error: NodeJS.ErrnoException };

/**
 * Collects a body of at most `bytesMax` as it was sent; says once how that ended. What is too large is read on
 * and dropped: a connection whose bytes nobody takes would stand still for all that comes behind. So is the rest of a
 * body of which `take` does not take a part. What comes after the request was answered as failed, as when its time was over,
 * is nobody's: its sender was told that nothing of it was written.
 */
export function readBody(
  message: IncomingMessage,
  bytesMax: number,
  done: (read: ReadBody) => void,
  take: (bytes: number) => boolean = () => true,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let isDone = false;
  const end = (read: ReadBody): void => {
    if (isDone) return;
    isDone = true;
    done(read);
  };
  const broken = (error: NodeJS.ErrnoException): void => end({ ok: false, reason: "broken", error });
  const isOver = (): boolean => {
    if (!isDone && hasFailed(message)) broken(new Error("the request was answered before it had arrived"));
    return isDone;
  };
  if (Number(message.headers["content-length"] ?? 0) > bytesMax) {
    end({ ok: false, reason: "too_large" });
    return;
  }
  message.on("data", (chunk: Buffer) => {
    if (isOver()) return;
    length += chunk.length;
    const reason = length > bytesMax ? "too_large" : take(chunk.length) ? null : "no_room";
    if (reason === null) chunks.push(chunk);
    else {
      chunks.length = 0;
      end({ ok: false, reason });
    }
  });
  message.on("end", () => {
    if (!isOver()) end({ ok: true, body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks) });
  });
  message.on("error", broken);
  message.on("close", () => broken(Object.assign(new Error("the connection closed"), { code: "ECONNRESET" })));
}
