import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { pino } from "pino";
import { type App, createApp } from "../../node/http/app.js";
import { BodyRoom } from "../../node/http/body-room.js";
import type { ReadGates } from "../../node/http/middleware/read-gate.js";
import type { ChaosDesk } from "../../node/http/routes/chaos.js";
import { createHardenedServer, type DoorOptions } from "../../node/http/server.js";
import { createStreams, type Streams } from "../../node/http/stream/streams.js";
import { MemoryLogService } from "./log-service.js";

/** For tests: the whole HTTP side of a node, over a log in memory, behind a real server on 127.0.0.1. */
export interface Door {
  readonly log: MemoryLogService;
  readonly server: Server;
  readonly streams: Streams;
  readonly bodies: BodyRoom;
  readonly url: string;
  readonly routers: App["routers"];
  /** A raw connection, from another address than 127.0.0.1 if one is named. */
  open(localAddress?: string): RawSocket;
  close(): Promise<void>;
}

export interface DoubleDoorOptions extends DoorOptions {
  readonly bodyBytesMax?: number;
  readonly dashboardFolder?: string;
  readonly chaos?: ChaosDesk;
  readonly gates?: ReadGates;
}

export async function openDoor(options: DoubleDoorOptions = {}): Promise<Door> {
  const log = new MemoryLogService();
  const logger = pino({ level: "silent" });
  const streams = createStreams(log, { logger });
  const bodies = new BodyRoom(options.bodyBytesMax);
  const { dashboardFolder, chaos, gates } = options;
  const app = createApp(log, {
    ...{ logger, version: "0", streams, bodies },
    ...(dashboardFolder === undefined ? {} : { dashboardFolder }),
    ...(chaos === undefined ? {} : { chaos }),
    ...(gates === undefined ? {} : { gates }),
  });
  const server = createHardenedServer(app, { app, messages: app.messages, ...options });
  streams.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sockets: RawSocket[] = [];
  return {
    log,
    server,
    streams,
    bodies,
    url: `http://127.0.0.1:${port}`,
    routers: app.routers,
    open: (localAddress) => {
      const socket = new RawSocket(port, localAddress);
      sockets.push(socket);
      return socket;
    },
    close: async () => {
      for (const { socket } of sockets) socket.destroy();
      await streams.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What came back on one connection, as text. */
export class RawSocket {
  readonly socket: Socket;
  answer = "";
  /** The server has closed its side, or the connection is gone. */
  hasEnded = false;

  constructor(port: number, localAddress = "127.0.0.1") {
    // It goes on sending after the server has said its last words.
    this.socket = connect({ port, host: "127.0.0.1", localAddress, allowHalfOpen: true }).setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.answer += text;
    });
    for (const event of ["end", "close", "error"])
      this.socket.on(event, () => {
        this.hasEnded = true;
      });
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  /** The status codes that came, in order. No body of ours holds such a line. */
  get statuses(): number[] {
    return [...this.answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
  }

  /** The last problem document. */
  get problem(): Record<string, unknown> {
    return JSON.parse(this.answer.slice(this.answer.lastIndexOf("\r\n\r\n") + 4)) as Record<string, unknown>;
  }
}

export const EVENT = '{"eventType":"T","sourceAppId":"S","dataPayload":{}}';
export const post = (body = EVENT, headers = "", path = "/api/v1/events"): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
export const get = (path: string, headers = ""): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
export const SSE = "Accept: text/event-stream\r\n";
export const WEB_SOCKET =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
