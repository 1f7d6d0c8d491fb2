import type { IncomingMessage } from "node:http";

export type ReadBody =
  | { readonly ok: true; readonly body: Buffer }
  | { readonly ok: false; readonly reason: "too_large" }
  | { readonly ok: false; readonly reason: "broken"; readonly error: NodeJS.ErrnoException };

/**
 * Collects a body of at most `bytesMax` as it was sent; says once how that ended. What is too large is read on
 * and dropped: a connection whose bytes nobody takes would stand still for all that comes behind.
 */
export function readBody(message: IncomingMessage, bytesMax: number, done: (read: ReadBody) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let isDone = false;
  const end = (read: ReadBody): void => {
    if (isDone) return;
    isDone = true;
    done(read);
  };
  const broken = (error: NodeJS.ErrnoException): void => end({ ok: false, reason: "broken", error });
  if (Number(message.headers["content-length"] ?? 0) > bytesMax) {
    end({ ok: false, reason: "too_large" });
    return;
  }
  message.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length <= bytesMax) chunks.push(chunk);
    else {
      chunks.length = 0;
      end({ ok: false, reason: "too_large" });
    }
  });
  message.on("end", () => end({ ok: true, body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks) }));
  message.on("error", broken);
  message.on("close", () => broken(Object.assign(new Error("the connection closed"), { code: "ECONNRESET" })));
}
