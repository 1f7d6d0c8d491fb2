import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import { ProblemError } from "../../problems.js";
import { clientOf } from "../client-address.js";
import { readQuery } from "../door/target.js";
import { WEB_SOCKET, type WebSocketListener } from "../upgrade.js";
import { type ConnectedClient, connectClient } from "./client.js";
import type { StreamForm } from "./forms.js";
import type { StreamHub } from "./hub.js";
import {
  afterOwnWrites,
  awaitPlace,
  noPlaceLeft,
  readStreamRequest,
  type StreamApi,
  type StreamFilter,
} from "./request.js";
import { type ResumeParts, resume } from "./resume.js";

/** Clients have nothing to say here; what they send is read and dropped. */
const MESSAGE_BYTES_MAX = 64 * 1024;
const PING_MS = 20_000;
/** After a restart notice, how long a client may take to say goodbye. */
const GOODBYE_MS = 1_000;
const RESTART = 1012;
const OVERLOAD = 1013;

/** Paths as the app knows them: in any case, and with a slash at their end or without. */
const STREAMS: ReadonlyMap<string, { api: StreamApi; form: StreamForm }> = new Map([
  ["/", { api: "b", form: "b" }],
  ["/api/event-logs/stream", { api: "a", form: "a" }],
  ["/api/v1/stream", { api: "own", form: "own" }],
]);

/** WebSockets at both reference paths, where only event objects are ever sent, and at our own. */
export function attachWebSockets(
  server: Server,
  parts: ResumeParts & { readonly logger: Logger },
): { close(): Promise<void> } {
  const { hub, reads, logger } = parts;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false });
  const refusals = new WeakMap<IncomingMessage, (error: unknown) => void>();
  sockets.on("wsClientError", (error, _socket, req) => {
    const detail = `This is no WebSocket handshake: ${error.message}.`;
    refusals.get(req)?.(new ProblemError("malformed_request", detail));
  });
  const onWebSocket: WebSocketListener = (req, socket, head, refuse) => {
    refusals.set(req, refuse);
    open(req, socket, head).catch(refuse);
  };
  const open = async (req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const [path = "", ...query] = (req.url ?? "").split("?");
    const found = STREAMS.get(path.toLowerCase().replace(/(.)\/$/, "$1"));
    if (found === undefined) throw new ProblemError("not_found", "There is no WebSocket here. GET / lists the routes.");
    const { api, form } = found;
    const asked = readStreamRequest(api, readQuery(query.join("?")), req.headers["last-event-id"]);
    const { filter, place } = asked;
    await afterOwnWrites(reads);
    if (place !== null) await awaitPlace(place, reads, () => socket.destroyed);
    const address = clientOf(req.socket);
    if (!hub.canAdd(address)) throw noPlaceLeft(hub);
    sockets.handleUpgrade(req, socket, head, (webSocket) => {
      const client = serve(webSocket, { hub, form, filter, address });
      if (place === null) return hub.add(client);
      resume(client, place.lastSeen + 1, filter, parts).catch((error: unknown) => {
        logger.error({ err: error }, "a stream broke off");
        webSocket.terminate();
      });
    });
  };
  server.on(WEB_SOCKET, onWebSocket);
  const pings = setInterval(() => pingAll(sockets), PING_MS).unref();
  return {
    async close(): Promise<void> {
      clearInterval(pings);
      const left = [...sockets.clients];
      for (const client of left) client.close(RESTART, "restart");
      await allClosed(left);
    },
  };
}

/** Who did not answer the last ping. */
const silent = new WeakSet<WebSocket>();

function serve(
  socket: WebSocket,
  { hub, address, ...asked }: { hub: StreamHub; form: StreamForm; filter: StreamFilter; address: string },
): ConnectedClient {
  const connection = {
    address,
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
  const client = connectClient(connection, asked.form, asked.filter);
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
