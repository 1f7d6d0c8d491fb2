import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { problemDocument } from "../middleware/problem-handler.js";
import { PROBLEMS, type ProblemCode, ProblemError } from "../problems.js";
import type { LogService } from "../service.js";
import type { StreamClient, StreamForm, StreamHub } from "./hub.js";

/** Clients have nothing to say here; what they send is read and dropped. */
const MESSAGE_BYTES_MAX = 64 * 1024;
const PING_MS = 20_000;
/** After a restart notice, how long a client may take to say goodbye. */
const GOODBYE_MS = 1_000;
const RESTART = 1012;
const OVERLOAD = 1013;

const FORMS: ReadonlyMap<string, StreamForm> = new Map([
  ["/", "b"],
  ["/api/event-logs/stream", "a"],
]);

/** WebSockets at both reference paths; only event objects are ever sent on them. */
export function attachWebSockets(
  server: Server,
  { hub, service }: { hub: StreamHub; service: LogService },
): { close(): Promise<void> } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false });
  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Without a listener, a connection that breaks during the handshake would end the process.
    socket.on("error", () => socket.destroy());
    const form = FORMS.get(pathOf(req));
    if (form === undefined) return refuse(socket, "not_found", "There is no WebSocket here. GET / lists the routes.");
    void afterOwnWrites(service).then(() => {
      if (!hub.canAdd())
        return refuse(socket, "too_many_streams", "This node has no stream left to give. Try another.");
      sockets.handleUpgrade(req, socket, head, (client) => serve(client, form, hub));
    });
  };
  server.on("upgrade", onUpgrade);
  const pings = setInterval(() => pingAll(sockets), PING_MS).unref();
  return {
    async close(): Promise<void> {
      clearInterval(pings);
      server.off("upgrade", onUpgrade);
      const left = [...sockets.clients];
      for (const client of left) client.close(RESTART, "restart");
      await allClosed(left);
    },
  };
}

/**
 * What this node acknowledged before a client connected is not news to it, even where the node itself (a follower that
 * forwarded the write) hears of the commit a moment later. Without a leader the stream opens all the same.
 */
export async function afterOwnWrites(service: LogService): Promise<void> {
  await service.awaitReadable().catch(() => undefined);
}

function pathOf(req: IncomingMessage): string {
  const path = (req.url ?? "").split("?", 1)[0] ?? "";
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

function refuse(socket: Duplex, code: ProblemCode, detail: string): void {
  const { status, title } = PROBLEMS[code];
  const document = problemDocument(new ProblemError(code, detail), { baseUrl: "", path: "", requestId: "" });
  const body = JSON.stringify(document);
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 503 ? ["Retry-After: 10"] : []),
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

/** Who did not answer the last ping. */
const silent = new WeakSet<WebSocket>();

function serve(socket: WebSocket, form: StreamForm, hub: StreamHub): void {
  const client: StreamClient = {
    form,
    send: (bytes) => socket.send(bytes, { binary: false }),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    closeSlow: (from) => socket.close(OVERLOAD, `from=${from}`),
    closeForRestart: () => socket.close(RESTART, "restart"),
  };
  socket.on("pong", () => silent.delete(socket));
  socket.on("error", () => socket.terminate());
  socket.on("close", () => hub.remove(client));
  hub.add(client);
}

function pingAll(sockets: WebSocketServer): void {
  for (const socket of sockets.clients) {
    if (silent.has(socket)) {
      socket.terminate();
      continue;
    }
    silent.add(socket);
    if (socket.readyState === socket.OPEN) socket.ping();
  }
}

async function allClosed(clients: readonly WebSocket[]): Promise<void> {
  const deadline = setTimeout(() => {
    for (const client of clients) client.terminate();
  }, GOODBYE_MS);
  await Promise.all(
    clients.map((client) =>
      client.readyState === client.CLOSED
        ? Promise.resolve()
        : new Promise<void>((resolve) => client.once("close", () => resolve())),
    ),
  );
  clearTimeout(deadline);
}
