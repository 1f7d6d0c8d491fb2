import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A request and its answer, while that is owed. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

export interface Connection {
  /** What is owed on this connection, in the order in which it is answered. */
  readonly owed: Set<Exchange>;
  readonly whenNothingIsOwed: (() => void)[];
  /** With the newest request, answered or not: what breaks before that is complete is its body. */
  newest: Exchange | null;
  /** The parser gave up: what comes now is no request. */
  isBroken: boolean;
  /** The last answer was given. A request that comes now would be carried out, and never answered. */
  isEnding: boolean;
}

const connections = new WeakMap<Duplex, Connection>();

export const connectionOf = (socket: Duplex): Connection | undefined => connections.get(socket);

/**
 * Keeps what each connection owes. Whoever writes to a socket itself, and not through the answer to a request, asks here
 * first: Node keeps answers in order, and knows nothing of such bytes.
 */
export function trackConnections(server: Server): void {
  server.on("connection", (socket: Socket) => {
    // A connection that goes back to the parser after an upgrade was refused is the same one.
    if (connections.has(socket)) return;
    const connection: Connection = {
      owed: new Set(),
      whenNothingIsOwed: [],
      newest: null,
      isBroken: false,
      isEnding: false,
    };
    connections.set(socket, connection);
    // Node ends a connection with this after its last answer, while the rest of a refused body may still come.
    socket.destroySoon = () => endGently(socket);
    socket.once("close", () => setImmediate(forsake, connection));
  });
}

/**
 * 100 Continue, once it is this request's turn. Node itself would put it between head and body of an answer that had to
 * wait for its turn.
 */
export function continueInTurn({ req, res }: Exchange): void {
  const before = [...(connections.get(req.socket)?.owed ?? [])].filter((exchange) => exchange.res !== res).at(-1);
  const go = (): void => {
    if (!res.headersSent && !res.destroyed) res.writeContinue();
  };
  if (before === undefined) go();
  else before.res.once("close", go);
}

export function owe(exchange: Exchange): void {
  const connection = connections.get(exchange.req.socket);
  if (connection === undefined) return;
  connection.owed.add(exchange);
  connection.newest = exchange;
  exchange.res.once("close", () => {
    connection.owed.delete(exchange);
    if (connection.owed.size === 0) settle(connection);
  });
}

/** The connection is closed. Node tells that to the foremost answer only: those that waited behind it would keep their places. */
function forsake(connection: Connection): void {
  for (const { res } of [...connection.owed]) {
    res.destroy();
    res.emit("close");
  }
  settle(connection);
}

function settle({ whenNothingIsOwed }: Connection): void {
  for (const go of whenNothingIsOwed.splice(0)) go();
}

/** Resolves when every request that came before is answered, or its connection is gone. */
export function nothingOwed(socket: Duplex): Promise<void> {
  const connection = connections.get(socket);
  if (connection === undefined || connection.owed.size === 0 || socket.closed) return Promise.resolve();
  return new Promise((resolve) => connection.whenNothingIsOwed.push(resolve));
}

/** Node has let go of this socket: what it did for answers that are still under way is done here. */
export function keepDraining(socket: Duplex): void {
  socket.on("drain", () => {
    const [first] = connections.get(socket)?.owed ?? [];
    if (first?.res.writableNeedDrain === true) first.res.emit("drain");
  });
}

/** How long the other side may take to read the last words before the connection goes. */
const LINGER_MS = 5_000;

/**
 * Ends a connection after its last words. It is not destroyed at once: bytes that came and were not read would make
 * that a reset, which takes answers away from a client that has not read them yet.
 */
export function endGently(socket: Duplex, lastWords = ""): void {
  if (socket.destroyed || socket.writableEnded) return;
  const connection = connections.get(socket);
  if (connection !== undefined) connection.isEnding = true;
  socket.end(lastWords);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("close", () => clearTimeout(timer));
}
