import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import { PROBLEMS, ProblemError } from "../../problems.js";
import { problemDocument } from "../middleware/problem-handler.js";
import { type ConnectedClient, connectClient } from "./client.js";
import type { StreamForm } from "./forms.js";
import type { StreamHub } from "./hub.js";
import { afterOwnWrites, awaitPlace, readStreamRequest, type StreamFilter, type StreamRequest } from "./request.js";
import { type ResumeParts, resume } from "./resume.js";

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
  ["/api/v1/stream", "own"],
]);

const FROM_NOW_ON: StreamRequest = { filter: {}, place: null };

/** WebSockets at both reference paths, where only event objects are ever sent, and at our own. */
export function attachWebSockets(
  server: Server,
  parts: ResumeParts & { readonly logger: Logger },
): { close(): Promise<void> } {
  const { hub, service, logger } = parts;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false });
  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Without a listener, a connection that breaks during the handshake would end the process.
    socket.on("error", () => socket.destroy());
    open(req, socket, head).catch((error: unknown) => {
      if (error instanceof ProblemError) return refuse(socket, error);
      logger.error({ err: error }, "a WebSocket could not be opened");
      socket.destroy();
    });
  };
  const open = async (req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const form = FORMS.get(pathOf(req));
    if (form === undefined) throw new ProblemError("not_found", "There is no WebSocket here. GET / lists the routes.");
    const asked = form === "own" ? readStreamRequest(queryOf(req), req.headers["last-event-id"]) : FROM_NOW_ON;
    const { filter, place } = asked;
    await afterOwnWrites(service);
    if (place !== null) await awaitPlace(place, service);
    if (!hub.canAdd()) throw new ProblemError("too_many_streams", "This node has no stream left to give. Try another.");
    sockets.handleUpgrade(req, socket, head, (webSocket) => {
      const client = serve(webSocket, { hub, form, filter });
      if (place === null) return hub.add(client);
      resume(client, place.lastSeen + 1, filter, parts).catch((error: unknown) => {
        logger.error({ err: error }, "a stream broke off");
        webSocket.terminate();
      });
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

function pathOf(req: IncomingMessage): string {
  const path = (req.url ?? "").split("?", 1)[0] ?? "";
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** As express' simple parser: a name that comes twice is an array, which the reader refuses. */
function queryOf(req: IncomingMessage): Record<string, string | string[]> {
  const parameters = new URLSearchParams((req.url ?? "").split("?").slice(1).join("?"));
  const values = [...new Set(parameters.keys())].map((name): [string, string | string[]] => {
    const all = parameters.getAll(name);
    return [name, all.length === 1 ? (all[0] as string) : all];
  });
  return Object.fromEntries(values);
}

function refuse(socket: Duplex, problem: ProblemError): void {
  const { status, title } = PROBLEMS[problem.code];
  const document = problemDocument(problem, { baseUrl: "", path: "", requestId: "" });
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

function serve(
  socket: WebSocket,
  { hub, form, filter }: { hub: StreamHub; form: StreamForm; filter: StreamFilter },
): ConnectedClient {
  const connection = {
    get isOpen() {
      return socket.readyState === socket.OPEN;
    },
    send: (bytes: Buffer) => socket.send(bytes, { binary: false }),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    closeSlow: (from: number) => socket.close(OVERLOAD, `from=${from}`),
    closeForRestart: () => socket.close(RESTART, "restart"),
  };
  const client = connectClient(connection, form, filter);
  socket.on("pong", () => silent.delete(socket));
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    client.forget();
    hub.remove(client);
  });
  return client;
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
