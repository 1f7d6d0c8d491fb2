import type { Server } from "node:http";
import type { Socket } from "node:net";

/** A client that takes nothing of what waits for it holds memory for no longer than this. */
const UNREAD_MS_MAX = 30_000;
/** How often, within that time, it is looked at what clients have taken. */
const LOOKS = 6;

/**
 * Cuts every connection whose client takes nothing of what waits for it: answers, and the bodies that count until these
 * are taken, would be held for as long as it likes. Node's own time limit of a socket begins anew with each byte that
 * comes in, so whoever sends on would never be cut by it.
 */
export function cutUnread(server: Server, unreadMs = UNREAD_MS_MAX): void {
  const seen = new Map<Socket, { taken: string; since: number }>();
  const look = (): void => {
    const now = performance.now();
    for (const [socket, { taken: before, since }] of seen) {
      const taken = takenOf(socket);
      if (taken === null || taken !== before) seen.set(socket, { taken: taken ?? "", since: now });
      else if (now - since >= unreadMs) socket.destroy();
    }
  };
  const timer = setInterval(look, unreadMs / LOOKS).unref();
  server.once("close", () => clearInterval(timer));
  server.on("connection", (socket: Socket) => {
    if (seen.has(socket)) return;
    seen.set(socket, { taken: "", since: performance.now() });
    socket.once("close", () => seen.delete(socket));
  });
}

type Handled = Socket & { readonly _handle?: { readonly writeQueueSize?: number } | null };

/** How far the client has come, to be compared only; null if nothing waits for it. Node counts whole writes, its handle bytes. */
function takenOf(socket: Handled): string | null {
  if (socket.writableLength === 0) return null;
  return `${socket.bytesWritten - socket.writableLength} ${socket._handle?.writeQueueSize}`;
}
