import type { Server } from "node:http";
import type { Router } from "express";
import type { Logger } from "pino";
import type { LogService } from "../service.js";
import { CLIENTS_MAX_DEFAULT, StreamHub } from "./hub.js";
import { sseRouter } from "./sse.js";
import { attachWebSockets } from "./websocket.js";

/** The live streams of a node: every committed event once, in order, from the moment of connecting. */
export interface Streams {
  /** For `createApp`: server-sent events at /api/event-logs/stream. */
  readonly router: Router;
  readonly clientCount: number;
  /** WebSockets at /api/event-logs/stream and at the root. */
  attach(server: Server): void;
  /** Tells every client that the node restarts (1012), and waits at most a second for their goodbyes. */
  close(): Promise<void>;
}

export function createStreams(
  service: LogService,
  options: { readonly logger: Logger; readonly clientsMax?: number },
): Streams {
  const hub = new StreamHub(service, { logger: options.logger, clientsMax: options.clientsMax ?? CLIENTS_MAX_DEFAULT });
  const attached: { close(): Promise<void> }[] = [];
  return {
    router: sseRouter(hub, service),
    get clientCount() {
      return hub.clientCount;
    },
    attach(server) {
      attached.push(attachWebSockets(server, { hub, service }));
    },
    async close() {
      hub.close();
      await Promise.all(attached.map((one) => one.close()));
    },
  };
}
