import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { failWith } from "../host/failed-requests.js";
import { ProblemError } from "../problems.js";
import { connectionOf, endGently, keepDraining, nothingOwed } from "./connections.js";
import type { Judge } from "./door/judge.js";

/** A WebSocket that was asked for at the right time and by somebody who may. */
export type WebSocketListener = (
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  refuse: (error: unknown) => void,
) => void;
/** The event of a server for which it is emitted. */
export const WEB_SOCKET = "websocket";

/** RFC 6455 section 4.1. Whatever else an Upgrade offers is nothing that a node speaks: RFC 9110 has it ignored. */
export function asksForWebSocket(req: IncomingMessage): boolean {
  const { upgrade = "", "content-length": length = "0", "transfer-encoding": encoding } = req.headers;
  const hasBody = length !== "0" || encoding !== undefined;
  return req.method === "GET" && req.httpVersion === "1.1" && !hasBody && tokens(upgrade).includes("websocket");
}

const tokens = (text: string): string[] => text.split(",").map((token) => token.trim().toLowerCase());

/** Takes what Node hands over with its connection: upgrades, and CONNECT, which there is none of here. */
export function takeUpgrades(server: Server, { judge, app }: { judge: Judge; app: RequestListener }): void {
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    inTurn(socket, () => {
      // Newer versions of Node ask beforehand, and never come here with anything else.
      if (!asksForWebSocket(req)) return giveBack(server, req, { socket: socket as Socket, head });
      const refuse = (error: unknown): void => refuseUpgrade(app, req, socket, error);
      const judgement = judge(req);
      if (!judgement.ok) return refuse(judgement.problem);
      req.headers.upgrade = "websocket";
      if (!server.emit(WEB_SOCKET, req, socket, head, refuse))
        refuse(new ProblemError("not_found", "There is no WebSocket here."));
    });
  });
  server.on("connect", (req: IncomingMessage, socket: Duplex) => {
    inTurn(socket, () => {
      // What it names is the other end of a tunnel, not a path.
      req.url = "/";
      refuseUpgrade(app, req, socket, new ProblemError("method_not_allowed", "This is no proxy: it takes no CONNECT."));
    });
  });
}

/** Node has let go of the socket; requests before this one may still be owed an answer there, or one was the last. */
function inTurn(socket: Duplex, go: () => void): void {
  // Without a listener, a connection that breaks now would end the process.
  socket.on("error", () => socket.destroy());
  keepDraining(socket);
  void nothingOwed(socket).then(() => {
    if (connectionOf(socket)?.isEnding === true) socket.resume();
    else if (!socket.destroyed) go();
  });
}

/** The request as it would have come without its Upgrade, put back before what the parser has not seen. */
function giveBack(server: Server, req: IncomingMessage, { socket, head }: { socket: Socket; head: Buffer }): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const [name, value] = [req.rawHeaders[i] as string, req.rawHeaders[i + 1] as string];
    const kept = /^connection$/i.test(name) ? withoutUpgrade(value) : value;
    if (!/^(?:upgrade|http2-settings)$/i.test(name) && kept !== "") lines.push(`${name}: ${kept}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}

const withoutUpgrade = (value: string): string =>
  tokens(value)
    .filter((token) => token !== "upgrade" && token !== "http2-settings")
    .join(", ");

/** Answered by the app, as every other request that fails; then the connection ends. */
function refuseUpgrade(app: RequestListener, req: IncomingMessage, socket: Duplex, error: unknown): void {
  if (socket.destroyed) return;
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  if (req.method !== "CONNECT") res.setHeader("Sec-WebSocket-Version", "13, 8");
  res.assignSocket(socket as Socket);
  res.once("finish", () => {
    res.detachSocket(socket as Socket);
    endGently(socket);
  });
  failWith(req, error);
  app(req, res);
}
